// Who is signed in. The cookie itself is HttpOnly: the page never sees it.
import type { components } from './generated.ts';
import { link } from '../root.ts';
import { ApiError } from './problem.ts';
import { OURS, reach } from './reach.ts';

export type Person = components['schemas']['Session'];

/** `unreachable`: the server did not say who is signed in. */
export type SessionState = 'unknown' | 'unreachable' | 'signed-out' | 'signed-in' | 'expired';

/** A call was given up because nobody signed in again. */
export class SignedOut extends Error {
  override readonly name = 'SignedOut';
}

let state = $state.raw<SessionState>('unknown');
let person = $state.raw<Person>();
let failure = $state.raw<unknown>();
let waiting: { resolve: () => void; reject: (reason: SignedOut) => void }[] = [];

async function call(method: 'GET' | 'POST' | 'DELETE', body?: object): Promise<Response> {
  const headers: Record<string, string> = { ...OURS };
  const init: RequestInit = { method, headers, credentials: 'same-origin' };
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  const response = await reach(new Request(new URL(link('/api/session'), location.origin), init));
  if (!response.ok) throw ApiError.of(response, await response.json().catch(() => undefined));
  return response;
}

async function who(): Promise<void> {
  person = (await (await call('GET')).json()) as Person;
  state = 'signed-in';
}

function settle(reason?: SignedOut): void {
  const all = waiting;
  waiting = [];
  for (const one of all) {
    if (reason === undefined) one.resolve();
    else one.reject(reason);
  }
}

export const session = {
  get state(): SessionState {
    return state;
  },
  get person(): Person | undefined {
    return person;
  },

  /** Why the server did not say who is signed in. */
  get failure(): unknown {
    return failure;
  },

  /** Asks the server who is signed in. */
  async look(): Promise<void> {
    try {
      await who();
    } catch (error) {
      person = undefined;
      failure = error;
      state = error instanceof ApiError && error.status === 401 ? 'signed-out' : 'unreachable';
    }
  },

  async signIn(token: string): Promise<void> {
    await call('POST', { token });
    await who();
    settle();
  },

  async signOut(): Promise<void> {
    await call('DELETE').catch((error: unknown) => {
      if (!(error instanceof ApiError && error.status === 401)) throw error;
    });
    session.giveUp();
  },

  /** Waits until somebody has signed in again: a call has found its session expired. */
  renew(): Promise<void> {
    if (state === 'signed-out') return Promise.reject(new SignedOut());
    state = 'expired';
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  },

  /** Leaves the expired session: calls that wait for it end. */
  giveUp(): void {
    person = undefined;
    state = 'signed-out';
    settle(new SignedOut());
  },
};
