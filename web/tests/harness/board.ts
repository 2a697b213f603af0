// A simulated board whose cable ends in a page: crates/fleetmint/tests/board_bench/board.py, which says what it does.
import { randomBytes } from 'node:crypto';
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { BrowserContext, Page } from 'playwright-core';
import { type SerialCall, installSerial } from './serial.ts';

const BENCH = resolve(import.meta.dirname, '../../../crates/fleetmint/tests/board_bench/board.py');

export const PYTHON =
  process.env['FLEETMINT_TEST_PYTHON'] ?? resolve(import.meta.dirname, '../../../.tools/venv/bin/python');

/** The partition `nvs` of `flashOf`. */
export const NVS = { offset: 0x9000, size: 0x6000 };
export const SECTOR = 4096;

/** What happened on the cable and in the flash since the last `clear`: see `Board.report` in `board.py`. */
export interface Report {
  names: string[];
  received: number;
  sent: number;
  erased: number[];
  written: number;
  violations: number;
  cut: boolean;
  resets: number;
  boots: number;
  bauds: number[];
}

export interface BoardOptions {
  chip?: string;
  /** The beginning of the flash; the rest of it is erased. */
  flash?: Uint8Array;
  /** More of `board.py`'s arguments. */
  with?: string[];
  usbJtag?: boolean;
}

export class Board {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #folder: string;
  #buffer = Buffer.alloc(0);
  readonly #answers: { give: (answer: unknown) => void; fail: (error: Error) => void }[] = [];
  /** What the board has sent and no page has read; `null` is the cut cable. */
  #sent: (string | null)[] = [];
  #reader: { page: Page; give: (data: string | null) => void } | undefined;
  /** The page that has the port open. */
  #owner: Page | undefined;
  readonly chip: string;
  readonly #usbJtag: boolean;
  mac = '';
  #esptoolPort = 0;
  /** The name of the DOMException that the next calls fail with. */
  fails: Partial<Record<SerialCall, string>> = {};
  /** What the page asked for when a port was chosen. */
  readonly chosen: SerialPortRequestOptions[] = [];

