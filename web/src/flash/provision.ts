/**
 * A device's identity, or a list of changes, onto the board on the cable: `fleetmint flash` in a browser.
 *
 * ```text
 *   source ──► what is wanted ─────────────┐
 *   board  ──► what the chip holds ────────┼──► plan ──► planned ──► a person agrees ──► write ──► journal, chip
 *   journal ─► a write that was cut off ───┘                                   └──► server: started, then its outcome
 * ```
 *
 * No DOM: one callback gets one state at a time, and where a state waits for a person, `answer` goes on.
 */
import type { Changes, Nvs } from '../nvs/index.ts';
import { Chip, type Entry, type Identity } from './chip.ts';
import { type Content, Reader } from './content.ts';
import { failureOf, reasonOf, refusalOf } from './failure.ts';
import { type Interrupted, assess, changedSectors } from './interrupted.ts';
import type { Journal, Journals } from './journal.ts';
import { BoardError } from './problem.ts';
import { settleable } from './settled.ts';
import type { Answer, DeviceName, Neighbours, Note, Options, Planned, State, ValueFinding } from './state.ts';

export type * from './state.ts';

/** What is wanted, and where it comes from. */
export type Source =
  | { kind: 'changes'; name: string; changes: Changes }
  | {
      kind: 'device';
      server: DeviceServer;
      /** The device, which is only now created if it is a new one. */
      device(): Promise<DeviceName>;
      isNew: boolean;
    };

/** What the server is asked and told about a flash. */
export interface DeviceServer {
  /** The device's image, for a partition of this size. */
  image(device: DeviceName, size: number): Promise<Uint8Array>;
  /** The device that the server has on this board. */
  carried(mac: string): Promise<DeviceName | undefined>;
  /** The board that the server has this device on. */
  boardOf(device: DeviceName): Promise<string | undefined>;
  /** What looks wrong about the values of this device. */
  findings(device: DeviceName): Promise<ValueFinding[]>;
  begin(device: DeviceName, start: FlashStart): Promise<Begun>;
  end(device: DeviceName, flash: number, end: FlashEnd): Promise<void>;
}

export interface FlashStart {
  mac: string;
  chip: string;
  partition: { name: string; offset: number; size: number };
  replaceBoard: boolean;
}

export interface FlashEnd {
  outcome: 'written' | 'unchanged' | 'failed';
  sectors: number;
  bytes: number;
  reason: string | null;
}

/** A flash that the server knows of; or the device is on another board, or the board has another device. */
export type Begun = { flash: number } | 'another-board';

export interface Parts {
  nvs: Nvs;
  journals: Journals;
  report: (state: State) => void;
}

const SECTOR = 4096;
/** How often a flash's outcome is reported, if the server does not answer, and how long is waited in between. */
const REPORTS = 3;
const REPORT_WAIT_MS = 700;

class Cancelled extends Error {}

/** One call for one board: made for a click, and thrown away after it. */
export class Provisioning {
  readonly #parts: Parts;
  readonly #source: Source;
  #state: State = { step: 'idle' };
  #waiting: ((answer: Answer) => void) | undefined;
  readonly #abort = new AbortController();
  #options: Options = {};
  /** The partition as it was read, as long as it is needed. */
  #held: Uint8Array | undefined;
  /** The name of that partition: a board may have journals of others. */
  #partition: string | undefined;
  /** Sectors that may be erased, and are not verified. */
  #begun = 0;
  /** All is written and compared, or nothing was to be. */
  #isVerified = false;
  /** Whether a new device may be created for a board that carries one. */
  #isAgreed = false;

  constructor(parts: Parts, source: Source) {
    this.#parts = parts;
    this.#source = source;
  }

  get state(): State {
    return this.#state;
  }

