// @vitest-environment node
// The workflow over a port whose cable can be pulled at any moment, and over chips that it must refuse.
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AllNvs, loadAll } from '../nvs/index.ts';
import { moduleBytes } from '../nvs/reference.ts';
import type { Call } from '../nvs/types.ts';
import { type Facts, type Journal, Journals, browserKeys } from './journal.ts';
import type { BoardProblem } from './problem.ts';
import { type DeviceServer, type FlashEnd, Provisioning, type State } from './provision.ts';
import { type Asked, SimulatedPort, type Unlike, serialPort } from './simulated.ts';

vi.mock('esptool-js', () => import('./simulated.ts'));
const { UnexpectedChipIdError, UnexpectedChipMagicError } =
  await vi.importActual<typeof import('esptool-js')>('esptool-js');

const NVS = { offset: 0x9000, size: 0x6000 };
const MAC = '24:0a:c4:00:00:01';
const DEVICE = { id: 7, key: 'vibxdl4f', name: 'Kitchen' };

let nvs: AllNvs;
/** A partition whose change is in sectors that are no neighbours, and what the device gets. */
let used: Uint8Array;
let image: Uint8Array;
let locked: Set<string>;

const set = (namespace: string, key: string, value: string): Call => ({
  action: 'set',
  namespace,
  key,
  encoding: 'string',
  value,
});

/** A partition with as many values as fill so many pages. */
function usedPartition(size: number, pages: number): Uint8Array {
  const old = set('prov', 'base_url', 'https://old.example');
  const filled = Array.from({ length: pages }, (_, number) => set('app', `large${number}`, 'x'.repeat(3500)));
  return nvs.patch(new Uint8Array(size).fill(0xff), [old, ...filled]).image;
}

beforeAll(async () => {
  nvs = await loadAll(moduleBytes());
  used = usedPartition(NVS.size, 3);
  const values = ['device_key', 'client_id', 'client_secret', 'token_url', 'base_url'];
  const calls = values.map((key) => set('prov', key, key === 'device_key' ? DEVICE.key : `https://new.example/${key}`));
  image = nvs.patch(new Uint8Array(0x3000).fill(0xff), calls).image;
});

beforeEach(() => {
  locked = new Set();
  const request = async (name: string, _options: object, what: (lock: object | null) => Promise<void>) => {
    if (locked.has(name)) return what(null);
    locked.add(name);
    return what({}).finally(() => locked.delete(name));
  };
  vi.stubGlobal('navigator', { locks: { request } });
});

/** The journals without a browser that stores them. */
class KeptJournals extends Journals {
  kept: Journal[] = [];

  constructor() {
    super(browserKeys);
  }

  override async begin(facts: Facts, before: Uint8Array, after: Uint8Array): Promise<void> {
    this.kept = [{ facts, before: before.slice(), after: after.slice() }];
  }

  override async find(): Promise<Journal[]> {
    return this.kept.map(({ facts, before, after }) => ({ facts, before: before.slice(), after: after.slice() }));
  }

  override async partitions(): Promise<string[]> {
    return this.kept.map(({ facts }) => facts.partition);
  }

  override async end(): Promise<void> {
    this.kept = [];
  }
}

/** A person at a board. They agree to everything, unless the test does something else in a state. */
class Session {
  readonly port: SimulatedPort;
  readonly journals = new KeptJournals();
  readonly states: State[] = [];
  readonly began: number[] = [];
  readonly ended: FlashEnd[] = [];
  /** The device that the server has on this board. */
  carried: typeof DEVICE | undefined;
  /** Whether the device is created for the board. */
  isNew = false;
  created = 0;
  flow: Provisioning | undefined;
  /** What the test does once a state is shown. */
  in: (state: State) => void = () => {};

  constructor(unlike: Unlike = {}, partition = used) {
    this.port = new SimulatedPort(unlike);
    this.port.flash.set(tableOf({ offset: NVS.offset, size: partition.length }), 0x8000);
    this.port.flash.set(partition, NVS.offset);
  }

  async run(): Promise<State> {
    const server: DeviceServer = {
      image: async () => image.slice(),
      carried: async () => this.carried,
      boardOf: async () => undefined,
      findings: async () => [],
      begin: async () => ({ flash: this.began.push(1) }),
      end: async (_device, _flash, end) => void this.ended.push(end),
    };
    const device = async (): Promise<typeof DEVICE> => {
      this.created += 1;
      return DEVICE;
    };
    const report = (state: State): void => {
      this.states.push(state);
      this.in(state);
      if (this.port.isPulled) return;
      if (state.step === 'occupied') queueMicrotask(() => flow.answer({ kind: 'go-on' }));
      if (state.step === 'planned') queueMicrotask(() => flow.answer({ kind: 'write', replaceBoard: true }));
    };
    const source = { kind: 'device' as const, server, device, isNew: this.isNew };
    const flow = new Provisioning({ nvs, journals: this.journals, report }, source);
    this.flow = flow;
    await flow.run(serialPort(this.port));
    return flow.state;
  }

