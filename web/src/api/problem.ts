// What went wrong, as one error that a view can show: an answer's problem+json, or no answer at all.
import type { components } from './generated.ts';

export type ProblemDocument = components['schemas']['Problem'];
export type Violation = components['schemas']['Violation'];

const PREFIX = 'urn:fleetmint:problem:';

/** Words of the server, which are English in every language of the page: `Said` marks them as such. */
export interface English {
  readonly en: string;
}

export class ApiError extends Error {
  override readonly name = 'ApiError';

  private constructor(
    /** The last part of the problem's `type`; `unreachable` without an answer, `unexpected` for another one. */
    readonly kind: string,
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly errors: readonly Violation[],
    readonly retryable: boolean,
    /** Seconds to wait, as the server asks for. */
    readonly retryAfter: number | undefined,
    /** The id of the answer's line in the server's log. */
    readonly requestId: string | undefined,
  ) {
    super(detail);
  }

  /** The server could not be reached, or its answer broke off. */
  static unreachable(cause: unknown): ApiError {
    const detail = cause instanceof Error ? cause.message : String(cause);
    return new ApiError('unreachable', 0, '', detail, [], true, undefined, undefined);
  }

  /** An answer of status 4xx or 5xx; `body` is what was in it. */
  static of(response: Response, body: unknown): ApiError {
    const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN);
    const retryAfter = Number.isFinite(seconds) ? seconds : undefined;
    const requestId = response.headers.get('X-Request-Id') ?? undefined;
    if (!isProblem(body)) {
      // Not from Fleetmint: a proxy on the way, for example.
      const retryable = response.status >= 502;
      const { status, statusText } = response;
      return new ApiError('unexpected', status, '', statusText, [], retryable, retryAfter, requestId);
    }
    const kind = body.type.startsWith(PREFIX) ? body.type.slice(PREFIX.length) : 'unexpected';
    const { title, detail, errors, retryable } = body;
    return new ApiError(kind, response.status, title, detail, errors, retryable, retryAfter, requestId);
  }

  /** What is wrong with the value at this JSON pointer. */
  at(pointer: string): English | undefined {
    const found = this.errors.filter((error) => error.pointer === pointer).map((error) => error.detail);
    return found.length === 0 ? undefined : { en: found.join(' ') };
  }
}

function isProblem(body: unknown): body is ProblemDocument {
  if (typeof body !== 'object' || body === null) return false;
  const { type, title, detail, errors, retryable } = body as Record<string, unknown>;
  return (
    typeof type === 'string' &&
    typeof title === 'string' &&
    typeof detail === 'string' &&
    Array.isArray(errors) &&
    typeof retryable === 'boolean'
  );
}
