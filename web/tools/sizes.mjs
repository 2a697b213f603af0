// sizes.mjs FOLDER: what a visitor is sent, in bytes of brotli. Fails where it is more than the page may have.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { argv, exit } from 'node:process';

// `./bench page` measures whole visits; these are the parts that grow unnoticed.
const FIRST_VIEW = 60_000;
// The goal is 220,000: docs/performance.md says what is in the way.
const PROVISIONING_VISIT = 225_000;
const PROVISIONING_MODULE = 120_000;
const INSPECTORS_MODULE = 190_000;

const folder = argv[2];
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((file) => file.isFile() && !file.name.startsWith('.') && !/\.(br|gz)$/.test(file.name))
  .map((file) => join(file.parentPath, file.name));
const sent = (path) => statSync(existsSync(`${path}.br`) ? `${path}.br` : path).size;

/** Adds a file with all that it imports statically. */
const adding = (to) => {
  const add = (path) => {
    if (to.has(path) || !existsSync(path)) return;
    to.add(path);
    if (path.endsWith('.js')) {
      const text = readFileSync(path, 'utf8');
      for (const [, name] of text.matchAll(/(?:from|import)\s*["'](\.[^"']+)["']/g)) add(join(path, '..', name));
    }
  };
  return add;
};
const named = (pattern) => {
  const found = files.filter((path) => pattern.test(basename(path)));
  if (found.length === 0) throw new Error(`no file ${pattern} in ${folder}`);
  return found;
};

// What index.html names, with all that it imports statically, and English.
const start = [join(folder, 'index.html')];
for (const [, name] of readFileSync(start[0], 'utf8').matchAll(/(?:src|href)="\.?\/?([^"]+)"/g))
  start.push(join(folder, name));
start.push(...named(/^en-(?!inspector)/));

// And then the list of devices; or a device, and its board, which is an ESP32-C3.
const first = new Set();
[...start, ...named(/^Devices-/)].forEach(adding(first));
const modules = named(/\.wasm$/).toSorted((a, b) => sent(a) - sent(b));
const visit = new Set();
[/^Device-/, /^Provision-/, /^Flow-/, /^provision-/, /^board(-module)?-/, /^chip-/, /^esptool-/, /^esp32c3-/]
  .flatMap(named)
  .concat(start, modules.slice(0, 1))
  .forEach(adding(visit));

for (const path of files.toSorted((a, b) => sent(b) - sent(a))) {
  console.log(`${String(sent(path)).padStart(8)}  ${first.has(path) ? 'first' : '     '}  ${relative(folder, path)}`);
}
const sum = (paths) => [...paths].reduce((bytes, path) => bytes + sent(path), 0);
const [provisioning = 0, inspectors = 0] = modules.map(sent);
const report = [
  ['the list of devices, with all that it loads first', sum(first), FIRST_VIEW],
  ['a visit that provisions a board', sum(visit), PROVISIONING_VISIT],
  ['the module that provisions', provisioning, PROVISIONING_MODULE],
  ['the module of the inspector', inspectors, INSPECTORS_MODULE],
];
let failed = false;
for (const [what, bytes, most] of report) {
  console.log(`${String(bytes).padStart(8)}  ${what}, at most ${most}`);
  failed ||= bytes > most;
}
exit(failed ? 1 : 0);
