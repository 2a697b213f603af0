// What the tests need beside npm packages: Chromium and the program.
import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';

const web = resolve(import.meta.dirname, '../..');

/** Playwright's own browsers are not used: the system's is. */
export const CHROMIUM =
  process.env['FLEETMINT_TEST_CHROMIUM'] ?? firstExecutable(['/usr/bin/chromium', '/usr/bin/chromium-browser']);

export const PROGRAM = process.env['FLEETMINT_PROGRAM'] ?? resolve(web, '../target/debug/fleetmint');

/** Which part is missing and how to install it; `undefined` if all are there. */
export function missing(): string | undefined {
  if (CHROMIUM === undefined || !executable(CHROMIUM))
    return '`tools/install chromium` installs Chromium; FLEETMINT_TEST_CHROMIUM names another one.';
  if (!executable(PROGRAM))
    return `${PROGRAM} is missing. \`tools/page build\` and \`cargo build -p fleetmint\` build it; FLEETMINT_PROGRAM names another one.`;
  return undefined;
}

function firstExecutable(paths: readonly string[]): string | undefined {
  return paths.find(executable);
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
