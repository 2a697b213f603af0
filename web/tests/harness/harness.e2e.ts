// The harness finds what it must find: a test that could not fail would be worth nothing.
import { violations } from './axe.ts';
import { expect, test } from './browser.ts';
import { tabTo } from './keyboard.ts';

test('a page is watched: its policy, its console, its errors, its requests', async ({ open }) => {
  const { page, watch, visit } = await open({ signedIn: false });
  await visit('/sign-in');
  expect(watch.complaints()).toEqual([]);

  const after = async (provoke: () => void): Promise<string> => {
    await page.evaluate(provoke);
    const found: string[] = [];
    await expect.poll(() => found.push(...watch.complaints())).toBeGreaterThan(0);
    await page.waitForTimeout(100);
    return [...found, ...watch.complaints()].join('\n');
  };
  expect(await after(() => document.body.setAttribute('style', 'color: red'))).toContain(
    'securitypolicyviolation: style-src',
  );
  expect(await after(() => console.warn('a warning of the page'))).toContain('console warning: a warning of the page');
  const uncaught = await after(
    () =>
      void setTimeout(() => {
        throw new Error('nobody catches it');
      }),
  );
  expect(uncaught).toContain('uncaught: Error: nobody catches it');
  expect(await after(() => void fetch('/assets/nothing-here.js'))).toContain('status of 404');
  const elsewhere = await after(() => void fetch('http://127.0.0.1:9/').catch(() => undefined));
  expect(elsewhere).toContain('connect-src');
});

test('axe-core finds an image without a name, and a control that nobody can read', async ({ open }) => {
  const { page, visit } = await open({ signedIn: false });
  await visit('/sign-in');
  await page.evaluate(() => document.querySelector('main')?.append(document.createElement('img')));
  expect((await violations(page)).join('\n')).toContain('light: image-alt');
});

test('a control that Tab does not reach is told', async ({ open }) => {
  const { page, visit } = await open({ signedIn: false });
  await visit('/sign-in');
  await tabTo(page, 'button', 'Sign in');
  await page.getByRole('button', { name: 'Sign in' }).evaluate((button) => button.setAttribute('tabindex', '-1'));
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await expect(tabTo(page, 'button', 'Sign in')).rejects.toThrow('does not reach the button Sign in');
});
