// A session's cookie as browsers store and send it: out of reach of scripts, of other sites, and of other services on the same host.
import type { Cookie, Page } from 'playwright-core';
import { afterEach, describe } from 'vitest';
import { expect, test as base } from './harness/browser.ts';
import { launch } from './harness/chromium.ts';
import { HAS_NGINX, Nginx, freePort } from './harness/nginx.ts';
import { Server } from './harness/server.ts';
import { BLANK, ForeignPage, Wire } from './harness/wire.ts';

const LAN = 'fleetmint.factory.lan';

const test = base.override('browser', async ({}, { onCleanup }) => {
  const browser = await launch([`--host-resolver-rules=MAP ${LAN} 127.0.0.1`]);
  onCleanup(() => browser.close());
  return browser;
});

const ended: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

async function started(settings: Record<string, string> = {}): Promise<Server> {
  const server = await Server.start(settings);
  ended.push(() => server.stop());
  return server;
}

async function wireBefore(server: Server): Promise<Wire> {
  const wire = await Wire.before(server.program);
  ended.push(() => wire.end());
  return wire;
}

async function nginxBefore(port: number, server: Server, headers: Record<string, string>): Promise<void> {
  const nginx = await Nginx.start(port, server.program, headers);
  ended.push(() => nginx.stop());
}

