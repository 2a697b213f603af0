/**
 * A chip in download mode, over Web Serial: connect, who it is, read, write, MD5, reset. The only file that knows esptool-js.
 *
 * What esptool-js 0.7 does by itself and must not be relied on here:
 *
 * - It notices a pulled cable after 15 seconds and more: every operation is raced against the port's `disconnect`.
 * - `readFlash` drops the MD5 that the stub sends after the data: it is read and compared here, and so is that of each write.
 * - Without its stub it erases 16 KiB for a write of 4: a chip whose stub does not run is refused.
 * - `after('hard_reset')` does not reset: the lines are given as a sequence.
 * - Another speed reopens the port, which resets some boards: it stays at 115,200 baud.
 * - Its log goes to the console, and its trace has what is read: both end in nothing.
 */
import type { ESPLoader, Transport } from 'esptool-js';

import { BoardError, type BoardProblem, type Step } from './problem.ts';
import { settleable } from './settled.ts';

export const SECTOR = 4096;

/** Bytes that are read at once. A larger part that is erased is not read, only compared. */
const AT_ONCE = 64 << 10;
/** The rows of most partition tables. */
const TABLE_HEAD = 512;
const BAUD = 115_200;
/** Resets until a chip is given up: each takes 0.9 s. */
const ATTEMPTS = 4;
/** How long an application is listened to, which is silent until then. */
const LISTEN_MS = 700;
const TEXT_MIN = 8;
/** How long a closing port may take: a driver that hangs must not hold the page. */
const CLOSE_MS = 2000;
const ANSWER_MS = 3000;
/** EN low for 100 ms, with IO0 high. */
const RESET = 'D0|R1|W100|R0';

/** What the chip's eFuses say. */
export interface Security {
  flashEncryption: boolean;
  secureBoot: boolean;
}

export interface Identity {
  /** As ESP-IDF names its targets: `esp32c3`. */
  chip: string;
  /** `aa:bb:cc:dd:ee:ff` */
  mac: string;
  /** In bytes. */
  flashSize: number;
  security: Security;
}

/** How a chip gets into download mode: by the reset lines, or it is there already, because a person held BOOT. */
export type Entry = 'reset-lines' | 'boot-held';

export interface Connecting {
  entry: Entry;
  md5: (bytes: Uint8Array) => string;
  /** Gives up when it aborts. */
  signal?: AbortSignal | undefined;
}

export type Progress = (done: number, total: number) => void;

/** The ports that USB bridges of development boards and the chips themselves have, by their vendor. */
export const BOARD_FILTERS: SerialPortFilter[] = [0x303a, 0x10c4, 0x1a86, 0x0403, 0x067b, 0x2341, 0x2886].map(
  (usbVendorId) => ({
    usbVendorId,
  }),
);

export class Chip {
  readonly identity: Identity;
  readonly #line: Line;
  readonly #md5: (bytes: Uint8Array) => string;

  private constructor(line: Line, identity: Identity, md5: (bytes: Uint8Array) => string) {
    this.#line = line;
    this.identity = identity;
    this.#md5 = md5;
  }

  /** Opens the port, resets the chip into download mode, starts the stub and asks who the chip is. */
  static async connect(port: SerialPort, { entry, md5, signal }: Connecting): Promise<Chip> {
    const line = await Line.open(port, entry, signal);
    try {
      const identity = await line.run('connect', (loader) => identify(loader));
      return new Chip(line, identity, md5);
    } catch (error) {
      await line.close();
      throw error;
    }
  }

