// The inspector as a folder of files: opened from a disk, and from any host, with no network.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { violations } from './harness/axe.ts';
import { launch } from './harness/chromium.ts';
import { Board } from './harness/board.ts';
import { flashOf, nvsCommand, usedNvs } from './harness/flash.ts';
import { download, everything, inspect, openFile, referenceImage, row, USED } from './harness/inspect.ts';
import { PROGRAM } from './harness/parts.ts';

const temporary = mkdtempSync(join(tmpdir(), 'fleetmint-inspector-'));
const folder = join(temporary, 'inspector');
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

let browser: Browser;
let host: { url: string; stop: () => void };

beforeAll(async () => {
  // As with the page itself: what is built, or what the program has of it.
  if (process.env['FLEETMINT_TEST_PAGE'] === 'dist') {
    cpSync(resolve(import.meta.dirname, '../dist-inspector'), folder, { recursive: true });
  } else execFileSync(PROGRAM, ['page', 'export', folder]);
  browser = await launch();
  const server = createServer((incoming, outgoing) => {
    const path = new URL(incoming.url ?? '/', 'http://host').pathname.replace('/below/a/path/', '') || 'index.html';
    readFile(resolve(folder, path)).then(
      (file) => outgoing.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'image/svg+xml' }).end(file),
      () => outgoing.writeHead(404).end(),
    );
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  host = { url: `http://127.0.0.1:${port}/below/a/path/`, stop: () => server.close() };
});

afterAll(async () => {
  host.stop();
  await browser.close();
  rmSync(temporary, { recursive: true });
});

interface Opened {
  page: Page;
  requests: string[];
  complaints: string[];
  close: () => Promise<void>;
}

async function open(address: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(address);
  await page.locator('h1').waitFor();
  return { page, requests, complaints, close: () => context.close() };
}

const fromDisk = (): string => pathToFileURL(resolve(folder, 'index.html')).href;

test.each([
  ['a disk', fromDisk],
  ['a host', () => host.url],
])('from %s it inspects, changes and saves an image', async (_, address) => {
  const { page, requests, complaints, close } = await open(address());
  await page.getByRole('button', { name: 'Open a file' }).waitFor();
  // Nothing is fetched any more: neither the module nor a part of the page.
  await page.context().setOffline(true);
  const loaded = requests.length;
  await inspect(page, USED);
  await expect.poll(() => page.getByText('30 values in 4 namespaces').count()).toBe(1);
  const url = 'https://api.example.com/v1';
  expect(await everything(page)).not.toContain(url);
  await row(page, 'prov/base_url').getByRole('button', { name: 'Reveal' }).click();
  await expect.poll(() => page.locator('.revealed pre').textContent()).toBe(url);

  await row(page, 'app/sched').getByRole('button', { name: 'Delete app/sched' }).click();
  const saved = await download(page, page.getByRole('button', { name: 'Download the changed file' }));
  const csv = 'key,type,encoding,value\napp,namespace,,\nsched,delete,,\n';
  const files = { 'nvs.bin': referenceImage(USED), 'changes.csv': csv };
  const expected = nvsCommand(files, ['patch', 'nvs.bin', 'changes.csv', 'out.bin'], 'out.bin');
  expect(saved.content.equals(expected)).toBe(true);
  expect(requests.slice(loaded).filter((request) => !request.startsWith('blob:'))).toEqual([]);
  expect(complaints).toEqual([]);
  await close();
});

test('from a disk it opens an encrypted image, and breaks no rule of accessibility', async () => {
  const { page, complaints, close } = await open(fromDisk());
  await openFile(page, 'golden/enc_strings.bin');
  await openFile(page, 'golden/keyfile-a.bin', 'Open a key file');
  await page.getByRole('heading', { name: 'Pages and entries' }).waitFor();
  expect(complaints).toEqual([]);
  // axe itself tries to read the style sheet, which the policy refuses.
  expect(await violations(page)).toEqual([]);
  await page.getByRole('button', { name: 'Close the file' }).click();
  expect(await violations(page)).toEqual([]);
  await close();
});

test('it speaks German too, and keeps the choice', async () => {
  const { page, close } = await open(fromDisk(), { locale: 'de-DE' });
  await page.getByRole('heading', { name: 'NVS-Inspektor' }).waitFor();
  await page.getByLabel('Sprache').selectOption('English');
  await page.getByRole('heading', { name: 'NVS inspector' }).waitFor();
  await close();
});

test('from a disk it can ask for a serial port where the browser has them', async () => {
  const { page, close } = await open(fromDisk());
  expect(await page.evaluate(() => isSecureContext && 'serial' in navigator)).toBe(true);
  await page.getByRole('button', { name: 'Read a board' }).waitFor();
  await close();
});

test('from a disk it reads a board, and writes a change to it', { timeout: 120_000 }, async () => {
  const before = usedNvs('vibxdl4f');
  const board = await Board.start({ flash: flashOf({ nvs: before }) });
  const context = await browser.newContext({ locale: 'en-GB' });
  try {
    context.setDefaultTimeout(30_000);
    await board.attach(context);
    const page = await context.newPage();
    await page.goto(fromDisk());
    await page.getByRole('button', { name: 'Read a board' }).click();
    await page.getByRole('heading', { name: 'Pages and entries' }).waitFor();
    await row(page, 'app/boots').getByRole('button', { name: 'Delete app/boots' }).click();
    await page.getByRole('button', { name: 'Write to the board' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: /^Write/ }).click();
    await dialog.getByRole('heading', { name: 'Done' }).waitFor();
    const csv = 'key,type,encoding,value\napp,namespace,,\nboots,delete,,\n';
    const files = { 'nvs.bin': before, 'changes.csv': csv };
    const expected = nvsCommand(files, ['patch', 'nvs.bin', 'changes.csv', 'out.bin'], 'out.bin');
    expect((await board.readByEsptool()).equals(expected)).toBe(true);
  } finally {
    await context.close();
    await board.stop();
  }
});

test('its policy lets nothing in', async () => {
  const { page, close } = await open(fromDisk());
  const outcome = await page.evaluate(async () => {
    const blocked: string[] = [];
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => blocked.push(effectiveDirective));
    await fetch('http://127.0.0.1:9/').catch(() => undefined);
    const image = new Image();
    image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';
    const script = document.createElement('script');
    try {
      script.textContent = 'globalThis.ran = true';
      document.body.append(script);
    } catch {
      // Trusted types refuse the text.
    }
    await new Promise((later) => setTimeout(later, 200));
    return { blocked, ran: 'ran' in globalThis };
  });
  expect(outcome.blocked).toEqual(expect.arrayContaining(['connect-src', 'img-src']));
  expect(outcome.ran).toBe(false);
  await close();
});