  private constructor(child: ChildProcessWithoutNullStreams, folder: string, chip: string, usbJtag: boolean) {
    this.#child = child;
    this.#folder = folder;
    this.chip = chip;
    this.#usbJtag = usbJtag;
    child.stdout.on('data', (data: Buffer) => this.#receive(data));
    child.stderr.pipe(process.stderr);
    child.once('exit', (code) =>
      this.#answers.splice(0).forEach(({ fail }) => fail(new Error(`board.py ended: ${code}`))),
    );
  }

  static async start({ chip = 'esp32c3', flash, with: more = [], usbJtag = false }: BoardOptions = {}): Promise<Board> {
    const folder = await mkdtemp(join(tmpdir(), 'fleetmint-board-'));
    await writeFile(join(folder, 'flash.bin'), flash ?? new Uint8Array());
    // Each board is another one for the server that a test file shares.
    const mac = ['24', '0a', 'c4', ...Array.from(randomBytes(3), (byte) => byte.toString(16).padStart(2, '0'))].join(
      ':',
    );
    const parameters = [BENCH, '--stdio', '--chip', chip, '--flash', join(folder, 'flash.bin'), '--mac', mac, ...more];
    const child = spawn(PYTHON, usbJtag ? [...parameters, '--usb-jtag'] : parameters);
    const board = new Board(child, folder, chip, usbJtag);
    const ready = (await board.#next()) as { mac: string; esptool_port: number };
    board.mac = ready.mac;
    board.#esptoolPort = ready.esptool_port;
    return board;
  }

  /** Puts the cable into the pages of a browser context: before the first of them is opened. */
  async attach(context: BrowserContext): Promise<void> {
    await context.exposeBinding('__board', ({ page }, call: SerialCall, data: string) => this.#call(page, call, data));
    await context.exposeBinding('__boardRead', ({ page }) => this.#read(page));
    const watch = (page: Page): void => {
      page.on('framenavigated', (frame) => {
        // A document that is left closes its port.
        if (frame === page.mainFrame() && this.#owner === page) this.#owner = this.#reader = undefined;
      });
    };
    context.pages().forEach(watch);
    context.on('page', watch);
    const bridge = { usbVendorId: 0x10c4, usbProductId: 0xea60 };
    await context.addInitScript(installSerial, this.#usbJtag ? { usbVendorId: 0x303a, usbProductId: 0x1001 } : bridge);
  }

  #call(page: Page, call: SerialCall, data: string): string {
    const fails = this.fails[call];
    if (fails !== undefined) return fails;
    switch (call) {
      case 'choose':
        this.chosen.push(JSON.parse(data) as SerialPortRequestOptions);
        return '';
      case 'open':
        // As with a port that another program has.
        if (this.#owner !== undefined && !this.#owner.isClosed()) return 'NetworkError';
        this.#owner = page;
        this.#sent = [];
        this.#send('B', Buffer.from(data));
        return '';
      case 'close':
        this.#owner = undefined;
        this.#reader?.give('');
        this.#reader = undefined;
        return '';
      case 'write':
        this.#send('D', Buffer.from(data, 'base64'));
        return '';
      case 'signals':
        this.#send('S', Buffer.from(data));
        return '';
    }
  }

  async #read(page: Page): Promise<string | null> {
    const data = this.#sent.shift();
    if (data !== undefined) return data;
    return new Promise((give) => (this.#reader = { page, give }));
  }

  #give(data: string | null): void {
    if (data === null) this.#owner = undefined;
    const reader = this.#reader;
    if (reader === undefined || reader.page.isClosed()) this.#sent.push(data);
    else {
      this.#reader = undefined;
      reader.give(data);
    }
  }

  #send(kind: string, data: Buffer): void {
    const head = Buffer.alloc(5);
    head.write(kind, 0, 'latin1');
    head.writeUInt32LE(data.length, 1);
    this.#child.stdin.write(Buffer.concat([head, data]));
  }

  #receive(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    while (this.#buffer.length >= 5) {
      const end = 5 + this.#buffer.readUInt32LE(1);
      if (this.#buffer.length < end) return;
      const kind = this.#buffer.toString('latin1', 0, 1);
      const content = this.#buffer.subarray(5, end);
      this.#buffer = this.#buffer.subarray(end);
      if (kind === 'D') this.#give(content.toString('base64'));
      else if (kind === 'G') this.#give(null);
      else this.#answers.shift()?.give(JSON.parse(content.toString()));
    }
  }

  #next(): Promise<unknown> {
    return new Promise((give, fail) => this.#answers.push({ give, fail }));
  }

  /** Sends one of `board.py`'s commands. */
  async tell(command: string): Promise<unknown> {
    const answer = this.#next();
    this.#send('C', Buffer.from(command));
    return answer;
  }

  async report(): Promise<Report> {
    return (await this.tell('report')) as Report;
  }

  /** A new cable, after it was cut. */
  async replug(): Promise<void> {
    await this.tell('replug');
    this.#sent = [];
  }

  /** What the flash has now. */
  async flash(offset = 0, size = 4 << 20): Promise<Buffer> {
    return (await readFile(join(this.#folder, 'flash.bin'))).subarray(offset, offset + size);
  }

  async nvs(): Promise<Buffer> {
    return this.flash(NVS.offset, NVS.size);
  }

  /** Gives the flash another content. The board has the file open: it stays the same file. */
  async setFlash(content: Uint8Array, offset = 0): Promise<void> {
    const file = await open(join(this.#folder, 'flash.bin'), 'r+');
    await file.write(content, 0, content.length, offset);
    await file.close();
  }

  /** Reads the flash with the real esptool, from the ROM loader, past the cable. */
  async readByEsptool({ offset, size } = NVS): Promise<Buffer> {
    const file = join(this.#folder, 'read.bin');
    const port = `socket://127.0.0.1:${this.#esptoolPort}`;
    const options = ['--chip', this.chip, '--before', 'no-reset', '--after', 'no-reset', '--port', port, '--no-stub'];
    await promisify(execFile)(PYTHON, ['-m', 'esptool', ...options, 'read-flash', `${offset}`, `${size}`, file]);
    return readFile(file);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }
}