  get steps(): string[] {
    return this.states.map(({ step }) => step).filter((step, at, all) => step !== all[at - 1]);
  }

  partition(): Uint8Array {
    return this.port.flash.slice(NVS.offset, NVS.offset + NVS.size);
  }
}

/** A partition table of one row, and of rows that are erased. */
function tableOf({ offset, size }: typeof NVS, flags = 0): Uint8Array {
  const table = new Uint8Array(0xc00).fill(0xff);
  const row = new DataView(table.buffer, 0, 32);
  table.fill(0, 0, 32);
  row.setUint16(0, 0x50aa, true);
  table.set([1, 2], 2);
  row.setUint32(4, offset, true);
  row.setUint32(8, size, true);
  table.set(new TextEncoder().encode('nvs'), 12);
  row.setUint32(28, flags, true);
  return table;
}

const planned = (partition: Uint8Array): Uint8Array => {
  const target = { nvs: { name: 'nvs', type: 'data, nvs', ...NVS, encrypted: false, readonly: false }, keys: [] };
  return nvs.plan({ target, partition, keys: { onChip: [] }, wanted: { image } }).after;
};

const SHOWN = ['connecting', 'reading', 'planned', 'saving', 'writing', 'verifying', 'writing', 'verifying', 'writing'];

it('goes from the port to the reset', async () => {
  const session = new Session();
  expect(await session.run()).toMatchObject({ step: 'done', outcome: 'written', notes: [] });
  expect(session.steps).toEqual([...SHOWN, 'resetting', 'done']);
  expect(session.partition()).toEqual(planned(used));
  expect(session.ended).toMatchObject([{ outcome: 'written', reason: null }]);
  expect(session.journals.kept).toEqual([]);
  expect([session.port.resets, session.port.isOpen, locked.size]).toEqual([1, false, 0]);
  expect(await session.flow!.backup()).toBeUndefined();
});

describe('a chip that cannot be worked with', () => {
  const refused: { what: string; unlike: () => Unlike; kind: BoardProblem }[] = [
    { what: 'another program has the port', unlike: () => ({ open: error('NetworkError') }), kind: 'port-busy' },
    { what: 'the port may not be opened', unlike: () => ({ open: error('SecurityError') }), kind: 'port-blocked' },
    {
      what: 'an id that is not known',
      unlike: () => ({ connect: new UnexpectedChipIdError(99) }),
      kind: 'unknown-chip',
    },
    {
      what: 'a magic value that is not known',
      unlike: () => ({ connect: new UnexpectedChipMagicError(0x1234) }),
      kind: 'unknown-chip',
    },
    { what: 'a chip without NVS', unlike: () => ({ chip: 'ESP8266' }), kind: 'unknown-chip' },
    { what: 'nobody answers', unlike: () => ({ connect: new Error('Failed to connect') }), kind: 'no-answer' },
    {
      what: 'an application answers',
      unlike: () => ({ connect: new Error('Failed to connect'), prints: 'I (312) main: started' }),
      kind: 'application-runs',
    },
    { what: 'secure download mode', unlike: () => ({ secureDownload: true }), kind: 'secure-download' },
    { what: 'there is no stub for it', unlike: () => ({ stub: 'none' }), kind: 'no-stub' },
    { what: 'the stub does not start', unlike: () => ({ stub: 'fails' }), kind: 'no-stub' },
    { what: 'its flash does not answer', unlike: () => ({ noFlash: true }), kind: 'no-flash' },
  ];

  it.each(refused)('$what', async ({ unlike, kind }) => {
    const session = new Session(unlike());
    const failure = { kind, begun: 0 };
    expect(await session.run()).toMatchObject({ step: 'failed', board: undefined, failure });
    expect(session.steps).toEqual(['connecting', 'failed']);
    expect(session.port.asked).not.toContain('writeFlash');
    expect([session.began, session.ended, session.created, session.port.isOpen]).toEqual([[], [], 0, false]);
  });

  it('another tab has this board', async () => {
    const session = new Session();
    locked.add(`fleetmint-board ${MAC}`);
    const failure = { kind: 'other-tab', begun: 0 };
    expect(await session.run()).toMatchObject({ step: 'failed', board: { mac: MAC }, failure });
    expect(session.port.asked).not.toContain('readFlash');
    expect(session.port.isOpen).toBe(false);
  });
});

function error(name: string): DOMException {
  return new DOMException('Failed to open serial port.', name);
}

