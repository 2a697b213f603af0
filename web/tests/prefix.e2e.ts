// The page below a path of a host that it shares: a proxy in front of the server takes the path away.
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, settled, test } from './harness/browser.ts';
import { Server } from './harness/server.ts';

test('the page works below a path', async ({ open }) => {
  let target = '';
  const proxy = createServer((incoming, outgoing) => {
    const path = incoming.url?.replace(/^\/fleet(?=\/)/, '') ?? '/';
    if (path === incoming.url) return void outgoing.writeHead(404).end();
    const { hostname, port } = new URL(target);
    const onward = request({ hostname, port, path, method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const host = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const server = await Server.start({ FLEETMINT_SERVER__PUBLIC_URL: `${host}/fleet` });
  try {
    target = server.url;
    const model = await server.createModel({ code: 'below', name: 'Below' });
    const device = await server.createDevice({ device_model_id: model.id, name: 'Below a path' });
    const shared = Object.defineProperty(Object.create(server) as Server, 'url', { value: host });
    const { page, visit, watch } = await open({ server: shared, signedIn: false });
    // Nobody is signed in at first.
    watch.expect(/status of 401 .*\/fleet\/api\/session/);

    await visit(`/fleet/devices/${device.id}`);
    await page.getByLabel('Administrator token').fill(server.token);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Below a path', level: 1 }).waitFor();
    await settled(page);
    expect(new URL(page.url()).pathname).toBe(`/fleet/devices/${device.id}`);
    await page.getByRole('button', { name: 'Show client_secret' }).click();
    await page.getByRole('button', { name: 'Hide client_secret' }).waitFor();
    await page.getByRole('link', { name: 'Models' }).click();
    await page.getByRole('heading', { name: 'Models', level: 1 }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/fleet/models');
    await page.reload();
    await page.getByRole('heading', { name: 'Models', level: 1 }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: 'Below a path', level: 1 }).waitFor();
    // Every link leads below the path, also in a new tab.
    const links = await page
      .locator('a[href]')
      .evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''));
    expect(links.filter((href) => !/^(#|\/fleet\/)/.test(href))).toEqual([]);
    await settled(page);

    watch.expect(/status of 404 .*\/fleet\/nowhere/);
    await page.goto('/fleet/nowhere');
    await page.getByRole('heading', { name: 'Not found', level: 1 }).waitFor();
    await page.getByRole('link', { name: 'Go to the start' }).click();
    await page
      .getByRole('heading', { name: 'First steps', level: 1 })
      .or(page.getByRole('heading', { name: 'Devices', level: 1 }))
      .waitFor();
    expect(new URL(page.url()).pathname).toMatch(/^\/fleet\//);
  } finally {
    await server.stop();
    proxy.closeAllConnections();
    proxy.close();
  }
});
