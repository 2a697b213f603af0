// A `navigator.serial` whose cable ends in the test. It runs in the page before the page's own scripts, and is joined to the test by
// two bindings: a WebSocket would be blocked by the page's policy.

/** What the page does with the port: one call, one answer. */
export type SerialCall = 'choose' | 'open' | 'close' | 'write' | 'signals';

/** Installs it. It is sent to the page as text, so it uses nothing from outside. */
export function installSerial(info: SerialPortInfo): void {
  interface Bindings {
    /** Throws the DOMException whose name is returned, if it is not empty. */
    __board(call: SerialCall, data: string): Promise<string>;
    /** Bytes in base64; `null` when the cable is cut. */
    __boardRead(run: number): Promise<string | null>;
  }
  const bindings = globalThis as unknown as Bindings;
  const encode = (bytes: Uint8Array): string => {
    let text = '';
    for (let start = 0; start < bytes.length; start += 0x8000) {
      text += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
    }
    return btoa(text);
  };
  const decode = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const call = async (what: SerialCall, data = ''): Promise<void> => {
    const name = await bindings.__board(what, data);
    if (name !== '') throw new DOMException(`simulated: ${name}`, name);
  };

  class Port extends EventTarget {
    readable: ReadableStream<Uint8Array> | null = null;
    writable: WritableStream<Uint8Array> | null = null;
    connected = true;
    private run = 0;
    private isOpen = false;

    getInfo(): SerialPortInfo {
      return info;
    }

    async open({ baudRate }: { baudRate: number }): Promise<void> {
      if (this.isOpen) throw new DOMException('The port is already open.', 'InvalidStateError');
      await call('open', String(baudRate));
      this.isOpen = true;
      this.run += 1;
      this.renew(this.run);
      this.writable = new WritableStream({ write: (chunk) => call('write', encode(chunk)) });
    }

    private renew(run: number): void {
      this.readable = new ReadableStream(
        {
          pull: async (controller) => {
            const read = await bindings.__boardRead(run);
            if (run !== this.run) return;
            if (read === null) {
              controller.error(new DOMException('The device has been lost.', 'NetworkError'));
              this.lose();
            } else if (read !== '') controller.enqueue(decode(read));
          },
          cancel: () => {
            this.readable = null;
            queueMicrotask(() => {
              if (this.isOpen && run === this.run) this.renew(run);
            });
          },
        },
        { highWaterMark: 0 },
      );
    }

    private lose(): void {
      this.isOpen = false;
      this.readable = null;
      this.writable = null;
      this.dispatchEvent(new Event('disconnect', { bubbles: true }));
    }

    async close(): Promise<void> {
      if (this.readable?.locked || this.writable?.locked) throw new TypeError('Cannot close a locked stream.');
      this.isOpen = false;
      this.run += 1;
      this.readable = null;
      this.writable = null;
      await call('close');
    }

    async setSignals({ dataTerminalReady: dtr, requestToSend: rts }: SerialOutputSignals): Promise<void> {
      if (!this.isOpen) throw new DOMException('The port is closed.', 'InvalidStateError');
      await call(
        'signals',
        JSON.stringify({ ...(dtr === undefined ? {} : { dtr }), ...(rts === undefined ? {} : { rts }) }),
      );
    }

    async getSignals(): Promise<object> {
      return { dataCarrierDetect: false, clearToSend: false, ringIndicator: false, dataSetReady: false };
    }

    async forget(): Promise<void> {
      await Promise.resolve();
    }
  }

  const port = new Port();
  class Serial extends EventTarget {
    async getPorts(): Promise<Port[]> {
      return [];
    }
    async requestPort(options?: SerialPortRequestOptions): Promise<Port> {
      if (!navigator.userActivation.isActive) {
        throw new DOMException('Must be handling a user gesture to show a permission request.', 'SecurityError');
      }
      await call('choose', JSON.stringify(options ?? {}));
      return port;
    }
  }
  Object.defineProperty(Navigator.prototype, 'serial', { configurable: true, value: new Serial() });
}