/** A call as the page itself makes it. */
function call(page: Page, method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  return page.evaluate(
    async ({ method, path, body }) => {
      const answer = await fetch(path, {
        method,
        headers: { 'X-Fleetmint': '1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.status, text: await answer.text() };
    },
    { method, path, body },
  );
}

async function status(page: Page, method: string, path: string, body?: unknown): Promise<number> {
  return (await call(page, method, path, body)).status;
}

/** By the form of the page that the program has. */
async function signIn(page: Page, origin: string, server: Server): Promise<void> {
  await page.goto(`${origin}/sign-in`);
  await page.getByLabel('Administrator token').fill(server.token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

const stored = ({ name, domain, path, httpOnly, secure, sameSite, expires }: Cookie): object => ({
  name,
  domain,
  path,
  httpOnly,
  secure,
  sameSite,
  expires,
});

describe.each(['127.0.0.1', 'localhost', LAN])('at http://%s', (host) => {
  test('it is stored for the session of the browser, for this host alone, and no script sees it', async ({
    browser,
    server,
  }) => {
    const wire = await wireBefore(server);
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`http://${host}:${wire.port}${BLANK}`);
    expect(await status(page, 'GET', '/api/session')).toBe(401);
    expect(await status(page, 'POST', '/api/session', { token: `${server.token}x` })).toBe(401);
    expect(await context.cookies()).toEqual([]);
    expect(await status(page, 'POST', '/api/session', { token: server.token })).toBe(204);
    expect((await context.cookies()).map(stored)).toEqual([
      {
        name: expect.stringMatching(/^fleetmint-[0-9a-f]{8}$/),
        domain: host,
        path: '/',
        httpOnly: true,
        secure: false,
        sameSite: 'Strict',
        expires: -1,
      },
    ]);
    expect(await page.evaluate(() => document.cookie)).toBe('');
    expect(await status(page, 'GET', '/api/session')).toBe(200);
    expect(await status(page, 'DELETE', '/api/session')).toBe(204);
    expect(await context.cookies()).toEqual([]);
    expect(await status(page, 'GET', '/api/session')).toBe(401);
    await context.close();
  });
});

test('two services on one host get both cookies, and each knows its own', async ({ browser, server }) => {
  const other = await started();
  const wires = [await wireBefore(server), await wireBefore(other)];
  const context = await browser.newContext();
  const pages = await Promise.all(
    wires.map(async (wire) => {
      const page = await context.newPage();
      await page.goto(`http://127.0.0.1:${wire.port}${BLANK}`);
      return page;
    }),
  );
  const [first, second] = pages as [Page, Page];
  expect(await status(first, 'POST', '/api/session', { token: server.token })).toBe(204);
  wires[1]!.clear();
  expect(await status(second, 'GET', '/api/devices')).toBe(401);
  // The browser has sent it there: only its name and its value tell that it is not this one's.
  expect((await wires[1]!.of('/api/devices'))[0]?.cookie).toMatch(/^fleetmint-[0-9a-f]{8}=/);

  expect(await status(second, 'POST', '/api/session', { token: other.token })).toBe(204);
  expect(await context.cookies()).toHaveLength(2);
  expect(await status(first, 'GET', '/api/devices')).toBe(200);
  expect(await status(second, 'GET', '/api/devices')).toBe(200);

  // A value under the other's name is nobody's.
  const [one, two] = await context.cookies();
  await context.addCookies([
    { ...one!, value: two!.value },
    { ...two!, value: one!.value },
  ]);
  expect(await status(first, 'GET', '/api/devices')).toBe(401);
  expect(await status(second, 'GET', '/api/devices')).toBe(401);
  await context.addCookies([one!, two!]);

  expect(await status(second, 'DELETE', '/api/session')).toBe(204);
  expect(await status(second, 'GET', '/api/devices')).toBe(401);
  expect(await status(first, 'GET', '/api/devices')).toBe(200);
  await context.close();
});

test('cookies that another port sets under its name neither sign anybody in nor out', async ({ browser, server }) => {
  const wire = await wireBefore(server);
  const foreign = await ForeignPage.start();
  ended.push(() => foreign.end());
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${wire.port}${BLANK}`);
  expect(await status(page, 'POST', '/api/session', { token: server.token })).toBe(204);
  const { name } = (await context.cookies())[0]!;
  const neighbour = await context.newPage();
  await neighbour.goto(`http://127.0.0.1:${foreign.port}/`);
  await neighbour.evaluate((name) => {
    // The longer path comes first; the cookie itself cannot be overwritten by a script.
    document.cookie = `${name}=${'A'.repeat(43)}; path=/api`;
    document.cookie = `${name}=short; path=/api/devices`;
    document.cookie = `${name}=${'B'.repeat(42)}A; path=/`;
    document.cookie = `__Host-fleetmint=${'C'.repeat(42)}A; path=/; secure`;
  }, name);
  wire.clear();
  expect(await status(page, 'GET', '/api/devices')).toBe(200);
  const cookie = (await wire.of('/api/devices'))[0]?.cookie ?? '';
  expect(cookie.split(';').filter((pair) => pair.trim().startsWith(name))).toHaveLength(3);
  expect(await status(page, 'DELETE', '/api/session')).toBe(204);
  expect(await status(page, 'GET', '/api/devices')).toBe(401);
  await context.close();
});

describe.skipIf(!HAS_NGINX)('behind nginx, by https', () => {
  const told = { Host: '$http_host', 'X-Forwarded-For': '$remote_addr', 'X-Forwarded-Proto': '$scheme' };
  const trusted = { FLEETMINT_SERVER__TRUSTED_PROXIES: '127.0.0.1' };

  const ways: [string, (port: number) => Record<string, string>, Record<string, string>][] = [
    ['whose proxy is trusted and says so', () => trusted, told],
    [
      'whose public_url says so',
      (port) => ({ FLEETMINT_SERVER__PUBLIC_URL: `https://127.0.0.1:${port}` }),
      { Host: 'fleetmint.internal' },
    ],
  ];
  test.for(ways)(
    'a service %s has a cookie that is sent by https alone',
    async ([, settings, headers], { browser }) => {
      const port = await freePort();
      const server = await started(settings(port));
      await nginxBefore(port, server, headers);
      const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB' });
      const page = await context.newPage();
      await signIn(page, `https://127.0.0.1:${port}`, server);
      await page.getByRole('heading', { name: 'First steps' }).waitFor();
      expect((await context.cookies()).map(stored)).toEqual([
        {
          name: '__Host-fleetmint',
          domain: '127.0.0.1',
          path: '/',
          httpOnly: true,
          secure: true,
          sameSite: 'Strict',
          expires: -1,
        },
      ]);
      expect(await page.evaluate(() => document.cookie)).toBe('');
      await page.getByRole('button', { name: 'Account and language' }).click();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Administrator token').waitFor();
      expect(await context.cookies()).toEqual([]);
      await context.close();
    },
  );

  test('a proxy that hides the scheme is named in the refusal', async ({ browser }) => {
    const port = await freePort();
    const server = await started();
    await nginxBefore(port, server, told);
    const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB' });
    const page = await context.newPage();
    await signIn(page, `https://127.0.0.1:${port}`, server);
    await page.getByText(/Origin.*server\.public_url.*server\.trusted_proxies/).waitFor();
    expect(await context.cookies()).toEqual([]);
    await context.close();
  });
});
