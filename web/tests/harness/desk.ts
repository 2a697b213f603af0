// A person at a desk with a board on a cable: the page with *Provision* on it.
import type { Locator, Page } from 'playwright-core';
import { Board, type BoardOptions } from './board.ts';
import { type OpenOptions, type Tab, test as base } from './browser.ts';
import type { Device, Server } from './server.ts';

export { expect } from './browser.ts';

export interface Desk extends Tab {
  board: Board;
  dialog: Locator;
}

/** A new device, its board, and the page with *Provision* of the one for the other. */
export interface Ready {
  device: Device;
  board: Board;
  desk: Desk;
}

interface Fixtures {
  /** A board that ends with the test. */
  plug: (options?: BoardOptions) => Promise<Board>;
  /** A tab whose serial port is the board's. */
  sit: (board: Board, options?: OpenOptions) => Promise<Desk>;
  /** All that a person needs who is about to connect a board. */
  ready: (options?: BoardOptions) => Promise<Ready>;
}

export const test = base.extend<Fixtures>({
  plug: async ({}, use) => {
    const boards: Board[] = [];
    await use(async (options) => {
      const board = await Board.start(options);
      boards.push(board);
      return board;
    });
    for (const board of boards) await board.stop();
  },
  sit: async ({ open }, use) => {
    await use(async (board, options) => {
      const tab = await open(options);
      await board.attach(tab.page.context());
      return { ...tab, board, dialog: tab.page.getByRole('dialog') };
    });
  },
  ready: async ({ server, plug, sit }, use) => {
    await use(async (options) => {
      const device = await newDevice(server);
      const board = await plug(options);
      const desk = await sit(board);
      await openProvision(desk, device);
      return { device, board, desk };
    });
  },
});

/** A new device in a model of its own. */
export async function newDevice(server: Server, name = 'Kitchen'): Promise<Device> {
  const code = `m${Math.random().toString(36).slice(2, 10)}`;
  const model = await server.createModel({ code, name: `Sensor ${code}` });
  return server.createDevice({ device_model_id: model.id, name });
}

/** Opens *Provision* of a device. */
export async function openProvision({ visit, page, dialog }: Desk, device: Device): Promise<void> {
  await visit(`/devices/${device.id}`);
  await page.getByRole('button', { name: 'Provision', exact: true }).first().click();
  await dialog.waitFor();
}

export async function connect({ dialog }: Desk): Promise<void> {
  await dialog.getByRole('button', { name: 'Choose port and connect' }).click();
}

/** Waits until what is to be written is shown, and agrees. */
export async function write({ dialog }: Desk): Promise<void> {
  await dialog.getByRole('button', { name: /Write \d+ sectors?/ }).click();
}

/** Waits until the dialog says something. */
export async function says({ dialog }: Desk, text: string): Promise<void> {
  await dialog.getByText(text).first().waitFor({ timeout: 20_000 });
}

export async function done({ dialog }: Desk): Promise<void> {
  await dialog.getByRole('heading', { name: 'Done' }).waitFor({ timeout: 20_000 });
}

/** From the choice of the port to the agreement. */
export async function agree(desk: Desk): Promise<void> {
  await connect(desk);
  await write(desk);
}

/** From the device's view to *Done*. */
export async function provision(desk: Desk, device: Device): Promise<void> {
  await openProvision(desk, device);
  await agree(desk);
  await done(desk);
}

/** Waits until the page has noticed that the cable was pulled. */
export async function cutOff({ dialog }: Desk): Promise<void> {
  await dialog.getByRole('heading', { name: 'The connection to the board is gone' }).waitFor({ timeout: 20_000 });
}

/** Agrees to a write, and pulls the cable once so many bytes of it are written. */
export async function cutWrite(desk: Desk, written = 100): Promise<void> {
  await desk.board.tell(`cut-after-written ${written}`);
  await agree(desk);
  await cutOff(desk);
}

/** A new cable, and another attempt. */
export async function again({ dialog, board }: Desk): Promise<void> {
  await board.replug();
  await dialog.getByRole('button', { name: 'Try again', exact: true }).click();
}

/** The partition as the server's own plan, which is the native one, would leave it. */
export async function planned(
  server: Server,
  device: Device,
  partition: Uint8Array,
  keys?: Uint8Array,
): Promise<Buffer> {
  const body = {
    data: Buffer.from(partition).toString('base64'),
    ...(keys ? { nvs_keys: Buffer.from(keys).toString('base64') } : {}),
  };
  const answer = await server.call<{ data: string }>('POST', `/api/devices/${device.id}/provisioning/patch`, body);
  return Buffer.from(answer.data, 'base64');
}

/** Everything that this origin has stored in the browser, as text: to find what must not be there. */
export async function stored(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const found: string[] = [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })];
    for (const { name } of await indexedDB.databases()) {
      const request = indexedDB.open(name!);
      await new Promise((resolve) => (request.onsuccess = resolve));
      const database = request.result;
      for (const store of database.objectStoreNames) {
        const all = database.transaction(store).objectStore(store).getAll();
        await new Promise((resolve) => (all.onsuccess = resolve));
        for (const row of all.result as Record<string, unknown>[]) {
          for (const [member, value] of Object.entries(row)) {
            const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : value;
            found.push(
              `${member}: ${bytes instanceof Uint8Array ? new TextDecoder('latin1').decode(bytes) : String(value)}`,
            );
          }
        }
      }
      database.close();
    }
    return found.join('\n');
  });
}
