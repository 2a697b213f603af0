// *Provision* on a line of 115,200 baud, beside esptool-js itself, which writes the whole partition: what a page does that cannot know
// what the partition holds. Both in Chromium, on the same simulated board, whose line and flash take as long as real ones.
//
//   seconds     from the click that connects to *Done*: connect, stub, read, plan, write, verify, reset, and the server's answers; the
//               consent to what is to be written is a click without a pause. esptool-js: connect, stub, write, its MD5, reset
//   to_board, from_board      bytes on the line
//   written     bytes that went into the flash: whole sectors
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { Board, NVS, type Report } from '../tests/harness/board.ts';
import { launch } from '../tests/harness/chromium.ts';
import { flashOf, nvsCommand, valuesOf, wornNvs } from '../tests/harness/flash.ts';
import { type Device, Server } from '../tests/harness/server.ts';
import { ForeignPage } from '../tests/harness/wire.ts';
import { type Print, median, rounded } from './page.ts';

const ROUNDS = 3;
const BAUD = 115_200;
/** More values than one page has room for, of an application that counts its starts. */
const USES = 150;
/** The same board each time, so that nobody has to agree to another one. */
const BOARD = ['--mac', '24:0a:c4:00:00:01', '--baud-delay', '--flash-delay'];
/** The written bytes beside those of esptool-js. */
const GOAL = { written: 0.25 };

interface Figures {
  readonly seconds: number;
  readonly commands: number;
  readonly to_board: number;
  readonly from_board: number;
  readonly written: number;
}

export async function cable(print: Print): Promise<void> {
  const server = await Server.start({
    FLEETMINT_PROVISIONING__MQTT_URL: 'mqtts://mqtt.example.com:8883',
    FLEETMINT_PROVISIONING__WIFI_SSID: 'Workshop',
    FLEETMINT_PROVISIONING__WIFI_PASSWORD: 'correct horse battery',
  });
  const foreign = await ForeignPage.start();
  const browser = await launch();
  try {
    const peer = await bundled();
    const model = await server.createModel({ code: 'sensor', name: 'Sensor' });
    const device = await server.createDevice({ device_model_id: model.id, name: 'Kitchen' });
    const current = await provisioned(server, device, wornNvs(device.key));
    const cases: [string, Uint8Array][] = [
      ['blank partition', new Uint8Array(NVS.size).fill(0xff)],
      ['one changed secret, worn partition', withOtherSecret(current)],
      ['unchanged', current],
    ];
    for (const [name, before] of cases) {
      const after = await provisioned(server, device, before);
      const ours: Figures[] = [];
      const theirs: Figures[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        ours.push(await provision(browser, server, device, before, after));
        theirs.push(await write(browser, foreign, peer, before, after));
      }
      const [fleetmint, esptool_js] = [medians(ours), medians(theirs)];
      print({
        part: 'cable',
        chip: 'esp32c3',
        baud: BAUD,
        case: name,
        fleetmint,
        esptool_js,
        written_ratio: rounded(fleetmint.written / esptool_js.written),
        seconds_ratio: rounded(fleetmint.seconds / esptool_js.seconds, 2),
        goal: GOAL,
        reached: fleetmint.written <= GOAL.written * esptool_js.written,
        rounds: ROUNDS,
      });
    }
  } finally {
    await browser.close();
    await foreign.end();
    await server.stop();
  }
}

/** The partition as the server's own plan leaves it. */
async function provisioned(server: Server, device: Device, before: Uint8Array): Promise<Buffer> {
  const body = { data: Buffer.from(before).toString('base64') };
  const answer = await server.call<{ data: string }>('POST', `/api/devices/${device.id}/provisioning/patch`, body);
  return Buffer.from(answer.data, 'base64');
}

/** With another secret, on a page that the firmware has long left. */
function withOtherSecret(partition: Uint8Array): Buffer {
  const secret = String(valuesOf(partition).get('prov/client_secret')).replace(/./g, 'x');
  let changes = `key,type,encoding,value\nprov,namespace,,\nclient_secret,data,string,${secret}\napp,namespace,,\n`;
  for (let start = 0; start < USES; start += 1) changes += `boots,data,u16,${start}\n`;
  const files = { 'now.bin': partition, 'changes.csv': changes };
  return nvsCommand(files, ['patch', 'now.bin', 'changes.csv', 'other.bin'], 'other.bin');
}

async function plugged(before: Uint8Array): Promise<Board> {
  return Board.start({ flash: flashOf({ nvs: before }), with: BOARD });
}

