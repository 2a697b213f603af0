/**
 * What a write is about to change, in this browser until all of it is verified.
 *
 * To write a sector the chip erases it, so a cable that is pulled in between loses what it held, the values of other software
 * included. So a journal is durable before the first sector is erased, and the next write to this partition begins with it. It has
 * the whole partition and not only the sectors that change, because a board that loses its cable mostly starts its firmware next,
 * which repairs what it finds and writes somewhere else.
 *
 * ```text
 *   IndexedDB "fleetmint-flash", store "journals", key [mac, partition]
 *   { format, mac, partition, offset, size, started, what, sealedBy, nonce, sealed }
 *                     └──────────────── associated data ──────────┘          └── AES-256-GCM of the partition before, then after
 * ```
 *
 * A partition holds secrets, and IndexedDB is a file on the disk. The key is the server's (`GET /api/session/backup-key`), so that
 * only someone who can sign in opens a journal. Where there is no server (the inspector alone), a key that cannot be exported stays
 * in this browser's profile: whoever can use the profile can use it.
 */
import { BoardError } from './problem.ts';

const NAME = 'fleetmint-flash';
const VERSION = 1;
const JOURNALS = 'journals';
const KEYS = 'keys';
const FORMAT = 1;
const NONCE_SIZE = 12;

export type SealedBy = 'server' | 'browser';

/** Gives the key that seals journals, or that sealed one. */
export interface BackupKeys {
  /** Which key new journals get. */
  readonly kind: SealedBy;
  key(kind: SealedBy): Promise<CryptoKey>;
}

/** What a journal is about. */
export interface Facts {
  mac: string;
  /** The name of the partition. */
  partition: string;
  /** Its offset in the flash. */
  offset: number;
  size: number;
  /** When the write began, as RFC 3339. */
  started: string;
  /** What was written, such as `device vibxdl4f`. */
  what: string;
}

interface Row extends Facts {
  format: number;
  sealedBy: SealedBy;
  nonce: Uint8Array<ArrayBuffer>;
  sealed: ArrayBuffer;
}

/** A write that is not verified yet. */
export interface Journal {
  facts: Facts;
  /** The partition before the write, and as it is to be after it. */
  before: Uint8Array;
  after: Uint8Array;
}

/** A journal is there, and cannot be opened: another server sealed it, or it is damaged. */
export class BackupUnreadable extends BoardError {
  readonly facts: Facts;

  constructor(facts: Facts) {
    super('backup-unreadable', 'backup', `${facts.partition}, ${facts.started}`);
    this.facts = facts;
  }
}

export class Journals {
  readonly #keys: BackupKeys;

  constructor(keys: BackupKeys) {
    this.#keys = keys;
  }

  /** Stores a journal; one of an earlier write to the same partition is replaced. It is on the disk when this returns. */
  async begin(facts: Facts, before: Uint8Array, after: Uint8Array): Promise<void> {
    const plain = new Uint8Array(before.length + after.length);
    try {
      plain.set(before);
      plain.set(after, before.length);
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_SIZE));
      const key = await this.#keys.key(this.#keys.kind);
      const sealed = await crypto.subtle.encrypt(parameters(nonce, facts), key, plain);
      const row: Row = { ...facts, format: FORMAT, sealedBy: this.#keys.kind, nonce, sealed };
      await change(JOURNALS, (store) => store.put(row));
    } catch (error) {
      throw failed(error);
    } finally {
      plain.fill(0);
    }
  }

  /** The journals of the board with this MAC, by the names of the partitions. */
  async find(mac: string): Promise<Journal[]> {
    const rows = await this.#rows(mac);
    return Promise.all(rows.map((row) => this.#open(row)));
  }

  /** Whether this board has a journal, readable or not: a write to it is neither completed nor undone. */
  async isLeft(mac: string): Promise<boolean> {
    return (await this.partitions(mac)).length > 0;
  }

  /** The partitions of this board that have a journal. */
  async partitions(mac: string): Promise<string[]> {
    return (await this.#rows(mac)).map((row) => row.partition);
  }

  /** Deletes a journal: all of the write is verified, or undone, or given up. */
  async end(mac: string, partition: string): Promise<void> {
    await change(JOURNALS, (store) => store.delete([mac, partition])).catch((error: unknown) => {
      throw failed(error);
    });
  }

  async #rows(mac: string): Promise<Row[]> {
    try {
      const rows: Row[] = await read(JOURNALS, (store) => store.getAll(IDBKeyRange.bound([mac], [mac, []])));
      return rows;
    } catch (error) {
      throw failed(error);
    }
  }

  async #open(row: Row): Promise<Journal> {
    const { mac, partition, offset, size, started, what } = row;
    const facts = { mac, partition, offset, size, started, what };
    try {
      const key = await this.#keys.key(row.sealedBy);
      const plain = new Uint8Array(await crypto.subtle.decrypt(parameters(row.nonce, facts), key, row.sealed));
      if (row.format !== FORMAT || plain.length !== 2 * size) throw new Error('another format');
      return { facts, before: plain.subarray(0, size), after: plain.subarray(size) };
    } catch {
      throw new BackupUnreadable(facts);
    }
  }
}

