import { t } from '../texts/index.ts';
import { ApiError, type English } from './problem.ts';

export interface Described {
  readonly title: string;
  readonly lines: readonly (string | English)[];
  readonly requestId: string | undefined;
}

/** An error in the page's language where it knows the kind, else in the server's own words. */
export function describe(error: unknown, heading?: string): Described {
  if (!(error instanceof ApiError)) {
    const detail = error instanceof Error ? error.message : String(error);
    return { title: heading ?? t.problems.failed, lines: [{ en: detail }], requestId: undefined };
  }
  if (error.kind === 'unreachable') {
    return { title: t.problems.unreachable, lines: [t.problems.unreachableAdvice], requestId: undefined };
  }
  const lines: (string | English)[] = [];
  if (error.kind === 'unexpected') {
    lines.push(t.problems.unexpectedAdvice);
    return { title: t.problems.unexpected(error.status), lines, requestId: error.requestId };
  }
  const known = t.problems.kinds[error.kind];
  lines.push({ en: error.detail });
  // `detail` of a problem with one wrong value says the same as that value's entry.
  for (const { detail } of error.errors) if (!error.detail.includes(detail)) lines.push({ en: detail });
  if (known?.advice !== undefined) lines.push(known.advice);
  if (error.retryAfter !== undefined) lines.push(t.problems.waitSeconds(error.retryAfter));
  return {
    title: heading ?? known?.title ?? error.title,
    lines,
    requestId: error.status >= 500 ? error.requestId : undefined,
  };
}
