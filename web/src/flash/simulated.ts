// For the tests: a port whose cable can be pulled, and the classes of esptool-js, with a chip in memory behind them. The real
// esptool-js over a simulated chip is in web/tests; here each answer can be chosen, and the cable pulled at each of them.
import { createHash } from 'node:crypto';

const SECTOR = 4096;
const FLASH = 0x40000;

/** What the page asks of esptool-js, one name for each call. */
export type Asked = 'connect' | 'identify' | 'readFlash' | 'flashMd5sum' | 'writeFlash' | 'reset';

/** How this chip differs from one that does all that it should. */
export interface Unlike {
  chip?: string;
  /** What opening the port fails with. */
  open?: DOMException;
  /** What esptool-js says instead of a connection. */
  connect?: Error;
  /** What an application prints that runs in place of the loader. */
  prints?: string;
  secureDownload?: boolean;
  /** The program that esptool-js uploads: none for this chip, or it does not start. */
  stub?: 'none' | 'fails';
  /** Its flash does not say how large it is. */
  noFlash?: boolean;
}

export class SimulatedPort extends EventTarget {
  readonly flash = new Uint8Array(FLASH).fill(0xff);
  readonly asked: Asked[] = [];
  readonly unlike: Unlike;
  isOpen = false;
  isPulled = false;
  erased: number[] = [];
  resets = 0;
  /** Called before each answer. */
  before: (asked: Asked) => void = () => {};

  constructor(unlike: Unlike = {}) {
    super();
    this.unlike = unlike;
  }

  open(): void {
    if (this.unlike.open) throw this.unlike.open;
    if (this.isPulled) throw new DOMException('The port is gone.', 'NetworkError');
    this.isOpen = true;
  }

  /** The cable is pulled: the browser says so, and what is under way gets no answer. */
  pull(): void {
    this.isPulled = true;
    this.isOpen = false;
    this.dispatchEvent(new Event('disconnect'));
  }

  replug(): void {
    this.isPulled = false;
    this.before = () => {};
  }

  async answer<T>(asked: Asked, what: () => T): Promise<T> {
    this.asked.push(asked);
    this.before(asked);
    await new Promise((resolve) => setTimeout(resolve, 0));
    // esptool-js notices it after 15 seconds and more, so it may not be waited for.
    if (this.isPulled) return new Promise(() => {});
    return what();
  }
}

/** As the browser's own port, of which the page uses no more than this one has. */
export function serialPort(port: SimulatedPort): SerialPort {
  return port as unknown as SerialPort;
}

/** In place of esptool-js's class of this name. */
export class Transport {
  readonly port: SimulatedPort;
  trace: (text: string) => void = () => {};
  digest = new Uint8Array();

  constructor(port: SimulatedPort) {
    this.port = port;
  }

  async connect(): Promise<void> {
    this.port.open();
  }

  async disconnect(): Promise<void> {
    this.port.isOpen = false;
  }

  peek(): Uint8Array {
    return new TextEncoder().encode(this.port.unlike.prints ?? '');
  }

  async read(): Promise<Uint8Array> {
    return this.digest;
  }

  updateDevice(): void {}
}

interface Written {
  fileArray: { address: number; data: Uint8Array }[];
  reportProgress: (file: number, written: number, total: number) => void;
}

/** In place of esptool-js's class of this name. */
export class ESPLoader {
  readonly transport: Transport;
  readonly #port: SimulatedPort;
  FLASH_READ_TIMEOUT = 0;
  IS_STUB = false;
  readonly secureDownloadMode: boolean;
  readonly chip: { CHIP_NAME: string; readMac: () => Promise<string> };

  constructor({ transport }: { transport: Transport }) {
    this.transport = transport;
    this.#port = transport.port;
    const { chip = 'ESP32-C3', secureDownload = false } = this.#port.unlike;
    this.secureDownloadMode = secureDownload;
    this.chip = { CHIP_NAME: chip, readMac: () => Promise.resolve('24:0A:C4:00:00:01') };
  }

  async connect(): Promise<void> {
    await this.transport.connect();
    await this.#port.answer('connect', () => {
      if (this.#port.unlike.connect) throw this.#port.unlike.connect;
    });
  }

  async getSecurityInfo(): Promise<object> {
    return this.#port.answer('identify', () => ({ flashCryptCnt: 0, parsedFlags: { SECURE_BOOT_EN: false } }));
  }

  async runStub(): Promise<void> {
    if (this.#port.unlike.stub === 'fails') throw new Error('Failed to start stub. Unexpected response ');
    this.IS_STUB = this.#port.unlike.stub !== 'none';
  }

  async detectFlashSize(): Promise<string | undefined> {
    return this.#port.unlike.noFlash ? undefined : '256KB';
  }

  async readFlash(offset: number, size: number, report: (packet: unknown, received: number) => void) {
    const bytes = await this.#port.answer('readFlash', () => this.#port.flash.slice(offset, offset + size));
    for (let received = SECTOR; received < size + SECTOR; received += SECTOR)
      report(undefined, Math.min(received, size));
    this.transport.digest = Uint8Array.from(createHash('md5').update(bytes).digest());
    return bytes;
  }

  async flashMd5sum(offset: number, size: number): Promise<string> {
    return this.#port.answer('flashMd5sum', () =>
      createHash('md5')
        .update(this.#port.flash.subarray(offset, offset + size))
        .digest('hex'),
    );
  }

  async writeFlash({ fileArray, reportProgress }: Written): Promise<void> {
    const { address, data } = fileArray[0]!;
    await this.#port.answer('writeFlash', () => {
      this.#port.flash.fill(0xff, address, address + data.length);
      for (let at = 0; at < data.length; at += SECTOR) this.#port.erased.push((address + at) / SECTOR);
    });
    for (const share of [0, 1 / 3, 2 / 3, 1]) reportProgress(0, data.length * share, data.length);
    await this.#port.answer('writeFlash', () => this.#port.flash.set(data, address));
  }

  async after(mode: string, _stub: undefined, sequence: string): Promise<void> {
    if (mode !== 'custom_reset' || sequence !== 'D0|R1|W100|R0') throw new Error('it resets nothing');
    await this.#port.answer('reset', () => (this.#port.resets += 1));
  }
}
