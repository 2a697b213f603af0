// The module against the program: what both say of the images of Espressif's library.
import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadAll, type AllNvs } from '../src/nvs/index.ts';
import { bytes, goldens, keysOf, moduleBytes, patches, path } from '../src/nvs/reference.ts';
import { PROGRAM } from './harness/parts.ts';

let nvs: AllNvs;

beforeAll(async () => {
  nvs = await loadAll(moduleBytes());
});

function program(...args: string[]): { status: number | null; stdout: string } {
  const { status, stdout } = spawnSync(PROGRAM, ['nvs', ...args], { encoding: 'utf8', maxBuffer: 64 << 20 });
  return { status, stdout };
}

describe.each(goldens())('$name', (one) => {
  const keys = keysOf('golden', one);

  it('is checked as `fleetmint nvs check` checks it', () => {
    const file = one.encrypted && one.keyfile ? ['--keys', path('golden', one.keyfile)] : [];
    const { status, stdout } = program('check', path('golden', one.image), ...file, '--force', '--format', 'json');
    expect([0, 1]).toContain(status);
    const { partition_offset: offset, ...report } = JSON.parse(stdout) as Record<string, unknown>;
    expect(offset).toBe(0);
    expect(nvs.check(bytes('golden', one.image), keys)).toMatchObject(report);
  });
});

describe.each(patches().filter((one) => one.error === null && one.name !== 'quirk_one_page_blank' && !one.encrypted))(
  '$name',
  (one) => {
    it('differs as `fleetmint nvs diff` says', () => {
      const [before, after] = [`${one.name}.before.bin`, `${one.name}.after.bin`];
      const { status, stdout } = program(
        'diff',
        path('patch', before),
        path('patch', after),
        '--force',
        '--format',
        'json',
      );
      expect([0, 1]).toContain(status);
      // Each report has fingerprints of its own.
      const plain = (report: unknown): unknown =>
        JSON.parse(JSON.stringify(report, (name, value: unknown) => (name === 'fingerprint' ? undefined : value)));
      const differences = nvs.diff(bytes('patch', before), undefined, bytes('patch', after), undefined);
      expect(plain(differences)).toEqual(plain(JSON.parse(stdout)));
    });
  },
);