  /** Reads a part of the flash, and compares it with the chip's MD5. */
  async read(offset: number, size: number, progress: Progress = () => {}): Promise<Uint8Array> {
    this.#checkRange(offset, size, 'read');
    const content = new Uint8Array(size);
    let done = 0;
    progress(0, size);
    while (done < size) {
      // Few of the rows of a partition table are in use.
      const part = size < SECTOR && done === 0 ? Math.min(TABLE_HEAD, size) : Math.min(AT_ONCE, size - done);
      const start = done;
      await this.#readPart(offset + start, content.subarray(start, start + part), (bytes) =>
        progress(start + bytes, size),
      );
      done += part;
      progress(done, size);
    }
    return content;
  }

  async #readPart(offset: number, into: Uint8Array, progress: (bytes: number) => void): Promise<void> {
    const size = into.length;
    into.fill(0xff);
    // What is erased need not be read.
    if (size > TABLE_HEAD && (await this.md5(offset, size)) === this.#md5(into)) return;
    const read = await this.#line.run('read', async (loader) => {
      const bytes = await loader.readFlash(offset, size, (_packet, received) => progress(Math.min(received, size)));
      const digest = await loader.transport.read(ANSWER_MS);
      return { bytes, digest: hex(digest) };
    });
    if (read.bytes.length === size) into.set(read.bytes);
    const matches = read.bytes.length === size && read.digest === this.#md5(into);
    read.bytes.fill(0);
    if (!matches) {
      throw new BoardError('read-differs', 'read', `${size} bytes at 0x${offset.toString(16)}`);
    }
  }

  /** The MD5 of a part of the flash, which the chip calculates. */
  async md5(offset: number, size: number): Promise<string> {
    this.#checkRange(offset, size, 'read');
    return this.#line.run('read', (loader) => loader.flashMd5sum(offset, size));
  }

  /**
   * Writes those sectors of `content` whose numbers are given, neighbours with one command, and compares each run with the chip's
   * MD5. `content` is what the flash is to hold from `offset` on. The chip erases a run before it writes the first sector of it: a
   * cable that is pulled in between leaves them erased.
   */
  async writeSectors(
    offset: number,
    content: Uint8Array,
    sectors: number[],
    progress: (step: 'write' | 'verify', done: number) => void,
  ): Promise<void> {
    this.#checkRange(offset, content.length, 'write');
    let done = 0;
    for (const [first, last] of runs(sectors)) {
      const start = first * SECTOR;
      const bytes = content.slice(start, (last + 1) * SECTOR);
      const count = last - first + 1;
      const before = done;
      progress('write', before);
      try {
        await this.#line.run('write', (loader) =>
          loader.writeFlash({
            fileArray: [{ address: offset + start, data: bytes }],
            flashMode: 'keep',
            flashFreq: 'keep',
            flashSize: 'keep',
            eraseAll: false,
            compress: true,
            reportProgress: (_file, written, total) =>
              progress('write', before + Math.floor((count * written) / Math.max(total, 1))),
          }),
        );
        progress('verify', before + count);
        const written = await this.#line.run('verify', (loader) => loader.flashMd5sum(offset + start, bytes.length));
        if (written !== this.#md5(bytes)) {
          throw new BoardError(
            'write-differs',
            'verify',
            `${bytes.length} bytes at 0x${(offset + start).toString(16)}`,
          );
        }
      } finally {
        bytes.fill(0);
      }
      done += count;
      progress('write', done);
    }
  }

  /** Resets the chip, so that its firmware starts. */
  async reset(): Promise<void> {
    await this.#line.run('reset', (loader) => loader.after('custom_reset', undefined, RESET));
  }

  /** Rejects when the cable is pulled; never resolves. */
  get lost(): Promise<never> {
    return this.#line.lost;
  }

  async close(): Promise<void> {
    await this.#line.close();
  }

  #checkRange(offset: number, size: number, step: Step): void {
    if (offset + size > this.identity.flashSize) {
      throw new BoardError('out-of-flash', step, `${size} bytes at 0x${offset.toString(16)}`);
    }
  }
}

