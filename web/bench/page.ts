// The measurements of the page, each a line of JSON.
import { writeSync } from 'node:fs';
import { missing } from '../tests/harness/parts.ts';
import { cable } from './cable.ts';
import { scrolling } from './scrolling.ts';
import { visits } from './visits.ts';

export type Print = (line: Record<string, unknown>) => void;

const PARTS: Record<string, (print: Print) => Promise<void>> = { visits, cable, scrolling };

export async function run(parts: string[]): Promise<void> {
  const why = missing();
  if (why !== undefined) throw new Error(why);
  for (const [name, measure] of Object.entries(PARTS)) {
    if (parts.length > 0 && !parts.includes(name)) continue;
    await measure((line) => writeSync(1, `${JSON.stringify({ bench: 'page', ...line })}\n`));
  }
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function rounded(number: number, digits = 3): number {
  return Number(number.toFixed(digits));
}
