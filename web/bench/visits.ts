// Visits of a browser that has nothing of the page yet, by https through nginx, so that it asks for brotli and speaks HTTP/2.
//
//   files, answers    the page's own files, and what the API answered: bytes of the bodies as they were sent, and on the network with
//                     their headers
//   interactive       seconds from the navigation until the view is painted with its data, nothing on it is loading, and the end of
//                     the last task of more than 50 ms on the main thread, in the next second too; with the processor slowed down to a
//                     quarter, a line of 10 Mbit/s and 40 ms there and back. `blank` is the same for a document of two letters.
import type { Browser, Page } from 'playwright-core';
import { Board, NVS } from '../tests/harness/board.ts';
import { launch } from '../tests/harness/chromium.ts';
import { flashOf, wornNvs } from '../tests/harness/flash.ts';
import { createFleet, type Fleet } from '../tests/harness/fleet.ts';
import { Nginx, freePort } from '../tests/harness/nginx.ts';
import { Server } from '../tests/harness/server.ts';
import { type Print, median, rounded } from './page.ts';
import { Transfer } from './transfer.ts';

const ROUNDS = 5;
const SLOWER = 4;
const LINE = { offline: false, latency: 40, downloadThroughput: 10e6 / 8, uploadThroughput: 10e6 / 8 };
/** In bytes of brotli. */
const GOALS = { firstView: 60_000, provisioning: 220_000 };
/** Devices in the list that is measured: a full page of it. */
const DEVICES = 50;

interface Visit {
  readonly path: string;
  readonly signedIn: boolean;
  /** What is there when the view can be used. */
  readonly shows: string;
}

export async function visits(print: Print): Promise<void> {
  const port = await freePort();
  const origin = `https://127.0.0.1:${port}`;
  const server = await Server.start({
    FLEETMINT_SERVER__TRUSTED_PROXIES: '127.0.0.1',
    FLEETMINT_SERVER__PUBLIC_URL: origin,
  });
  const nginx = await Nginx.start(port, server.program, {
    Host: '$http_host',
    'X-Forwarded-For': '$remote_addr',
    'X-Forwarded-Proto': '$scheme',
  });
  const browser = await launch([`--ignore-certificate-errors-spki-list=${nginx.spki}`]);
  try {
    const fleet = await createFleet(server);
    for (let n = fleet.devices.length; n < DEVICES; n += 1) {
      await server.createDevice({ device_model_id: fleet.sensor.id, name: `Sensor ${n}` });
    }
    const desk = { browser, server, origin };
    await firstView(print, desk, { path: '/sign-in', signedIn: false, shows: 'input[type=password]' });
    await firstView(print, desk, { path: '/devices', signedIn: true, shows: 'tbody tr:nth-child(50) a' });
    await provisioning(print, desk, fleet);
  } finally {
    await browser.close();
    await nginx.stop();
    await server.stop();
  }
}

interface Desk {
  readonly browser: Browser;
  readonly server: Server;
  readonly origin: string;
}

/** A page in a browser that has seen nothing. */
async function open({ browser, server, origin }: Desk, signedIn: boolean): Promise<Page> {
  const context = await browser.newContext({ baseURL: origin, locale: 'en-GB', reducedMotion: 'reduce' });
  if (signedIn) {
    const answer = await context.request.post('/api/session', {
      data: { token: server.token },
      headers: { 'X-Fleetmint': '1', origin },
      ignoreHTTPSErrors: true,
    });
    if (!answer.ok()) throw new Error(`signing in: ${answer.status()} ${await answer.text()}`);
  }
  return context.newPage();
}