/** An open port, and esptool-js on it. */
class Line {
  readonly lost: Promise<never>;
  readonly #port: SerialPort;
  readonly #loader: ESPLoader;
  readonly #transport: Transport;
  #isLost = false;
  /** Rejects when the person cancels. A reset is done in spite of it. */
  readonly #cancelled: Promise<never>;
  readonly #listener: () => void;

  private constructor(port: SerialPort, loader: ESPLoader, transport: Transport, signal: AbortSignal | undefined) {
    this.#port = port;
    this.#loader = loader;
    this.#transport = transport;
    const lost = settleable<never>();
    const cancelled = settleable<never>();
    this.lost = lost.promise;
    this.#cancelled = cancelled.promise;
    // Whoever waits for them hears them; nobody has to.
    this.lost.catch(() => {});
    this.#cancelled.catch(() => {});
    this.#listener = () => {
      this.#isLost = true;
      lost.reject(new BoardError('unplugged', 'connect'));
    };
    port.addEventListener('disconnect', this.#listener);
    signal?.addEventListener('abort', () => cancelled.reject(new BoardError('cancelled', 'connect')), { once: true });
  }

  static async open(port: SerialPort, entry: Entry, signal: AbortSignal | undefined): Promise<Line> {
    const { ESPLoader, Transport } = await import('esptool-js');
    signal?.throwIfAborted();
    const silent = { clean: () => {}, write: () => {}, writeLine: () => {} };
    const transport = new Transport(port, false);
    transport.trace = () => {};
    const loader = new ESPLoader({ transport, baudrate: BAUD, romBaudrate: BAUD, terminal: silent });
    loader.FLASH_READ_TIMEOUT = ANSWER_MS;
    const line = new Line(port, loader, transport, signal);
    try {
      await line.#connect(entry);
      return line;
    } catch (error) {
      await line.close();
      throw error;
    }
  }

