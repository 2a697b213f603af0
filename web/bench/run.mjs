// node run.mjs PROGRAM [PART…]: the measurements of the page as JSON lines. `./bench page` runs it.
import { runnerImport } from 'vite';

const [program, ...parts] = process.argv.slice(2);
if (program === undefined) {
  console.error('run.mjs PROGRAM [PART…]');
  process.exit(2);
}
process.env.FLEETMINT_PROGRAM = program;
const { module } = await runnerImport(new URL('page.ts', import.meta.url).pathname, { configFile: false });
await module.run(parts);
