// Accessibility by axe-core.
import axe, { type AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What axe finds on what the page shows now, one line for each element; in the light and in the dark. */
export async function violations(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    found.push(...(await run(page)).map((line) => `${colorScheme}: ${line}`));
  }
  return found;
}

async function run(page: Page): Promise<string[]> {
  // The page's policy lets nobody add a script to it; the debugger may evaluate one.
  const debugged = await page.context().newCDPSession(page);
  try {
    const { exceptionDetails } = await debugged.send('Runtime.evaluate', { expression: axe.source });
    if (exceptionDetails !== undefined) throw new Error(`axe-core: ${exceptionDetails.text}`);
    const answer = await debugged.send('Runtime.evaluate', {
      expression: `axe.run(document, ${JSON.stringify({ runOnly: TAGS, resultTypes: ['violations'] })})
        .then(({ violations, passes }) => ({ violations, passes }))`,
      awaitPromise: true,
      returnByValue: true,
    });
    if (answer.exceptionDetails !== undefined) throw new Error(`axe-core: ${JSON.stringify(answer.exceptionDetails)}`);
    const results = answer.result.value as Pick<AxeResults, 'violations' | 'passes'>;
    // A run that looked at nothing is no proof.
    if (results.passes.length === 0) throw new Error('axe-core has found nothing to check');
    return results.violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html}\n    ${failureSummary?.replaceAll('\n', '\n    ')}`),
    );
  } finally {
    await debugged.detach();
  }
}