async function provision(
  browser: Browser,
  server: Server,
  device: Device,
  before: Uint8Array,
  after: Uint8Array,
): Promise<Figures> {
  const board = await plugged(before);
  const context = await browser.newContext({ baseURL: server.url, locale: 'en-GB', reducedMotion: 'reduce' });
  try {
    const answer = await context.request.post('/api/session', {
      data: { token: server.token },
      headers: { 'X-Fleetmint': '1', origin: server.url },
    });
    if (!answer.ok()) throw new Error(`signing in: ${answer.status()}`);
    await board.attach(context);
    const page = await context.newPage();
    await page.goto(`/devices/${device.id}`);
    await page.getByRole('button', { name: 'Provision', exact: true }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Choose port and connect' }).waitFor();
    await page.waitForLoadState('networkidle');
    await page.evaluate(consentAtOnce);
    await dialog.getByRole('button', { name: 'Choose port and connect' }).click();
    const milliseconds = await page.evaluate(() => (globalThis as unknown as { took: Promise<number> }).took);
    return await figures(board, milliseconds, after);
  } finally {
    await context.close();
    await board.stop();
  }
}

/** It runs in the page: the time from the click on *Connect* to *Done*, and a click that consents as soon as it is asked for. */
function consentAtOnce(): void {
  let began = 0;
  document.addEventListener('click', () => (began ||= performance.now()), { capture: true, once: true });
  const took = new Promise<number>((resolve, reject) => {
    const observer = new MutationObserver(() => {
      const dialog = document.querySelector('dialog');
      for (const button of dialog?.querySelectorAll('button') ?? []) {
        if (/Write \d+ sectors?$/.test(button.textContent.trim())) button.click();
      }
      for (const heading of dialog?.querySelectorAll('h2, h3') ?? []) {
        if (heading.textContent.trim() === 'Done') {
          observer.disconnect();
          resolve(performance.now() - began);
        }
      }
    });
    observer.observe(document.body, { childList: true, subtree: true, characterData: true });
    setTimeout(() => reject(new Error(`not done: ${document.querySelector('dialog')?.textContent}`)), 60_000);
  });
  took.catch(() => undefined);
  Object.assign(globalThis, { took });
}

async function write(
  browser: Browser,
  foreign: ForeignPage,
  peer: string,
  before: Uint8Array,
  after: Uint8Array,
): Promise<Figures> {
  const board = await plugged(before);
  const context = await browser.newContext();
  try {
    await board.attach(context);
    const page: Page = await context.newPage();
    await page.goto(`http://127.0.0.1:${foreign.port}/`);
    await page.addScriptTag({ content: peer });
    await page.evaluate(
      ({ data, md5, offset }) => {
        const button = document.createElement('button');
        const took = new Promise<number>((resolve, reject) => {
          button.onclick = () => {
            const began = performance.now();
            const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
            const { writeWhole } = (globalThis as unknown as { peer: typeof import('./peer.ts') }).peer;
            writeWhole(bytes, offset, md5).then(() => resolve(performance.now() - began), reject);
          };
        });
        took.catch(() => undefined);
        Object.assign(globalThis, { took });
        document.body.append(button);
      },
      {
        data: Buffer.from(after).toString('base64'),
        md5: createHash('md5').update(after).digest('hex'),
        offset: NVS.offset,
      },
    );
    await page.locator('button').click();
    const milliseconds = await page.evaluate(() => (globalThis as unknown as { took: Promise<number> }).took);
    return await figures(board, milliseconds, after);
  } finally {
    await context.close();
    await board.stop();
  }
}

async function figures(board: Board, milliseconds: number, after: Uint8Array): Promise<Figures> {
  const report: Report = await board.report();
  if (report.violations > 0) throw new Error(`${report.violations} violations`);
  if (!(await board.nvs()).equals(after)) throw new Error('the flash differs from what was to be written');
  if (report.boots !== 1) throw new Error(`${report.boots} starts of the application`);
  return {
    seconds: milliseconds / 1000,
    commands: report.names.length,
    to_board: report.received,
    from_board: report.sent,
    written: report.written,
  };
}

function medians(rounds: readonly Figures[]): Figures {
  const of = (name: keyof Figures): number => rounded(median(rounds.map((one) => one[name])));
  return {
    seconds: of('seconds'),
    commands: of('commands'),
    to_board: of('to_board'),
    from_board: of('from_board'),
    written: of('written'),
  };
}

/** peer.ts and esptool-js as one script. */
async function bundled(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      lib: { entry: resolve(import.meta.dirname, 'peer.ts'), formats: ['iife'], name: 'peer' },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
  const [one] = Array.isArray(built) ? built : [built];
  if (one === undefined || !('output' in one)) throw new Error('the peer was not built');
  return one.output[0].code;
}
