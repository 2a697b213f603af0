// Frames while the list of 100,000 devices is scrolled with the wheel and turned, page after page. The devices are those of
// tools/bench/fleet.py.
//
//   task_ms      the longest task of the page's main thread, in processor time: other programs on the machine do not count
//   frame_ms     between two frames, by the clock: 16.7 where none is late; late: those of more than one and a half of that
//   blank        the same, for a page of 200 lines of plain text
import type { Page } from 'playwright-core';
import { launch } from '../tests/harness/chromium.ts';
import { startLargeFleet } from '../tests/harness/large.ts';
import { mainThreadTasks } from '../tests/harness/trace.ts';
import { type Print, median, rounded } from './page.ts';

const DEVICES = 100_000;
const PAGES = 5;
/** At 60 Hz, in milliseconds. */
const FRAME = 1000 / 60;
const GOAL = 16;

export async function scrolling(print: Print): Promise<void> {
  const server = await startLargeFleet(DEVICES);
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
    const pages: Frames[] = [];
    for (let number = 0; number < PAGES; number += 1) {
      pages.push(await scrolled(page));
      const first = await page.locator('tbody a').first().textContent();
      await page.getByRole('button', { name: 'Next' }).click();
      await page.locator('tbody a').first().filter({ hasNotText: first! }).waitFor();
    }
    const plain = await context.newPage();
    await plain.goto('/livez');
    await plain.evaluate(() => {
      document.body.textContent = '';
      for (let line = 0; line < 200; line += 1) {
        document.body.append(`A line of text, number ${line}.`, document.createElement('br'));
      }
    });
    await scrolled(plain);
    const fleetmint = summary(pages);
    print({
      part: 'scrolling',
      devices: DEVICES,
      pages: PAGES,
      ...fleetmint,
      blank: summary([await scrolled(plain)]),
      goal_ms: GOAL,
      reached: fleetmint.task_ms <= GOAL,
    });
  } finally {
    await browser.close();
    await server.stop();
  }
}

interface Frames {
  readonly between: number[];
  readonly task: number;
}

interface Summary {
  readonly task_ms: number;
  readonly frames: number;
  readonly frame_ms: number;
  readonly late: number;
}

/** Scrolls down and up again with the wheel, and what that took. */
async function scrolled(page: Page): Promise<Frames> {
  await page.mouse.move(600, 400);
  await page.evaluate(record);
  const tasks = await mainThreadTasks(page, async () => {
    for (const direction of [1, -1]) {
      for (let step = 0; step < 25; step += 1) {
        await page.mouse.wheel(0, direction * 100);
        await page.waitForTimeout(16);
      }
    }
  });
  const between = await page.evaluate(() => (globalThis as unknown as { recorded: () => number[] }).recorded());
  return { between, task: tasks[0] ?? 0 };
}

/** It runs in the page: the times between its frames. */
function record(): void {
  const between: number[] = [];
  let last = 0;
  let running = true;
  const frame = (now: number): void => {
    if (last > 0) between.push(now - last);
    last = now;
    if (running) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const recorded = (): number[] => {
    running = false;
    return between;
  };
  Object.assign(globalThis, { recorded });
}

function summary(parts: readonly Frames[]): Summary {
  const between = parts.flatMap((part) => part.between);
  return {
    task_ms: rounded(Math.max(...parts.map(({ task }) => task)), 1),
    frames: between.length,
    frame_ms: rounded(median(between), 1),
    late: between.filter((milliseconds) => milliseconds > 1.5 * FRAME).length,
  };
}
