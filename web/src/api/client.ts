// The only way from the page to its server.
import createClient from 'openapi-fetch';
import type { paths } from './generated.ts';
import { ApiError } from './problem.ts';
import { OURS, reach } from './reach.ts';
import { root } from '../root.ts';
import { session } from './session.svelte.ts';

/**
 * Asks the server. A call that finds its session expired waits until the person has signed in again, then is
 * repeated: nothing that was typed is lost.
 */
async function send(request: Request): Promise<Response> {
  const again = request.clone();
  const response = await reach(request);
  if (response.status !== 401) return response;
  await session.renew();
  return reach(again);
}

export const api = createClient<paths>({
  // Its paths begin with a slash of their own.
  baseUrl: location.origin + root.slice(0, -1),
  headers: OURS,
  credentials: 'same-origin',
  fetch: send,
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer's body: `const device = await read(api.GET('/api/devices/{id}', …))`. Throws an ApiError. */
export async function read<T>(answer: Promise<Answer<T>>): Promise<T> {
  return (await readWithTag(answer)).data;
}

/** The body and its ETag, for `If-Match` of a later change. */
export async function readWithTag<T>(answer: Promise<Answer<T>>): Promise<{ data: T; etag: string | undefined }> {
  const { data, error, response } = await answer;
  if (!response.ok) throw ApiError.of(response, error);
  return { data: data as T, etag: response.headers.get('ETag') ?? undefined };
}
