// The real program, on a free port, with a data folder of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { components } from '../../src/api/generated.ts';
import { PROGRAM } from './parts.ts';
import { Preview } from './preview.ts';

export type Device = components['schemas']['Device'];
export type DeviceModel = components['schemas']['DeviceModel'];
export type NewDevice = components['schemas']['NewDevice'];
export type NewDeviceModel = components['schemas']['NewDeviceModel'];
export type Flash = components['schemas']['Flash'];

export interface Flashed {
  readonly mac: string;
  readonly chip?: string;
  readonly outcome?: 'written' | 'unchanged' | 'failed';
  readonly reason?: string;
  readonly replace_board?: boolean;
}

export class Server {
  private log = '';

  private constructor(
    private readonly child: ChildProcess,
    /** Where the page is. */
    readonly url: string,
    /** The folder that the program runs in; `fleetmint-data` is in it. */
    readonly folder: string,
    readonly token: string,
    private readonly preview: Preview | undefined,
    /** Where the program itself is; the page may be served before it. */
    readonly program: string,
  ) {
    child.stderr?.on('data', (part: Buffer) => (this.log += part.toString()));
  }

  /** Starts a server. `settings` are environment variables: `FLEETMINT_PROVISIONING__WIFI_SSID`. */
  static async start(settings: Record<string, string> = {}): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), 'fleetmint-page-'));
    return Server.again(folder, settings);
  }

  /** Starts a server in the folder of an earlier one. */
  static async again(folder: string, settings: Record<string, string> = {}): Promise<Server> {
    const child = spawn(PROGRAM, ['serve', '--listen', '127.0.0.1:0'], {
      cwd: folder,
      // Nothing of the caller's environment is a setting of the server under test.
      env: {
        PATH: process.env['PATH'],
        // Tests that are refused on purpose would slow each other down.
        FLEETMINT_ACCESS__REFUSALS_PER_MINUTE: '0',
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let problems = '';
    child.stderr.on('data', (part: Buffer) => (problems += part.toString()));
    const lines = createInterface({ input: child.stdout });
    const first = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`${PROGRAM} ended with ${code}: ${problems}`)));
    });
    // It would block once the pipe is full.
    lines.on('line', () => undefined);
    const url = /http:\/\/\S+/.exec(first)?.[0].replace(/\/$/, '');
    if (url === undefined) throw new Error(`no address in ${JSON.stringify(first)}: ${problems}`);
    const token = (await readFile(join(folder, 'fleetmint-data/admin-token'), 'utf8')).trim();
    const preview = process.env['FLEETMINT_TEST_PAGE'] === 'dist' ? await Preview.before(url) : undefined;
    if (preview === undefined) await hasPage(url);
    return new Server(child, preview?.url ?? url, folder, token, preview, url);
  }

  /** Calls the API as the administrator. An answer of status 4xx or 5xx is an error. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}` };
    if (body !== undefined) {
      headers['content-type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    }
    const answer = await fetch(this.url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  createModel(model: NewDeviceModel): Promise<DeviceModel> {
    return this.call('POST', '/api/device-models', model);
  }

  createDevice(device: NewDevice): Promise<Device> {
    return this.call('POST', '/api/devices', device);
  }

  /** Reports the start of a flash of a device onto a board. */
  beginFlash(device: Device, { mac, chip = 'esp32c3', replace_board = false }: Flashed): Promise<Flash> {
    return this.call<Flash>('POST', `/api/devices/${device.id}/flashes`, {
      mac,
      chip,
      partition: { name: 'nvs', offset: 0x9000, size: 0x6000 },
      tool: 'fleetmint 0.2.0',
      replace_board,
    });
  }

  /** Reports a flash of a device onto a board, from its start to its end. */
  async flash(device: Device, flashed: Flashed): Promise<Flash> {
    const { outcome = 'written', reason } = flashed;
    const { id } = await this.beginFlash(device, flashed);
    return this.call('PATCH', `/api/devices/${device.id}/flashes/${id}`, {
      outcome,
      sectors: outcome === 'written' ? 2 : 0,
      bytes: outcome === 'written' ? 8192 : 0,
      reason: reason ?? null,
    });
  }

  /** What the server has logged until now. */
  logged(): string {
    return this.log;
  }

  /** Ends the server; its folder stays. */
  async end(): Promise<void> {
    await this.preview?.end();
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(late);
  }

  /** Ends the server and deletes its folder. */
  async stop(): Promise<void> {
    await this.end();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function hasPage(url: string): Promise<void> {
  const answer = await fetch(url, { headers: { accept: 'text/html' } });
  if (answer.ok && (await answer.text()).includes('assets/')) return;
  throw new Error(
    `${PROGRAM} was built without the page: first \`tools/page build\`, then \`cargo build -p fleetmint\``,
  );
}
