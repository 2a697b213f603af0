// What holds for every view: accessible in the light and the dark, at home on any width and in both directions,
// nothing that jumps, nothing left in another language.
import { de } from '../src/texts/de.ts';
import { en } from '../src/texts/en.ts';
import { violations } from './harness/axe.ts';
import { expect, settled, test } from './harness/browser.ts';
import { READY, viewsOf, type Fleet } from './harness/fleet.ts';
import { overflowing, shifts, slowDown, watchShifts } from './harness/layout.ts';

test.override({ settings: READY });

/** `problems` of each view, under its path. */
async function inEachView(
  visit: (path: string) => Promise<void>,
  fleet: Fleet,
  problems: (path: string) => Promise<string[]>,
): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const path of viewsOf(fleet)) {
    await visit(path);
    const here = await problems(path);
    if (here.length > 0) found[path] = here;
  }
  return found;
}

test('axe-core finds nothing in any view, light or dark', async ({ open, fleet }) => {
  const { page, visit } = await open();
  expect(await inEachView(visit, fleet, () => violations(page))).toEqual({});
});

test('axe-core finds nothing where one signs in, nor in any dialog', async ({ open, fleet }) => {
  const stranger = await open({ signedIn: false });
  await stranger.visit('/sign-in');
  expect(await violations(stranger.page)).toEqual([]);

  const { page, visit } = await open();
  const found: Record<string, string[]> = {};
  const dialogs: [path: string, button: string][] = [
    ['/models', en.models.create],
    [`/models/${fleet.sensor.id}`, en.shell.edit],
    [`/models/${fleet.sensor.id}`, en.shell.delete],
    ['/devices', en.devices.create],
    [`/devices/${fleet.kitchen.id}`, en.shell.edit],
    [`/devices/${fleet.kitchen.id}`, en.shell.delete],
    [`/devices/${fleet.kitchen.id}`, en.provision.title],
  ];
  for (const [path, button] of dialogs) {
    await visit(path);
    await page.getByRole('button', { name: button, exact: true }).click();
    await page.getByRole('dialog').waitFor();
    const here = await violations(page);
    if (here.length > 0) found[`${path} ${button}`] = here;
  }
  expect(found).toEqual({});
});

test.for([
  [320, 'ltr'],
  [320, 'rtl'],
  [768, 'ltr'],
  [1280, 'rtl'],
  [2560, 'ltr'],
] as const)('nothing sticks out at a width of %i, %s', async ([width, dir], { open, fleet }) => {
  const { page, visit } = await open({ viewport: { width, height: 900 } });
  const found = await inEachView(visit, fleet, async () => {
    await page.evaluate((wanted) => (document.documentElement.dir = wanted), dir);
    return overflowing(page);
  });
  expect(found).toEqual({});
});

test('dialogs fit on a narrow screen', async ({ open, fleet }) => {
  const { page, visit } = await open({ viewport: { width: 320, height: 600 } });
  for (const [path, button] of [
    ['/models', en.models.create],
    ['/devices', en.devices.create],
    [`/devices/${fleet.kitchen.id}`, en.provision.title],
  ] as const) {
    await visit(path);
    await page.getByRole('button', { name: button, exact: true }).click();
    await page.getByRole('dialog').waitFor();
    expect(await overflowing(page), `${path} ${button}`).toEqual([]);
  }
});

test.for([1280, 360])(
  'nothing jumps while the answers of a slow server come, at a width of %i',
  async (width, { open, fleet }) => {
    const { page, visit } = await open({ viewport: { width, height: 800 } });
    await watchShifts(page);
    await slowDown(page, 300);
    const found = await inEachView(visit, fleet, async () => {
      await page.waitForLoadState('networkidle');
      return shifts(page);
    });
    expect(found).toEqual({});
  },
);

test('in German nothing of the English texts is left', async ({ open, fleet }) => {
  const { page, visit } = await open({ locale: 'de-DE' });
  const german = new Set(leaves(de));
  const untranslated = leaves(en).filter((text) => text.length > 3 && !german.has(text));
  const found = await inEachView(visit, fleet, () =>
    page.evaluate((english) => {
      const texts = new Set(english);
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const left: string[] = [];
      while (walker.nextNode() !== null) {
        const text = walker.currentNode.textContent?.trim() ?? '';
        if (texts.has(text)) left.push(text);
      }
      return left;
    }, untranslated),
  );
  expect(found).toEqual({});
  expect(await page.evaluate(() => document.documentElement.lang)).toBe('de');
});

test('a chosen language stays', async ({ open }) => {
  const { page, visit } = await open();
  await visit('/models');
  await page.getByRole('button', { name: `${en.shell.account}: administrator` }).click();
  await page.getByRole('combobox', { name: en.shell.language }).selectOption('de');
  await page.getByRole('heading', { name: de.models.title, level: 1 }).waitFor();
  await page.reload();
  await settled(page);
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(de.models.title);
  expect(await page.title()).toBe('Modelle · Fleetmint');
});

function leaves(texts: object): string[] {
  return Object.values(texts).flatMap((text: unknown) => {
    if (typeof text === 'string') return [text];
    return typeof text === 'object' && text !== null ? leaves(text) : [];
  });
}
