// Chromium, driven from Node: one browser for a test file, a new context for each test.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { test as base } from 'vitest';
import { createFleet, type Fleet } from './fleet.ts';
import { launch } from './chromium.ts';
import { Server } from './server.ts';
import { Watch } from './watch.ts';

export { expect } from 'vitest';

export interface OpenOptions extends BrowserContextOptions {
  /** Signed in as the administrator before the first view; `true` unless said otherwise. */
  readonly signedIn?: boolean;
  /** The server of this test; the file's own unless said otherwise. */
  readonly server?: Server;
}

/** A page that is watched, and what was seen of it. */
export interface Tab {
  readonly page: Page;
  readonly watch: Watch;
  readonly server: Server;
  /** Shows a path of the page and waits until nothing is loading any more. */
  visit(path: string): Promise<void>;
}

interface Fixtures {
  /** Opens a page in a context of its own. */
  open: (options?: OpenOptions) => Promise<Tab>;
}

interface FileFixtures {
  /** Environment variables of the file's server: `test.override('settings', {…})`. */
  settings: Record<string, string>;
  server: Server;
  /** What is on it. */
  fleet: Fleet;
  browser: Browser;
}

export const test = base.extend<Fixtures & FileFixtures>({
  settings: [{}, { scope: 'file' }],
  server: [
    async ({ settings }, use) => {
      const server = await Server.start(settings);
      await use(server);
      await server.stop();
    },
    { scope: 'file' },
  ],
  fleet: [async ({ server }, use) => use(await createFleet(server)), { scope: 'file' }],
  browser: [
    // vitest reads which fixtures another one needs from its first parameter.
    async ({}, use) => {
      const browser = await launch();
      await use(browser);
      await browser.close();
    },
    { scope: 'file' },
  ],
  open: async ({ browser, server }, use) => {
    const tabs: Tab[] = [];
    await use(async (options = {}) => {
      const tab = await openTab(browser, { server, ...options });
      tabs.push(tab);
      return tab;
    });
    for (const { page } of tabs) await page.context().close();
    const complaints = tabs.flatMap(({ watch }) => watch.complaints());
    if (complaints.length > 0) throw new Error(`The page did what no page may do:\n${complaints.join('\n')}`);
  },
});

async function openTab(browser: Browser, options: OpenOptions & { server: Server }): Promise<Tab> {
  const { signedIn = true, server, ...contextOptions } = options;
  const context = await browser.newContext({
    baseURL: server.url,
    locale: 'en-GB',
    timezoneId: 'UTC',
    viewport: { width: 1280, height: 800 },
    reducedMotion: 'reduce',
    ...contextOptions,
  });
  context.setDefaultTimeout(10_000);
  const watch = await Watch.over(context, server.url);
  if (signedIn) await signIn(context, server);
  const page = await context.newPage();
  const visit = async (path: string): Promise<void> => {
    await page.goto(path);
    await settled(page);
  };
  return { page, watch, server, visit };
}

/** A new session, in place of the one that the browser may have. */
export async function signIn(context: BrowserContext, server: Server): Promise<void> {
  await context.clearCookies();
  const answer = await context.request.post('/api/session', {
    data: { token: server.token },
    headers: { 'X-Fleetmint': '1', origin: server.url },
  });
  if (!answer.ok()) throw new Error(`signing in: ${answer.status()} ${await answer.text()}`);
}

/** Waits until a view is shown and nothing on it is loading. */
export async function settled(page: Page): Promise<void> {
  await page.locator('h1').first().waitFor();
  await page.waitForFunction(() => document.querySelector('[aria-busy="true"]') === null);
}

/** The largest picture that a document may show. */
const LARGEST = 150 * 1024;

/**
 * A picture for the documents: docs/pictures/NAME.png. It is only written where FLEETMINT_PICTURES names the folder
 * (`npm run pictures`), because no two systems draw the same letters; each run checks that it could be.
 */
export async function picture(of: Page | Locator, name: string): Promise<void> {
  const bytes = await of.screenshot({ animations: 'disabled', caret: 'hide' });
  if (bytes.length > LARGEST) throw new Error(`the picture ${name} has ${bytes.length} bytes, more than ${LARGEST}`);
  const folder = process.env['FLEETMINT_PICTURES'];
  if (folder === undefined) return;
  const file = join(folder, `${name}.png`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
}
