// Frames while the list of 100,000 devices is scrolled and turned, page after page. The devices are those of tools/bench/fleet.py.
//
//   frame        milliseconds between two frames: 16.7 where none is late
//   late         frames that came later than 1.5 × 16.7 ms after the one before
//   work         milliseconds that the main thread worked for a frame
//   blank        the same, for a page of plain text of the same height
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { launch } from '../tests/harness/chromium.ts';
import { Server } from '../tests/harness/server.ts';
import { type Print, rounded } from './page.ts';

const DEVICES = 100_000;
const PAGES = 5;
/** A frame at 60 Hz, in milliseconds. */
const FRAME = 1000 / 60;

export async function scrolling(print: Print, folder: string): Promise<void> {
  const home = mkdtempSync(join(folder, 'fleet-'));
  await (await Server.again(home)).end();
  const bench = resolve(import.meta.dirname, '../../tools/bench');
  const fill =
    'import pathlib, sys; sys.path.insert(0, sys.argv[1]); import fleet; fleet.fill(pathlib.Path(sys.argv[2]), int(sys.argv[3]))';
  execFileSync('python3', ['-c', fill, bench, join(home, 'fleetmint-data/fleetmint.db'), String(DEVICES)]);
  const server = await Server.again(home);
  const browser = await launch();
  try {
    const context = await browser.newContext({
      baseURL: server.url,
      locale: 'en-GB',
      viewport: { width: 1280, height: 800 },
    });
    const answer = await context.request.post('/api/session', {
      data: { token: server.token },
      headers: { 'X-Fleetmint': '1', origin: server.url },
    });
    if (!answer.ok()) throw new Error(`signing in: ${answer.status()}`);
    const page = await context.newPage();
    await page.goto('/devices');
    await page.locator('tbody tr:nth-child(50) a').first().waitFor();
    await scrolled(page);
    const turned: Frames[] = [];
    for (let number = 0; number < PAGES; number += 1) {
      turned.push(await scrolled(page));
      const first = await page.locator('tbody a').first().textContent();
      await page.getByRole('button', { name: 'Next' }).click();
      await page.locator('tbody a').first().filter({ hasNotText: first! }).waitFor();
    }
    const plain = await context.newPage();
    await plain.goto('/livez');
    await plain.evaluate(() => {
      document.body.textContent = '';
      for (let line = 0; line < 200; line += 1)
        document.body.append(`A line of text, number ${line}.`, document.createElement('br'));
    });
    await scrolled(plain);
    const blank = summary([await scrolled(plain)]);
    const ours = summary(turned);
    print({
      part: 'scrolling',
      devices: DEVICES,
      pages: PAGES,
      ...ours,
      blank,
      goal_ms: 16,
      reached: ours.work_p95 <= 16,
    });
  } finally {
    await browser.close();
    await server.stop();
  }
}

interface Frames {
  readonly between: number[];
  readonly work: number[];
}

interface Summary {
  readonly frames: number;
  readonly frame_p50: number;
  readonly frame_p95: number;
  readonly late: number;
  readonly work_p50: number;
  readonly work_p95: number;
  readonly work_max: number;
}

/** Scrolls down and up again with the wheel, and what that took. */
async function scrolled(page: Page): Promise<Frames> {
  await page.mouse.move(600, 400);
  await page.evaluate(record);
  for (const direction of [1, -1]) {
    for (let step = 0; step < 25; step += 1) {
      await page.mouse.wheel(0, direction * 100);
      await page.waitForTimeout(16);
    }
  }
  return page.evaluate(() => (globalThis as unknown as { recorded: () => Frames }).recorded());
}

/** It runs in the page. */
function record(): void {
  const between: number[] = [];
  const work: number[] = [];
  let last = 0;
  let running = true;
  const channel = new MessageChannel();
  let began = 0;
  // The message comes when the frame's style, layout and paint are done.
  channel.port1.onmessage = () => work.push(performance.now() - began);
  const frame = (): void => {
    const now = performance.now();
    if (last > 0) between.push(now - last);
    last = now;
    began = now;
    channel.port2.postMessage(null);
    if (running) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const recorded = (): Frames => {
    running = false;
    return { between, work };
  };
  Object.assign(globalThis, { recorded });
}

function summary(parts: readonly Frames[]): Summary {
  const between = parts.flatMap((part) => part.between).toSorted((a, b) => a - b);
  const work = parts.flatMap((part) => part.work).toSorted((a, b) => a - b);
  const at = (sorted: number[], share: number): number =>
    rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!, 1);
  return {
    frames: between.length,
    frame_p50: at(between, 0.5),
    frame_p95: at(between, 0.95),
    late: between.filter((milliseconds) => milliseconds > 1.5 * FRAME).length,
    work_p50: at(work, 0.5),
    work_p95: at(work, 0.95),
    work_max: at(work, 1),
  };
}
