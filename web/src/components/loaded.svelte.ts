import { SignedOut } from '../api/session.svelte.ts';

/**
 * What was asked of the server: `const devices = new Loaded((signal) => read(api.GET(…, { signal })))`, made while a
 * component is set up. It asks again when something that `ask` reads before its first `await` changes; until the new answer
 * is there the old one stays.
 */
export class Loaded<T> {
  value = $state.raw<T>();
  error = $state.raw<unknown>();
  loading = $state.raw(true);
  #asked = $state.raw(0);

  constructor(ask: (signal: AbortSignal) => Promise<T>) {
    $effect(() => {
      void this.#asked;
      const controller = new AbortController();
      this.loading = true;
      this.#settle(ask(controller.signal), controller.signal);
      return () => controller.abort();
    });
  }

  /** Asks again. */
  reload = (): void => {
    this.#asked += 1;
  };

  #settle(answer: Promise<T>, signal: AbortSignal): void {
    answer.then(
      (value) => {
        if (signal.aborted) return;
        this.value = value;
        this.error = undefined;
        this.loading = false;
      },
      (error: unknown) => {
        if (signal.aborted || error instanceof SignedOut) return;
        this.error = error;
        this.loading = false;
      },
    );
  }
}