/** The key of a browser without a server. */
export const browserKeys: BackupKeys = {
  kind: 'browser',
  async key(kind) {
    if (kind !== 'browser') throw new Error('sealed by a server');
    const stored: CryptoKey | undefined = await read(KEYS, (store) => store.get('browser'));
    if (stored) return stored;
    const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    // Another tab may have stored one in between: the first one stays.
    await change(KEYS, (store) => store.add(made, 'browser')).catch(() => {});
    const first: CryptoKey | undefined = await read(KEYS, (store) => store.get('browser'));
    return first ?? made;
  },
};

/** The server's key, from 32 bytes in base64. */
export function serverKeys(fetchKey: () => Promise<string>): BackupKeys {
  let imported: Promise<CryptoKey> | undefined;
  const load = async (): Promise<CryptoKey> => {
    const raw = Uint8Array.from(atob(await fetchKey()), (character) => character.charCodeAt(0));
    const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);
    raw.fill(0);
    return key;
  };
  return {
    kind: 'server',
    key(kind) {
      if (kind === 'browser') return browserKeys.key('browser');
      imported ??= load().catch((error: unknown) => {
        imported = undefined;
        throw error;
      });
      return imported;
    },
  };
}

/** Everything that a journal says in the clear is covered by the seal: another board's, or another place, does not open it. */
function parameters(nonce: Uint8Array<ArrayBuffer>, facts: Facts): AesGcmParams {
  const { mac, partition, offset, size, started, what } = facts;
  const text = JSON.stringify([FORMAT, mac, partition, offset, size, started, what]);
  return { name: 'AES-GCM', iv: nonce, additionalData: new TextEncoder().encode(text) };
}

function failed(error: unknown): BoardError {
  if (error instanceof BoardError) return error;
  return new BoardError('backup-failed', 'backup', error instanceof Error ? error.message : String(error));
}

async function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(NAME, VERSION);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(JOURNALS, { keyPath: ['mac', 'partition'] });
    request.result.createObjectStore(KEYS);
  };
  return settled(request);
}

async function read<T>(store: string, ask: (store: IDBObjectStore) => IDBRequest): Promise<T> {
  const database = await open();
  try {
    return (await settled(ask(database.transaction(store).objectStore(store)))) as T;
  } finally {
    database.close();
  }
}

/** A change that is on the disk when this returns, not only in the browser's memory. */
async function change(store: string, make: (store: IDBObjectStore) => IDBRequest): Promise<void> {
  const database = await open();
  try {
    const transaction = database.transaction(store, 'readwrite', { durability: 'strict' });
    const complete = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('the change was not stored'));
    });
    make(transaction.objectStore(store));
    await complete;
  } finally {
    database.close();
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the browser stores nothing'));
  });
}
