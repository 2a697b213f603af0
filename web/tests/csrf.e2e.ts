// What pages of other origins can make a signed-in person's browser do: nothing. A browser that is not asked first sends the cookie
// to all ports of a host, so each call is refused by what the page's own calls have and those of others cannot.
import type { BrowserContext, Page } from 'playwright-core';
import { describe, test as base } from 'vitest';
import { ASKED, LEAVING, POSTS, READS, type Target } from './harness/attacks.ts';
import { expect } from './harness/browser.ts';
import { launch } from './harness/chromium.ts';
import { Server } from './harness/server.ts';
import { BLANK, ForeignPage, Wire, type Arrived } from './harness/wire.ts';

const NAMES = ['fleetmint.factory.lan', 'intranet.factory.lan', 'elsewhere.lan'];

interface Origin {
  readonly what: string;
  /** The host in the address of the service. */
  readonly service: string;
  readonly foreign: string;
  /** Whether the browser sends the cookie along: to it, ports and sibling hosts are one site. */
  readonly travels: boolean;
  /** The browser says it only where the connection is trustworthy, which plain HTTP in a LAN is not. */
  readonly site: string | undefined;
}

const ORIGINS: Origin[] = [
  { what: 'another port', service: '127.0.0.1', foreign: '127.0.0.1', travels: true, site: 'same-site' },
  { what: 'another site', service: '127.0.0.1', foreign: 'localhost', travels: false, site: 'cross-site' },
  { what: 'another port, plain HTTP', service: NAMES[0]!, foreign: NAMES[0]!, travels: true, site: undefined },
  { what: 'a sibling host, plain HTTP', service: NAMES[0]!, foreign: NAMES[1]!, travels: true, site: undefined },
  { what: 'another site, plain HTTP', service: NAMES[0]!, foreign: NAMES[2]!, travels: false, site: undefined },
];

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

/** Bodies that would be accepted from the page itself. */
const BODIES: Record<string, unknown> = {
  'POST /api/device-models': { code: 'planted', name: 'Planted' },
  'POST /api/devices': { device_model_id: 1, name: 'Planted' },
  'PATCH /api/devices/{id}': { name: 'Renamed' },
  'PATCH /api/device-models/{id}': { name: 'Renamed' },
  'POST /api/devices/{id}/flashes': {
    mac: '02:00:00:00:00:01',
    chip: 'esp32c3',
    partition: { name: 'nvs', offset: 0x9000, size: 0x6000 },
    tool: 'planted',
  },
};

interface Parts {
  server: Server;
  wire: Wire;
  foreign: ForeignPage;
  calls: Call[];
  /** Signed in at the service, by this host. */
  signedIn: (host: string) => Promise<{ context: BrowserContext; url: string }>;
}

const test = base.extend<Parts>({
  server: [
    async ({}, use) => {
      const server = await Server.start();
      const model = await server.createModel({ code: 'sensor', name: 'Sensor' });
      const device = await server.createDevice({ device_model_id: model.id, name: 'Kitchen' });
      await server.flash(device, { mac: '02:00:00:00:00:07' });
      await use(server);
      await server.stop();
    },
    { scope: 'file' },
  ],
  wire: [
    async ({ server }, use) => {
      const wire = await Wire.before(server.program);
      await use(wire);
      await wire.end();
    },
    { scope: 'file' },
  ],
  foreign: [
    async ({}, use) => {
      const page = await ForeignPage.start();
      await use(page);
      await page.end();
    },
    { scope: 'file' },
  ],
  calls: [
    async ({ server }, use) => {
      const document = await server.call<{ paths: Record<string, Record<string, { security?: unknown }>> }>(
        'GET',
        '/api/openapi.json',
      );
      const calls = Object.entries(document.paths).flatMap(([path, operations]) =>
        Object.entries(operations)
          .filter(([, operation]) => operation.security !== undefined || path === '/api/session')
          .map(([name]) => {
            const method = name.toUpperCase();
            const own = `${method} ${path}`;
            const body = own === 'POST /api/session' ? { token: server.token } : (BODIES[own] ?? {});
            const filled = path.replace('{id}', '1').replace('{n}', '1').replace('{mac}', '02:00:00:00:00:07');
            return { method, path: filled, body: JSON.stringify(body) };
          }),
      );
      await use(calls);
    },
    { scope: 'file' },
  ],
  signedIn: [
    async ({ server, wire }, use) => {
      const rules = NAMES.map((name) => `MAP ${name} 127.0.0.1`).join(', ');
      const browser = await launch([`--host-resolver-rules=${rules}`]);
      await use(async (host) => {
        const url = `http://${host}:${wire.port}`;
        const context = await browser.newContext();
        const page = await context.newPage();
        await page.goto(url + BLANK);
        expect(await own(page, 'POST', '/api/session', { token: server.token })).toBe(204);
        await page.close();
        return { context, url };
      });
      await browser.close();
    },
    { scope: 'file' },
  ],
});

