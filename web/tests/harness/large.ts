// A server with a large fleet: the rows of tools/bench/fleet.py.
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { Server } from './server.ts';

/** A server with so many rows: enrolling them would take most of the time. */
export async function startLargeFleet(devices: number): Promise<Server> {
  const empty = await Server.start();
  await empty.end();
  const tools = resolve(import.meta.dirname, '../../../tools/bench');
  const fill = 'import sys; sys.path.insert(0, sys.argv[1]); import fleet; fleet.fill(sys.argv[2], int(sys.argv[3]))';
  const database = join(empty.folder, 'fleetmint-data/fleetmint.db');
  const python = process.env['FLEETMINT_TEST_PYTHON'] ?? 'python3';
  execFileSync(python, ['-c', fill, tools, database, String(devices)], { stdio: 'inherit' });
  return Server.again(empty.folder);
}
