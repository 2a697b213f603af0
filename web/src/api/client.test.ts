import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { api, read, readWithTag } from './client.ts';
import { ApiError } from './problem.ts';
import { session, SignedOut } from './session.svelte.ts';

type Answer = Response | Error;
let asked: Request[];
let answers: Answer[];

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });
}

const refused = (): Response =>
  json(401, {
    type: 'urn:fleetmint:problem:unauthorized',
    title: 't',
    status: 401,
    detail: 'd',
    errors: [],
    retryable: false,
  });
const person = { name: 'administrator', role: 'administrator', expires_at: null };

beforeEach(async () => {
  asked = [];
  answers = [];
  vi.stubGlobal('fetch', (request: Request) => {
    asked.push(request);
    const answer = answers.shift();
    if (request.signal.aborted) return Promise.reject(new DOMException('aborted', 'AbortError'));
    if (answer === undefined) throw new Error(`no answer for ${request.method} ${request.url}`);
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  });
  answers.push(json(200, person));
  await session.look();
  asked.length = 0;
});
afterEach(() => vi.unstubAllGlobals());

const signal = new AbortController().signal;
const list = () => read(api.GET('/api/devices', { params: { query: { limit: 1 } }, signal }));

it('carries the header that no other site can send', async () => {
  answers.push(json(200, { items: [], next_cursor: null }));
  await list();
  expect(asked[0]?.headers.get('X-Fleetmint')).toBe('1');
  expect(asked[0]?.url).toBe(`${location.origin}/api/devices?limit=1`);
});

it('gives the body with its ETag', async () => {
  answers.push(json(200, { id: 1 }, { ETag: '"abc"' }));
  const { data, etag } = await readWithTag(api.GET('/api/devices/{id}', { params: { path: { id: 1 } } }));
  expect([data.id, etag]).toEqual([1, '"abc"']);
});

it('throws the problem of an answer', async () => {
  const body = {
    type: 'urn:fleetmint:problem:not-found',
    title: 't',
    status: 404,
    detail: 'd',
    errors: [],
    retryable: false,
  };
  answers.push(json(404, body));
  await expect(list()).rejects.toMatchObject({ kind: 'not-found', status: 404 });
});

it('says that the server cannot be reached', async () => {
  answers.push(new TypeError('Failed to fetch'));
  await expect(list()).rejects.toMatchObject({ kind: 'unreachable', retryable: true });
});

it('repeats a call with its body after the person has signed in again', async () => {
  answers.push(refused());
  const created = read(api.POST('/api/device-models', { body: { code: 'x', name: 'X' } }));
  await vi.waitFor(() => expect(session.state).toBe('expired'));
  expect(asked).toHaveLength(1);
  answers.push(new Response(null, { status: 204 }), json(200, person), json(201, { id: 5, code: 'x' }));
  await session.signIn('fma_right');
  await expect(created).resolves.toMatchObject({ id: 5 });
  expect(session.state).toBe('signed-in');
  expect(asked.map(({ method, url }) => `${method} ${new URL(url).pathname}`)).toEqual([
    'POST /api/device-models',
    'POST /api/session',
    'GET /api/session',
    'POST /api/device-models',
  ]);
  expect(await asked[3]?.json()).toEqual({ code: 'x', name: 'X' });
});

it('a wrong token leaves the calls waiting', async () => {
  answers.push(refused());
  const waiting = list();
  await vi.waitFor(() => expect(session.state).toBe('expired'));
  answers.push(refused());
  await expect(session.signIn('fma_wrong')).rejects.toMatchObject({ status: 401 });
  expect(session.state).toBe('expired');
  session.giveUp();
  await expect(waiting).rejects.toBeInstanceOf(SignedOut);
  expect(session.state).toBe('signed-out');
});

it('signs out also where the session is gone already, and not where the server cannot be reached', async () => {
  answers.push(new TypeError('Failed to fetch'));
  await expect(session.signOut()).rejects.toBeInstanceOf(ApiError);
  expect(session.state).toBe('signed-in');
  answers.push(refused());
  await session.signOut();
  expect(session.state).toBe('signed-out');
  answers.push(refused());
  await expect(list()).rejects.toBeInstanceOf(SignedOut);
});