describe('the cable is pulled', () => {
  /** What a person is shown, what the server gets, and whether the journal stays. */
  interface Pulled {
    when: State['step'];
    isNew?: boolean;
    /** Of the partition, in its table. */
    flags?: number;
    begun?: number;
    ended?: Partial<FlashEnd>[];
  }
  const cut = { outcome: 'failed', sectors: 2, bytes: 8192 } as const;
  const pulled: Pulled[] = [
    { when: 'reading' },
    { when: 'occupied', isNew: true },
    { when: 'refused', flags: 2 },
    { when: 'planned' },
    { when: 'saving', ended: [{ outcome: 'failed', sectors: 0, bytes: 0 }] },
    { when: 'writing', begun: 2, ended: [cut] },
    { when: 'verifying', begun: 2, ended: [cut] },
  ];

  it.each(pulled)('while it is $when', async ({ when, isNew = false, flags, begun = 0, ended = [] }) => {
    const session = new Session();
    session.isNew = isNew;
    if (isNew) session.carried = DEVICE;
    if (flags !== undefined) session.port.flash.set(tableOf(NVS, flags), 0x8000);
    session.in = ({ step }) => {
      if (step === when && !session.port.isPulled) session.port.pull();
    };
    const wipe = vi.spyOn(nvs, 'wipe');
    const state = await session.run();
    expect(state).toMatchObject({ step: 'failed', failure: { kind: 'unplugged', begun } });
    await vi.waitFor(() => expect(session.ended).toMatchObject(ended));
    // Nothing is shown after it, nothing is open, and nothing is held.
    expect(session.steps.slice(-2)).toEqual([when, 'failed']);
    expect([session.port.resets, session.port.isOpen, locked.size]).toEqual([0, false, 0]);
    expect(session.created).toBe(isNew || flags !== undefined || when === 'reading' ? 0 : 1);
    expect(session.journals.kept.length).toBe(begun > 0 ? 1 : 0);
    // What was read of the partition is overwritten.
    const wiped = wipe.mock.calls.flat().filter((bytes) => bytes?.length === NVS.size);
    expect(wiped.length > 0).toBe(!['reading', 'refused'].includes(when));
    if (begun === 0) {
      expect(session.partition()).toEqual(used);
      expect(await session.flow!.backup()).toBeUndefined();
      return;
    }
    // The backup has what the partition held, and the next session completes the write.
    expect(await session.flow!.backup()).toEqual(used);
    session.in = () => {};
    session.port.replug();
    expect(await session.run()).toMatchObject({ step: 'done', notes: [] });
    expect(session.partition()).toEqual(planned(used));
    expect(session.journals.kept).toEqual([]);
  });

  it.each<Asked>(['connect', 'identify', 'flashMd5sum', 'readFlash', 'writeFlash'])(
    'while the chip is asked for %s, and nobody waits for its answer',
    async (asked) => {
      const session = new Session();
      session.port.before = (now) => {
        if (now === asked) session.port.pull();
      };
      expect(await session.run()).toMatchObject({ step: 'failed', failure: { kind: 'unplugged' } });
      expect([session.port.isOpen, locked.size]).toEqual([false, 0]);
      session.port.replug();
      expect(await session.run()).toMatchObject({ step: 'done' });
      expect(session.partition()).toEqual(planned(used));
    },
  );

  it('while the board is reset: its own USB goes away with the chip', async () => {
    const session = new Session();
    session.in = ({ step }) => {
      if (step === 'resetting') session.port.pull();
    };
    expect(await session.run()).toMatchObject({ step: 'done', outcome: 'written', notes: [] });
    expect(session.partition()).toEqual(planned(used));
    expect(session.journals.kept).toEqual([]);
  });

  it('once all is done', async () => {
    const session = new Session();
    const state = await session.run();
    session.port.pull();
    expect(session.flow!.state).toBe(state);
    expect(session.states.at(-1)).toBe(state);
  });
});

it('never goes back in what it says of its progress', async () => {
  // A partition that is read in several parts.
  const session = new Session({}, usedPartition(0x20000, 24));
  await session.run();
  const bars = { reading: [] as number[], writing: [] as number[] };
  for (const state of session.states) {
    if (state.step === 'reading') bars.reading.push(state.done / state.total);
    // One bar for both.
    if (state.step === 'writing' || state.step === 'verifying') bars.writing.push(state.done / state.total);
  }
  for (const [name, shares] of Object.entries(bars)) {
    expect(new Set(shares).size, name).toBeGreaterThan(2);
    expect(shares, name).toEqual(shares.toSorted((one, other) => one - other));
    expect([shares[0], shares.at(-1)], name).toEqual([0, 1]);
  }
});
