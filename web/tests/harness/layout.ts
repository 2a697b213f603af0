// How a view lies on the screen: what sticks out of it, and what jumps.
import type { Page } from 'playwright-core';

/** What is wider than the window, or than the box that it would have to be scrolled in; outermost first. */
export function overflowing(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const name = (element: Element): string =>
      `${element.localName}.${[...element.classList].join('.')} "${(element.textContent ?? '').trim().slice(0, 40)}"`;
    const found: string[] = [];
    const { scrollWidth, clientWidth } = document.documentElement;
    const root = document.documentElement.getBoundingClientRect();
    if (scrollWidth > clientWidth) found.push(`the document: ${scrollWidth} in ${clientWidth}`);
    for (const element of document.querySelectorAll('body *')) {
      const { overflowX } = getComputedStyle(element);
      if (element.closest('.visually-hidden, .skip, svg') !== null || element.clientWidth === 0) continue;
      if (overflowX === 'auto' || overflowX === 'scroll') {
        // Text that must stay on one line may scroll in its own box: a table and a whole view may not.
        if (element.matches('pre, textarea, [data-scrolls]')) continue;
        if (element.scrollWidth > element.clientWidth + 1)
          found.push(`${name(element)}: ${element.scrollWidth} in ${element.clientWidth}`);
        continue;
      }
      const { left, right } = element.getBoundingClientRect();
      const inside = element.closest('pre, [data-scrolls]') !== null;
      if (!inside && (left < root.left - 1 || right > root.right + 1))
        found.push(
          `${name(element)}: from ${Math.round(left)} to ${Math.round(right)} of ${Math.round(root.left)} to ${Math.round(root.right)}`,
        );
    }
    return found.slice(0, 8);
  });
}

/** Begins to add up how far things jump without a person's doing. Before the first view. */
export async function watchShifts(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const shifts: string[] = [];
    Object.assign(globalThis, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const shift = entry as PerformanceEntry & {
          value: number;
          hadRecentInput: boolean;
          sources: { node: Node | null; previousRect: DOMRectReadOnly; currentRect: DOMRectReadOnly }[];
        };
        if (shift.hadRecentInput || shift.value < 0.001) continue;
        const moved = shift.sources.map(({ node, previousRect, currentRect }) => {
          const element = node instanceof Element ? node : node?.parentElement;
          const text = `${element?.localName}.${element?.className} "${element?.textContent?.trim().slice(0, 30)}"`;
          return `${text} ${previousRect.y} → ${currentRect.y}`;
        });
        shifts.push(`${shift.value.toFixed(4)}: ${moved.join('; ')}`);
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
}

/** What has jumped since the page was loaded, and how far (the unit is that of the Layout Instability API). */
export function shifts(page: Page): Promise<string[]> {
  return page.evaluate(() => (globalThis as unknown as { shifts: string[] }).shifts);
}

/** Lets every answer of the API come late, so that a reader sees what stands in its place. */
export async function slowDown(page: Page, milliseconds: number): Promise<void> {
  await page.route('**/api/**', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    await route.continue().catch(() => undefined);
  });
}
