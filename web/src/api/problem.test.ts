import { readFileSync } from 'node:fs';
import { beforeAll, describe as group, expect, it } from 'vitest';
import { loadLanguage, t } from '../texts/index.ts';
import { describe } from './describe.ts';
import { ApiError } from './problem.ts';

beforeAll(() => loadLanguage('en'));

function problem(kind: string, status: number, more: object = {}): ApiError {
  const type = `urn:fleetmint:problem:${kind}`;
  const body = { type, title: 'A title', status, detail: 'What is wrong.', errors: [], retryable: false, ...more };
  return ApiError.of(new Response(null, { status, headers: { 'X-Request-Id': 'r1' } }), body);
}

group('ApiError', () => {
  it('has the kind and the values that are wrong', () => {
    const error = problem('invalid-value', 422, {
      errors: [
        { pointer: '/name', detail: 'name is empty' },
        { pointer: '/name', detail: 'Twice.' },
      ],
    });
    expect(error.kind).toBe('invalid-value');
    expect(error.at('/name')).toEqual({ en: 'name is empty Twice.' });
    expect(error.at('/serial')).toBeUndefined();
  });

  it('of something that is no problem is unexpected, and retryable where a proxy failed', () => {
    const error = ApiError.of(new Response('<html>', { status: 502, headers: { 'Retry-After': '7' } }), '<html>');
    expect([error.kind, error.status, error.retryable, error.retryAfter]).toEqual(['unexpected', 502, true, 7]);
    expect(ApiError.of(new Response(null, { status: 404 }), { title: 'x' }).retryable).toBe(false);
  });
});

group('describe', () => {
  it('says what to do where the page knows the kind', () => {
    const shown = describe(problem('precondition-failed', 412));
    expect(shown.title).toBe(t.problems.kinds['precondition-failed']?.title);
    expect(shown.lines).toEqual([{ en: 'What is wrong.' }, t.problems.kinds['precondition-failed']?.advice]);
    expect(shown.requestId).toBeUndefined();
  });

  it('takes the server’s words for a kind that it does not know', () => {
    expect(describe(problem('brand-new', 409)).title).toBe('A title');
  });

  it('names each wrong value once, and the log’s line for a failure of the server', () => {
    const errors = [
      { pointer: '/a', detail: 'What is wrong.' },
      { pointer: '/b', detail: 'Another one.' },
    ];
    const shown = describe(problem('internal-error', 500, { errors }));
    expect(shown.lines.slice(0, 2)).toEqual([{ en: 'What is wrong.' }, { en: 'Another one.' }]);
    expect(shown.requestId).toBe('r1');
  });

  it('tells a server that cannot be reached from one that answers nonsense', () => {
    expect(describe(ApiError.unreachable(new TypeError('Failed to fetch'))).title).toBe(t.problems.unreachable);
    expect(describe(ApiError.of(new Response('', { status: 503 }), undefined)).title).toBe(t.problems.unexpected(503));
  });

  it('has words for every kind that the documentation lists and a page can meet', () => {
    const listed = [...readFileSync('../docs/problems.md', 'utf8').matchAll(/^\| `([a-z-]+)` \| \d{3} \|/gm)].map(
      ([, kind]) => kind,
    );
    expect(listed.length).toBeGreaterThan(25);
    // What only a faulty program could cause is shown in the server's words.
    const ours = new Set([
      'malformed-request',
      'unreadable-body',
      'unreadable-header',
      'method-not-allowed',
      'not-acceptable',
      'unsupported-media-type',
      'idempotency-key-reused',
      'not-implemented',
    ]);
    expect(listed.filter((kind) => kind !== undefined && !ours.has(kind) && !(kind in t.problems.kinds))).toEqual([]);
  });
});
