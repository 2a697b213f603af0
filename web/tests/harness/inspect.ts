// A person who opens files in the NVS inspector.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Locator, Page } from 'playwright-core';

const reference = resolve(import.meta.dirname, '../../../crates/fleetmint-nvs/tests/storage/reference');

/** The path of one of Espressif's reference images: `golden/prim_minmax.bin`. */
export function referencePath(name: string): string {
  return resolve(reference, name);
}

export function referenceImage(name: string): Buffer {
  return readFileSync(referencePath(name));
}

/** A partition of four pages that a board with Wi-Fi has used, and what is in it. */
export const USED = 'patch/foreign_reprov.before.bin';

export type Picked = string | { name: string; content: Uint8Array };

/** Opens a reference image, or a file with a content, in the inspector's own field. */
export async function openFile(page: Page | Locator, file: Picked, field = 'Open a file'): Promise<void> {
  const chosen = page.getByLabel(field, { exact: true });
  if (typeof file === 'string') return chosen.setInputFiles(referencePath(file));
  // As a file on the disk: a large one in a call of the debugger takes seconds.
  const folder = mkdtempSync(join(tmpdir(), 'fleetmint-inspect-'));
  try {
    writeFileSync(join(folder, file.name), file.content);
    await chosen.setInputFiles(join(folder, file.name));
    await page.getByRole('heading', { level: 2 }).first().waitFor();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Opens a file and waits until its partition is shown. */
export async function inspect(page: Page, file: Picked): Promise<void> {
  await openFile(page, file);
  await page.getByRole('heading', { name: 'Pages and entries' }).waitFor();
}

export function row(page: Page, name: string): Locator {
  const [namespace = '', key = ''] = name.split('/');
  return page
    .getByRole('table', { name: 'Values' })
    .getByRole('row')
    .filter({ has: page.getByRole('cell', { name: namespace, exact: true }) })
    .filter({ has: page.getByRole('rowheader', { name: key, exact: true }) });
}

export function slot(page: Page, number: number, entry: number): Locator {
  return page.locator(`[data-page="${number}"] [data-slot="${entry}"]`);
}

/** Clicks something that saves a file, and returns its name and content. */
export async function download(page: Page, button: Locator): Promise<{ name: string; content: Buffer }> {
  const [saved] = await Promise.all([page.waitForEvent('download'), button.click()]);
  return { name: saved.suggestedFilename(), content: await readFile(await saved.path()) };
}

/** Everything that is in the document: texts, attributes and what fields hold. */
export function everything(page: Page): Promise<string> {
  return page.evaluate(() => {
    const fields = [...document.querySelectorAll<HTMLInputElement>('input, textarea, select')];
    return [document.documentElement.outerHTML, ...fields.map(({ value }) => value)].join('\n');
  });
}