async function firstView(print: Print, desk: Desk, visit: Visit): Promise<void> {
  const rounds: { transfer: Transfer; interactive: number; blank: number; plain: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { seconds: interactive } = await measured(desk, visit, true);
    // On a slowed line Chromium does not tell bodies from headers.
    const { transfer, seconds: plain } = await measured(desk, visit, false);
    const blank = await measured(desk, { path: '/livez', signedIn: false, shows: 'pre' }, true);
    rounds.push({ transfer, interactive, plain, blank: blank.seconds });
  }
  const { transfer } = rounds[0]!;
  const of = (which: 'interactive' | 'blank' | 'plain'): number => rounded(median(rounds.map((one) => one[which])));
  const files = transfer.files();
  print({
    part: 'first view',
    view: visit.path,
    files,
    answers: transfer.answers(),
    encodings: transfer.encodings(),
    goal_bytes: GOALS.firstView,
    reached: files.bytes <= GOALS.firstView,
    interactive: of('interactive'),
    interactive_unthrottled: of('plain'),
    blank: of('blank'),
    processor: `1/${SLOWER}`,
    mbit: 10,
    latency_ms: LINE.latency,
    rounds: ROUNDS,
  });
}

async function measured(
  desk: Desk,
  visit: Visit,
  throttled: boolean,
): Promise<{ transfer: Transfer; seconds: number }> {
  const page = await open(desk, visit.signedIn);
  const transfer = await Transfer.of(page);
  if (throttled) {
    await transfer.session.send('Network.emulateNetworkConditions', LINE);
    await transfer.session.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
  }
  await page.addInitScript(watchInteractive, visit.shows);
  await page.goto(visit.path, { waitUntil: 'commit' });
  const milliseconds = await page.evaluate(
    () => (globalThis as unknown as { interactive: Promise<number> }).interactive,
  );
  await page.context().close();
  return { transfer, seconds: milliseconds / 1000 };
}

/** It runs in the page, before the page's own scripts. */
function watchInteractive(shows: string): void {
  const tasks: { start: number; end: number }[] = [];
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      tasks.push({ start: startTime, end: startTime + duration });
  }).observe({ type: 'longtask', buffered: true });
  const interactive = new Promise<number>((resolve) => {
    const observer = new MutationObserver(look);
    observer.observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ['aria-busy'] });
    document.addEventListener('DOMContentLoaded', look);
    function look(): void {
      if (document.querySelector(shows) === null || document.querySelector('[aria-busy="true"]') !== null) return;
      observer.disconnect();
      requestAnimationFrame(() => {
        setTimeout(() => {
          const painted = performance.now();
          setTimeout(() => resolve(Math.max(painted, ...tasks.map(({ end }) => end))), 1000);
        });
      });
    }
  });
  Object.assign(globalThis, { interactive });
}

/** A visit that begins at a device's view and ends when a board carries the device. */
async function provisioning(print: Print, desk: Desk, fleet: Fleet): Promise<void> {
  const device = fleet.devices.at(-1)!;
  const board = await Board.start({ flash: flashOf({ nvs: wornNvs(device.key) }) });
  const page = await open(desk, true);
  try {
    await board.attach(page.context());
    const transfer = await Transfer.of(page);
    await page.goto(`/devices/${device.id}`);
    await page.getByRole('button', { name: 'Provision', exact: true }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Choose port and connect' }).click();
    await dialog.getByRole('button', { name: /Write \d+ sectors?/ }).click();
    await dialog.getByRole('heading', { name: 'Done' }).waitFor();
    await page.waitForLoadState('networkidle');
    const files = transfer.files();
    print({
      part: 'a visit that provisions a board',
      chip: board.chip,
      partition: NVS.size,
      files,
      of_it: {
        wasm: transfer.bytesOf(/\.wasm$/),
        esptool_js: transfer.bytesOf(/\/(esptool|lib)[^/]*\.js$/),
        chip_and_stub: transfer.bytesOf(/\/(esp32|esp8266)[^/]*\.js$/),
      },
      answers: transfer.answers(),
      encodings: transfer.encodings(),
      goal_bytes: GOALS.provisioning,
      reached: files.bytes <= GOALS.provisioning,
      largest: transfer
        .list()
        .filter(({ path }) => !path.startsWith('/api/'))
        .toSorted((a, b) => b.body - a.body)
        .slice(0, 6)
        .map(({ path, body }) => `${path.replace(/^\/assets\//, '')} ${body}`),
    });
  } finally {
    await page.context().close();
    await board.stop();
  }
}