/** A call as the page itself makes it; its status. */
function own(
  page: Page,
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<number> {
  return page.evaluate(
    async (call) => {
      const sent = call.body === undefined ? {} : { body: JSON.stringify(call.body) };
      const type: Record<string, string> = call.body === undefined ? {} : { 'content-type': 'application/json' };
      const answer = await fetch(call.path, {
        method: call.method,
        headers: { ...type, ...(call.headers ?? { 'X-Fleetmint': '1' }) },
        ...sent,
      });
      return answer.status;
    },
    { method, path, body, headers },
  );
}

/** What a call must not change: all data, and the disclosures in the audit. */
async function state(server: Server): Promise<unknown> {
  const [models, devices, boards, audit] = await Promise.all(
    ['/api/device-models', '/api/devices', '/api/boards', '/api/audit?limit=100'].map((path) =>
      server.call<{ items: { action?: string }[] }>('GET', path),
    ),
  );
  return { models, devices, boards, audit: audit!.items.filter(({ action }) => action !== 'create_session') };
}

/** Runs an attack in a page of the other origin: what has arrived, and what the page has read. */
async function attack(
  page: Page,
  wire: Wire,
  call: Call,
  url: string,
  [name, how]: [string, (target: Target) => Promise<string>],
): Promise<{ name: string; arrived: Arrived[]; read: string }> {
  wire.clear();
  const back = page.url();
  const leaves = LEAVING.includes(name);
  const left = leaves ? page.waitForEvent('framenavigated', (frame) => frame === page.mainFrame()) : undefined;
  // A fetch that is refused has no answer.
  const read = await page.evaluate(how, { ...call, url: url + call.path }).catch(() => '');
  const arrived = await wire.of(call.path);
  if (leaves) {
    await left;
    await page.goto(back);
  }
  return { name, arrived, read };
}

describe.each(ORIGINS)('a page of $what', (origin) => {
  const refused = (call: Call): number =>
    origin.travels || (call.method === 'POST' && call.path === '/api/session') ? 403 : 401;

  const open = async (signedIn: Parts['signedIn'], foreign: ForeignPage): Promise<{ page: Page; url: string }> => {
    const { context, url } = await signedIn(origin.service);
    const page = await context.newPage();
    await page.goto(`http://${origin.foreign}:${foreign.port}/`);
    return { page, url };
  };

  test('changes nothing', async ({ server, wire, foreign, calls, signedIn }) => {
    const { page, url } = await open(signedIn, foreign);
    const before = await state(server);
    for (const call of calls.filter(({ method }) => method === 'POST')) {
      for (const how of Object.entries(POSTS)) {
        const { name, arrived, read } = await attack(page, wire, call, url, how);
        expect.soft({ name, read, arrived: arrived.map(seen) }).toEqual({
          name,
          read: '',
          arrived: [
            {
              call: `POST ${call.path}`,
              cookie: origin.travels,
              site: origin.site,
              origin: `http://${origin.foreign}:${foreign.port}`,
              status: refused(call),
            },
          ],
        });
      }
    }
    expect(await state(server)).toEqual(before);
    await page.context().close();
  });

  test('reads nothing', async ({ server, wire, foreign, calls, signedIn }) => {
    const { page, url } = await open(signedIn, foreign);
    const before = await state(server);
    for (const call of calls.filter(({ method }) => method === 'GET')) {
      for (const how of Object.entries(READS)) {
        const { name, arrived, read } = await attack(page, wire, call, url, how);
        const [first, ...more] = arrived;
        expect.soft({ name, read, more, ...seen(first) }).toMatchObject({
          name,
          read: '',
          more: [],
          call: `GET ${call.path}`,
          cookie: origin.travels,
          // Nothing is answered as a stream of events, whoever asks; an image looks first at who that is.
          status: name === 'EventSource' && !call.path.includes('/provisioning') ? 406 : refused(call),
        });
        // A WebSocket's handshake has no Sec-Fetch-Site.
        if (first?.isWebSocket !== true) expect.soft(first?.site).toBe(origin.site);
      }
    }
    expect(await state(server)).toEqual(before);
    await page.context().close();
  });

  test('may not send what the page itself sends', async ({ server, wire, foreign, calls, signedIn }) => {
    const { page, url } = await open(signedIn, foreign);
    const before = await state(server);
    for (const call of calls) {
      for (const how of Object.entries(ASKED)) {
        const { name, arrived, read } = await attack(page, wire, call, url, how);
        expect.soft({ name, read, arrived: arrived.map(({ method }) => method) }).toEqual({
          name,
          read: '',
          arrived: ['OPTIONS'],
        });
      }
    }
    expect(await state(server)).toEqual(before);
    await page.context().close();
  });
});

function seen(arrived: Arrived | undefined): object {
  if (arrived === undefined) return { call: 'none' };
  const { method, path, cookie, site, origin, status } = arrived;
  return { call: `${method} ${path}`, cookie: cookie?.includes('fleetmint-') === true, site, origin, status };
}

describe.each(['127.0.0.1', NAMES[0]!])('the page itself, at %s', (host) => {
  test('may call, with its header alone', async ({ wire, signedIn }) => {
    const { context, url } = await signedIn(host);
    const page = await context.newPage();
    await page.goto(url + BLANK);
    const code = host.replace(/\W/g, '_');
    expect(await own(page, 'GET', '/api/devices')).toBe(200);
    expect(await own(page, 'POST', '/api/device-models', { code, name: 'By the page' })).toBe(201);
    expect(await own(page, 'GET', '/api/devices', undefined, {})).toBe(403);
    expect(await own(page, 'GET', '/api/devices', undefined, { 'X-Fleetmint': '0' })).toBe(403);
    expect(await own(page, 'POST', '/api/device-models', { code: 'x', name: 'x' }, {})).toBe(403);
    // By the address bar, where no page has sent it.
    wire.clear();
    expect((await page.goto(`${url}/api/devices/1/provisioning`))?.status()).toBe(403);
    const [arrived] = await wire.of('/api/devices/1/provisioning');
    expect(arrived?.cookie).toMatch(/fleetmint-/);
    await context.close();
  });
});
