// No view moves what is already shown: neither while it loads nor when its parts arrive one after the other.
import { expect, settled, test } from './harness/browser.ts';

const VIEWPORTS = [
  { width: 1280, height: 800 },
  { width: 360, height: 740 },
];

test.for(VIEWPORTS)('nothing shifts at %o', async (viewport, { open, server }) => {
  const suffix = String(viewport.width);
  const model = await server.createModel({ code: `steady_${suffix}`, name: 'Steady' });
  for (let n = 0; n < 30; n += 1) await server.createDevice({ device_model_id: model.id, name: `Steady ${n}` });
  const device = await server.createDevice({ device_model_id: model.id, name: 'Steady' });
  const mac = `60:55:f9:ab:0${suffix[0]}:01`;
  await server.flash(device, { mac });

  const { page } = await open({ viewport });
  // Answers that come slowly, and not all at once.
  let asked = 0;
  await page.route('**/api/**', async (route) => {
    asked += 1;
    await new Promise((resolve) => setTimeout(resolve, 60 + 90 * (asked % 4)));
    await route.continue();
  });
  const paths = [
    '/',
    '/devices',
    `/devices/${device.id}`,
    '/models',
    `/models/${model.id}`,
    '/boards',
    `/boards/${mac}`,
  ];
  const found: string[] = [];
  for (const path of [...paths, '/settings', '/audit', '/inspector']) {
    await page.goto(path);
    await settled(page);
    await page.waitForTimeout(500);
    const shifts = await page.evaluate(
      () =>
        new Promise<{ value: number; what: string }[]>((resolve) => {
          new PerformanceObserver((list) => {
            resolve(
              (list.getEntries() as (PerformanceEntry & { value: number; sources: { node: Node | null }[] })[]).map(
                ({ value, sources }) => ({
                  value,
                  what: sources
                    .map(({ node }) =>
                      node instanceof Element ? `${node.localName}.${node.className}` : String(node?.nodeName),
                    )
                    .join(', '),
                }),
              ),
            );
          }).observe({ type: 'layout-shift', buffered: true });
          setTimeout(() => resolve([]), 300);
        }),
    );
    for (const { value, what } of shifts) if (value > 0.001) found.push(`${path}: ${value.toFixed(4)} ${what}`);
  }
  expect(found).toEqual([]);
});
