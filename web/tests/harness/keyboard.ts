// The page by keyboard alone.
import type { Locator, Page } from 'playwright-core';

type Role = Parameters<Page['getByRole']>[0];

/** The most presses of Tab from one control to another that a person could be expected to make. */
const FAR = 80;

/**
 * Presses Tab until the element with this role and accessible name has the focus. Fails if it never gets it, or if its
 * focus cannot be seen.
 */
export async function tabTo(
  page: Page,
  role: Role,
  name: string | RegExp,
  key: 'Tab' | 'Shift+Tab' = 'Tab',
): Promise<Locator> {
  const wanted = page.getByRole(role, { name, exact: typeof name === 'string' });
  const focused = wanted.and(page.locator(':focus'));
  await wanted.first().waitFor();
  const passed: string[] = [];
  for (let presses = 0; presses <= FAR; presses += 1) {
    if ((await focused.count()) > 0) {
      await focusIsVisible(focused);
      return focused;
    }
    await page.keyboard.press(key);
    passed.push(await describeFocus(page));
  }
  throw new Error(`${FAR} × ${key} does not reach the ${role} ${String(name)}; the focus was on: ${passed.join(', ')}`);
}

/** Goes to a control by Tab and presses Enter (or another key) on it. */
export async function press(page: Page, role: Role, name: string | RegExp, key = 'Enter'): Promise<void> {
  await tabTo(page, role, name);
  await page.keyboard.press(key);
}

/** Goes to a text field by Tab and replaces what is in it. */
export async function type(page: Page, name: string | RegExp, text: string, role: Role = 'textbox'): Promise<void> {
  await tabTo(page, role, name);
  await page.keyboard.press('Control+A');
  await page.keyboard.type(text);
}

async function focusIsVisible(focused: Locator): Promise<void> {
  const seen = await focused.evaluate((element) => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
    const { width, height } = element.getBoundingClientRect();
    return (
      width > 1 && height > 1 && ((outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none')
    );
  });
  if (!seen) throw new Error(`the focus cannot be seen on ${await focused.evaluate((element) => element.outerHTML)}`);
}

function describeFocus(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (element === null || element === document.body) return 'the document';
    const text = element.getAttribute('aria-label') ?? element.textContent ?? '';
    return `${element.localName} "${text.trim().slice(0, 30)}"`;
  });
}