  async #connect(entry: Entry): Promise<void> {
    const mode = entry === 'boot-held' ? 'no_reset' : 'default_reset';
    let isOpen = false;
    try {
      await this.#race(async () => {
        // It opens the port first: what fails before that is the port's.
        const open = this.#transport.connect.bind(this.#transport);
        this.#transport.connect = async (...parameters) => {
          await open(...parameters);
          isOpen = true;
        };
        await this.#loader.connect(mode, ATTEMPTS);
      });
    } catch (error) {
      if (error instanceof BoardError) throw error;
      throw isOpen ? await this.#notConnected(error) : notOpened(error);
    }
  }

  /** Why the loader did not answer: an application talks, or nobody does, or something else. */
  async #notConnected(error: unknown): Promise<BoardError> {
    const detail = message(error);
    if (/secure download/i.test(detail)) return new BoardError('secure-download', 'connect', detail);
    if (/chip (id|magic)|unexpected chip/i.test(detail)) return new BoardError('unknown-chip', 'connect', detail);
    try {
      await this.#race(() => new Promise((resolve) => setTimeout(resolve, LISTEN_MS)));
    } catch (lost) {
      if (lost instanceof BoardError) return lost;
    }
    const text = this.#transport.peek().filter((byte) => byte >= 0x20 && byte < 0x7f).length;
    return new BoardError(text >= TEXT_MIN ? 'application-runs' : 'no-answer', 'connect', detail);
  }

  /** Does one thing with the chip. An error says which step it was, and never what was sent or read. */
  async run<T>(step: Step, what: (loader: ESPLoader) => Promise<T>): Promise<T> {
    try {
      return await this.#race(() => what(this.#loader), step !== 'reset');
    } catch (error) {
      if (error instanceof BoardError) throw new BoardError(error.kind, step, error.message);
      if (this.#isLost) throw new BoardError('unplugged', step);
      throw new BoardError(kindOf(message(error)), step, firstLine(message(error)));
    }
  }

  #race<T>(what: () => Promise<T>, cancellable = true): Promise<T> {
    if (this.#isLost) return this.lost;
    const done = what();
    // After a cable is pulled, what it was doing fails later, and nobody waits for it.
    done.catch(() => {});
    return Promise.race(cancellable ? [done, this.lost, this.#cancelled] : [done, this.lost]);
  }

  async close(): Promise<void> {
    this.#port.removeEventListener('disconnect', this.#listener);
    const closed = this.#transport.disconnect().catch(() => {});
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, this.#isLost ? 0 : CLOSE_MS))]);
    // What is still under way must not find the port open again.
    this.#transport.updateDevice(CLOSED);
  }
}

/** A port that nothing comes from and nothing goes to. */
const CLOSED = {
  readable: null,
  writable: null,
  getInfo: () => ({}),
  setSignals: () => Promise.reject(new Error('closed')),
} as unknown as SerialPort;

async function identify(loader: ESPLoader): Promise<Identity> {
  const name = loader.chip.CHIP_NAME;
  if (name === 'ESP8266') throw new BoardError('unknown-chip', 'connect', name);
  const esp32 = name === 'ESP32';
  // An ESP32 in secure download mode does not say which chip it is, and is taken for one that knows the command below.
  const info = esp32 ? null : await loader.getSecurityInfo().catch(() => null);
  if (loader.secureDownloadMode || (!esp32 && info === null)) {
    throw new BoardError('secure-download', 'connect', name);
  }
  const security = info
    ? { flashEncryption: isOdd(info.flashCryptCnt), secureBoot: info.parsedFlags.SECURE_BOOT_EN }
    : await securityOfEsp32(loader);
  const mac = (await loader.chip.readMac(loader)).toLowerCase();
  await loader.chip.postConnect?.(loader);
  await loader.runStub();
  if (!loader.IS_STUB) throw new BoardError('no-stub', 'connect', name);
  const size = await loader.detectFlashSize();
  if (!size) throw new BoardError('no-flash', 'connect');
  return { chip: name.toLowerCase().replaceAll('-', ''), mac, flashSize: bytesOf(size), security };
}

/** An ESP32 has no command for it: its eFuses say the same. Source: esp-idf, `efuse_reg.h` of ESP32. */
async function securityOfEsp32(loader: ESPLoader): Promise<Security> {
  const EFUSE_BLK0_RDATA0 = 0x3ff5a000;
  const EFUSE_BLK0_RDATA6 = 0x3ff5a018;
  const FLASH_CRYPT_CNT = (await loader.readReg(EFUSE_BLK0_RDATA0)) >>> 20;
  const ABS_DONE = (await loader.readReg(EFUSE_BLK0_RDATA6)) >>> 4;
  return { flashEncryption: isOdd(FLASH_CRYPT_CNT & 0x7f), secureBoot: (ABS_DONE & 0b11) !== 0 };
}

/** Flash encryption is on if an odd number of the counter's bits is set. */
function isOdd(count: number): boolean {
  return count.toString(2).replaceAll('0', '').length % 2 === 1;
}

/** `4MB` */
function bytesOf(size: string): number {
  return parseInt(size, 10) * (size.endsWith('KB') ? 1 << 10 : 1 << 20);
}

/** Neighbours among ascending numbers, each run as its first and its last. */
function runs(numbers: number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last && last[1] + 1 === number) last[1] = number;
    else found.push([number, number]);
  }
  return found;
}

function notOpened(error: unknown): BoardError {
  const name = error instanceof DOMException ? error.name : '';
  // The system refuses a port that another program has with the same error as one that may not be opened.
  const kind = name === 'SecurityError' ? 'port-blocked' : 'port-busy';
  return new BoardError(kind, 'connect', message(error));
}

function kindOf(detail: string): BoardProblem {
  if (/lost|disconnected|closed/i.test(detail)) return 'unplugged';
  if (/status/i.test(detail)) return 'refused';
  if (/stub/i.test(detail)) return 'no-stub';
  return 'timeout';
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Of esptool-js's message, what is sure to be no data. */
function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.slice(0, 200);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
