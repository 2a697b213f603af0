// What no page may do, whatever a test does with it.
import type { BrowserContext } from 'playwright-core';

/** Watches all pages of a browser context. What it finds fails the test at its end. */
export class Watch {
  /** Everything that was written to the console. */
  readonly console: string[] = [];
  /** Every address that was requested. */
  readonly requests: string[] = [];
  private found: string[] = [];
  private readonly expected: RegExp[] = [];

  private constructor(private readonly origin: string) {}

  static async over(context: BrowserContext, url: string): Promise<Watch> {
    const watch = new Watch(new URL(url).origin);
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`securitypolicyviolation: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
      });
    });
    context.on('console', (message) => {
      const text = message.text();
      watch.console.push(text);
      if (!['error', 'warning', 'assert'].includes(message.type())) return;
      // Chromium's own line about an answer of status 4xx, which the page shows to its reader.
      const refused = /^Failed to load resource: the server responded with a status of 4\d\d/.test(text);
      if (refused && new URL(message.location().url).pathname.startsWith('/api/')) return;
      watch.complain(`console ${message.type()}: ${text} (${message.location().url})`);
    });
    context.on('weberror', (error) => watch.complain(`uncaught: ${error.error().stack ?? error.error().message}`));
    context.on('request', (request) => {
      watch.requests.push(request.url());
      const { origin, protocol } = new URL(request.url());
      if (origin !== watch.origin && protocol !== 'blob:') watch.complain(`request to another host: ${request.url()}`);
    });
    context.on('requestfailed', (request) => {
      const why = request.failure()?.errorText ?? '';
      // A view that was left gives up its calls.
      if (why !== 'net::ERR_ABORTED') watch.complain(`failed: ${request.method()} ${request.url()} ${why}`);
    });
    return watch;
  }

  private complain(what: string): void {
    if (!this.expected.some((pattern) => pattern.test(what))) this.found.push(what);
  }

  /** This test causes such a complaint on purpose. */
  expect(pattern: RegExp): void {
    this.expected.push(pattern);
    this.found = this.found.filter((what) => !pattern.test(what));
  }

  /** What was found since the last call. */
  complaints(): readonly string[] {
    const found = this.found;
    this.found = [];
    return found;
  }
}