  /** Goes on where a state waits for a person. */
  answer(answer: Answer): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(answer);
  }

  /** Ends without a write. Once a person has agreed to one, it is too late: half a write is worse than a whole one. */
  cancel(): void {
    if (this.#waiting) this.answer({ kind: 'cancel' });
    else if (this.#state.step === 'connecting' || this.#state.step === 'reading') this.#abort.abort();
  }

  /**
   * What the partition held before this write, for a person who wants it as a file. It holds secrets. `undefined` before it was
   * read, and after the board is done with. After a failure: what it held before the write that was cut off, this one or an
   * earlier one.
   */
  async backup(): Promise<Uint8Array | undefined> {
    const state = this.#state;
    if (state.step !== 'failed') return this.#held?.slice();
    if (!state.board) return undefined;
    const journals = await this.#parts.journals.find(state.board.mac);
    return (journals.find(({ facts }) => facts.partition === this.#partition) ?? journals[0])?.before;
  }

  /** Whether a write to this board was cut off and its backup is in this browser. */
  async hasBackup(): Promise<boolean> {
    const state = this.#state;
    if (state.step !== 'failed' || !state.board) return false;
    return this.#parts.journals.isLeft(state.board.mac).catch(() => false);
  }

  /** Returns when all is done, failed or cancelled; it does not throw. */
  async run(port: SerialPort, entry: Entry = 'reset-lines', options: Options = {}): Promise<void> {
    this.#options = options;
    this.#show({ step: 'connecting' });
    let chip: Chip;
    try {
      chip = await Chip.connect(port, { entry, md5: this.#parts.nvs.md5, signal: this.#abort.signal });
    } catch (error) {
      this.#end(error, undefined);
      return;
    }
    try {
      await exclusively(chip.identity.mac, () => this.#board(chip));
    } catch (error) {
      this.#end(error, chip.identity);
    } finally {
      await chip.close();
    }
  }

  async #board(chip: Chip): Promise<void> {
    const board = chip.identity;
    const reader = new Reader(chip, this.#parts.nvs);
    // After a cable is pulled it ends soon, too, and until then it needs what was read.
    const decided = this.#decide(chip, reader).finally(() => {
      this.#held = undefined;
      reader.forget();
    });
    decided.catch(() => {});
    try {
      await Promise.race([decided, chip.lost, aborted(this.#abort.signal)]);
    } catch (error) {
      const cancelled = isCancelled(error);
      const unplugged = isUnplugged(error);
      // All is written: what is left to do does without the board.
      if (unplugged && this.#isVerified) return await decided;
      const notes = unplugged || this.#begun > 0 || error instanceof Finished ? [] : await this.#reset(chip, undefined);
      if (!cancelled) throw error;
      this.#show({ step: 'cancelled', board, notes });
    }
  }

  /** Plans, asks, and does what the person answers. */
  async #decide(chip: Chip, reader: Reader): Promise<void> {
    const board = chip.identity;
    for (;;) {
      const looked = await this.#look(chip, reader);
      if (!looked) continue;
      const { content, journal, interrupted, device, image } = looked;
      const prepared = await this.#prepare(chip, looked);
      this.#parts.nvs.wipe(image);
      if (!prepared) continue;
      const { plan, after, changed } = prepared;
      const before = interrupted && !interrupted.outdated && journal ? journal.before : content.partition;
      try {
        let answer: Answer = { kind: 'write', replaceBoard: false };
        // Nothing to ask: it is only reported.
        if (changed.length > 0 || plan.neighbours.board || plan.neighbours.device) {
          answer = await this.#ask({ step: 'planned', board, plan });
        }
        const undone = undoable(journal, interrupted);
        if (answer.kind === 'undo' && undone) return await this.#undo(chip, undone, plan);
        if (answer.kind !== 'write') {
          await this.#take(answer, board);
          continue;
        }
        const write = { plan, before, after, changed, device, replaceBoard: answer.replaceBoard };
        if (await this.#write(chip, write, journal)) return;
      } finally {
        this.#parts.nvs.wipe(after, journal?.before, journal?.after);
      }
    }
  }

  /** What the board holds, and what it is to get; `undefined` if a person has to change something first, and has. */
  async #look(chip: Chip, reader: Reader): Promise<Looked | undefined> {
    const board = chip.identity;
    let journal: Journal | undefined;
    let interrupted: Interrupted | undefined;
    try {
      this.#show({ step: 'reading', board, done: 0, total: 1 });
      const content = await reader.content(this.#options, (done, total) =>
        this.#show({ step: 'reading', board, done, total }),
      );
      const { nvs } = content.target;
      this.#held = content.partition;
      this.#partition = nvs.name;
      const journals = await this.#parts.journals.find(board.mac);
      journal = journals.find(({ facts }) => facts.partition === nvs.name);
      const otherInterrupted = journals.map(({ facts }) => facts.partition).filter((name) => name !== nvs.name);
      const hasAll = (before: Uint8Array, after: Uint8Array) =>
        this.#parts.nvs.hasAll(content.partition, before, after, content.keys);
      interrupted = journal && assess(journal, nvs, content.partition, hasAll);
      await this.#expectFree(board, content);
      this.#expectGoingOn();
      const device = this.#source.kind === 'device' ? await this.#source.device() : undefined;
      const image =
        this.#source.kind === 'device' && device ? await this.#source.server.image(device, nvs.size) : undefined;
      return { content, journal, interrupted, otherInterrupted, device, image };
    } catch (error) {
      await this.#refused(chip, error, undoable(journal, interrupted));
      return undefined;
    }
  }

  /** Asks before a new device is created for a board that carries one already. */
  async #expectFree(board: Identity, content: Content): Promise<void> {
    if (this.#source.kind !== 'device' || !this.#source.isNew || this.#isAgreed) return;
    const onServer = await this.#source.server.carried(board.mac);
    const onChip = this.#listing(content.partition, content)?.device?.device_key;
    if (onServer || onChip) {
      const answer = await this.#ask({ step: 'occupied', board, onChip, onServer });
      if (answer.kind !== 'go-on') throw new Cancelled();
    }
    this.#isAgreed = true;
  }

  /** The plan for the partition as it is, or as it would be if the write that was cut off were complete. */
  async #prepare(chip: Chip, looked: Looked): Promise<Prepared | undefined> {
    const board = chip.identity;
    const { content, journal, interrupted, otherInterrupted, device, image } = looked;
    const { target, keys, rows } = content;
    const partition = interrupted && !interrupted.outdated && journal ? journal.after : content.partition;
    const wanted = this.#source.kind === 'changes' ? { changes: this.#source.changes } : { image: image! };
    let made;
    try {
      made = this.#parts.nvs.plan({ target, partition, keys, wanted, overwrite: this.#options.overwrite });
    } catch (error) {
      await this.#refused(chip, error, undoable(journal, interrupted));
      return undefined;
    }
    const { after, differences, others, encrypted, warnings, overwritten } = made;
    const changed = changedSectors(content.partition, after);
    const { name, offset, size } = target.nvs;
    const [neighbours, findings] = await Promise.all([this.#neighbours(board, device), this.#findings(device)]);
    const plan: Planned = {
      rows,
      partition: { name, offset, size },
      encrypted,
      what: device ? `device ${device.key}` : this.#source.kind === 'changes' ? this.#source.name : '',
      differences,
      others,
      warnings,
      findings,
      overwritten,
      changed: changed.length,
      sectors: size / SECTOR,
      usage: {
        before: this.#listing(content.partition, content)?.usage ?? null,
        after: this.#listing(after, content)?.usage ?? null,
      },
      interrupted,
      neighbours,
      otherInterrupted,
    };
    return { plan, after, changed };
  }

  async #neighbours(board: Identity, device: DeviceName | undefined): Promise<Neighbours> {
    if (this.#source.kind !== 'device' || !device) return {};
    const { server } = this.#source;
    const [there, other] = await Promise.all([server.boardOf(device), server.carried(board.mac)]);
    const neighbours: Neighbours = {};
    if (there && there !== board.mac) neighbours.board = there;
    if (other && other.id !== device.id) neighbours.device = other;
    return neighbours;
  }

  async #findings(device: DeviceName | undefined): Promise<ValueFinding[]> {
    return this.#source.kind === 'device' && device ? await this.#source.server.findings(device) : [];
  }

  #listing(partition: Uint8Array, { keys }: Content) {
    try {
      return this.#parts.nvs.entries(partition, keys);
    } catch {
      // The plan says what is wrong with it.
      return undefined;
    }
  }

  /** Shows a refusal, and waits for what the person does about it. */
  async #refused(chip: Chip, error: unknown, journal: Journal | undefined): Promise<void> {
    const board = chip.identity;
    const refusal = refusalOf(error, journal);
    if (!refusal) throw error;
    const answer = await this.#ask({ step: 'refused', board, refusal });
    if (answer.kind === 'undo' && journal) {
      await this.#undo(chip, journal, undefined);
      throw new Finished();
    }
    await this.#take(answer, board);
  }

  async #take(answer: Answer, board: Identity): Promise<void> {
    switch (answer.kind) {
      case 'options':
        this.#options = { ...this.#options, ...answer.options };
        return;
      case 'give-up-backup':
        await this.#parts.journals.end(board.mac, answer.partition);
        return;
      default:
        throw new Cancelled();
    }
  }

  /** Whether it is done; if not, the server says that something stands against it. */
  async #write(chip: Chip, write: Write, interrupted: Journal | undefined): Promise<boolean> {
    const { plan, before, after, changed, device } = write;
    const board = chip.identity;
    const { mac } = board;
    const { name, offset, size } = plan.partition;
    this.#expectGoingOn();
    this.#show({ step: 'saving', board, plan });
    const flash = await this.#begin(board, write);
    if (flash === 'another-board') return false;
    if (changed.length === 0) {
      this.#isVerified = true;
      const notes = await this.#report(device, flash, { outcome: 'unchanged', sectors: 0, bytes: 0, reason: null });
      if (interrupted) await this.#parts.journals.end(mac, name);
      notes.push(...(await this.#reset(chip, plan)));
      this.#show({ step: 'done', board, outcome: 'unchanged', plan, notes, sectors: 0 });
      return true;
    }
    try {
      // Without a board nothing is about to be lost.
      await Promise.race([chip.lost, Promise.resolve()]);
      const facts = { mac, partition: name, offset, size, started: now(), what: plan.what };
      await this.#parts.journals.begin(facts, before, after);
      await this.#sectors(chip, { offset, content: after, changed, plan });
      // A report may take long: a cable that is pulled meanwhile cuts nothing off.
      this.#verified();
    } catch (error) {
      const reason = reasonOf(error);
      const begun = this.#begun;
      await this.#report(device, flash, { outcome: 'failed', sectors: begun, bytes: begun * SECTOR, reason });
      throw error;
    }
    const outcome: FlashEnd = {
      outcome: 'written',
      sectors: changed.length,
      bytes: changed.length * SECTOR,
      reason: null,
    };
    const notes = await this.#report(device, flash, outcome);
    await this.#endJournal(mac, name, notes);
    notes.push(...(await this.#reset(chip, plan)));
    this.#show({ step: 'done', board, outcome: 'written', plan, notes, sectors: changed.length });
    return true;
  }

  /** All is verified: nothing that happens from here on is a write that was cut off. */
  #verified(): void {
    this.#begun = 0;
    this.#isVerified = true;
  }

  async #endJournal(mac: string, partition: string, notes: Note[]): Promise<void> {
    await this.#parts.journals.end(mac, partition).catch(() => notes.push('backup-left'));
  }

  /** Writes back what the partition held before a write that was cut off. */
  async #undo(chip: Chip, journal: Journal, plan: Planned | undefined): Promise<void> {
    const board = chip.identity;
    const { facts, before } = journal;
    const { offset } = facts;
    this.#show({ step: 'saving', board, plan });
    const held = await chip.read(offset, before.length);
    const changed = changedSectors(held, before);
    this.#parts.nvs.wipe(held);
    await this.#sectors(chip, { offset, content: before, changed, plan });
    this.#verified();
    const notes: Note[] = [];
    await this.#endJournal(board.mac, facts.partition, notes);
    notes.push(...(await this.#reset(chip, plan)));
    this.#show({ step: 'done', board, outcome: 'restored', plan, notes, sectors: changed.length });
  }

  async #sectors(chip: Chip, { offset, content, changed, plan }: Sectors): Promise<void> {
    const board = chip.identity;
    const total = changed.length;
    if (total === 0) return;
    this.#begun = total;
    await chip.writeSectors(offset, content, changed, (step, done) =>
      this.#show({ step: step === 'write' ? 'writing' : 'verifying', board, plan, done, total }),
    );
  }

  /** Tells the server that the flash begins: `undefined` without a server. */
  async #begin(board: Identity, { plan, device, replaceBoard }: Write): Promise<number | undefined | 'another-board'> {
    if (this.#source.kind !== 'device' || !device) return undefined;
    const { mac, chip } = board;
    const begun = await this.#source.server.begin(device, { mac, chip, partition: plan.partition, replaceBoard });
    return begun === 'another-board' ? begun : begun.flash;
  }

  /** The board is as it is, whatever the server answers. */
  async #report(device: DeviceName | undefined, flash: number | undefined, end: FlashEnd): Promise<Note[]> {
    if (this.#source.kind !== 'device' || !device || flash === undefined) return [];
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#source.server.end(device, flash, end);
        return [];
      } catch {
        if (attempt === REPORTS) return ['outcome-unreported'];
        await new Promise((resolve) => setTimeout(resolve, REPORT_WAIT_MS * attempt));
      }
    }
  }

  /** Firmware that started on a write that is not complete would find half of a partition. */
  async #reset(chip: Chip, plan: Planned | undefined): Promise<Note[]> {
    const board = chip.identity;
    this.#show({ step: 'resetting', board, plan });
    try {
      if (await this.#parts.journals.isLeft(board.mac)) return ['not-reset-interrupted'];
      await chip.reset();
      return [];
    } catch (error) {
      // The port of a chip's own USB goes away with the reset.
      return isUnplugged(error) ? [] : ['not-reset'];
    }
  }

  async #ask(state: State): Promise<Answer> {
    this.#abort.signal.throwIfAborted();
    const { promise, resolve } = settleable<Answer>();
    this.#waiting = resolve;
    this.#show(state);
    const answer = await promise;
    if (answer.kind === 'cancel') throw new Cancelled();
    return answer;
  }

  /** Nothing is created or reported at the server for a call that is over: the person left, or the cable was pulled. */
  #expectGoingOn(): void {
    const isOver = this.#state.step === 'failed' || this.#state.step === 'cancelled';
    if (isOver || this.#abort.signal.aborted) throw new Cancelled();
  }

  #show(state: State): void {
    // What was under way when the cable was pulled, or the person left, ends later.
    if (this.#state.step === 'failed' || this.#state.step === 'cancelled') return;
    if (this.#abort.signal.aborted && state.step !== 'resetting' && state.step !== 'cancelled') return;
    this.#state = state;
    this.#parts.report(state);
  }

  #end(error: unknown, board: Identity | undefined): void {
    // Nobody answers any more: what waits for it ends, and overwrites what it has read.
    this.answer({ kind: 'cancel' });
    if (error instanceof Finished) return;
    if (isCancelled(error) && this.#begun === 0) this.#show({ step: 'cancelled', board, notes: [] });
    else this.#show({ step: 'failed', board, failure: failureOf(error, this.#begun) });
  }
}

/** All is done, and shown. */
class Finished extends Error {}

interface Looked {
  content: Content;
  journal: Journal | undefined;
  interrupted: Interrupted | undefined;
  otherInterrupted: string[];
  device: DeviceName | undefined;
  image: Uint8Array | undefined;
}

interface Prepared {
  plan: Planned;
  after: Uint8Array;
  changed: number[];
}

interface Write {
  plan: Planned;
  before: Uint8Array;
  after: Uint8Array;
  changed: number[];
  device: DeviceName | undefined;
  replaceBoard: boolean;
}

interface Sectors {
  offset: number;
  content: Uint8Array;
  changed: number[];
  plan: Planned | undefined;
}

/** The write that can be undone: none if what the board holds is newer. */
function undoable(journal: Journal | undefined, interrupted: Interrupted | undefined): Journal | undefined {
  return interrupted?.outdated ? undefined : journal;
}

/** Two tabs must not write one board. */
async function exclusively(mac: string, what: () => Promise<void>): Promise<void> {
  await navigator.locks.request(`fleetmint-board ${mac}`, { ifAvailable: true }, async (lock) => {
    if (!lock) throw new BoardError('other-tab', 'connect', mac);
    await what();
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Cancelled()), { once: true });
  });
}

function isUnplugged(error: unknown): boolean {
  return error instanceof BoardError && error.kind === 'unplugged';
}

function isCancelled(error: unknown): boolean {
  return (
    error instanceof Cancelled ||
    (error instanceof DOMException && error.name === 'AbortError') ||
    (error instanceof BoardError && error.kind === 'cancelled')
  );
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
