// One request to the page's own server, without what a session adds.
import { ApiError } from './problem.ts';

/** No other site can send this header without a preflight, which is never granted. */
export const OURS = { 'X-Fleetmint': '1' } as const;

/** `fetch`, whose only own error (no answer at all) becomes ours. An abort stays an abort. */
export async function reach(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (cause) {
    if (request.signal.aborted) throw cause;
    throw ApiError.unreachable(cause);
  }
}
