import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { inspector as inspectorInGerman } from './de-inspector.ts';
import { de as baseInGerman } from './de.ts';
import { inspector as inspectorInEnglish } from './en-inspector.ts';
import { en as baseInEnglish } from './en.ts';
import { language, languages, loadInspectorTexts, loadLanguage, preferredLanguage, t } from './index.ts';

type Leaf = string | readonly string[] | ((...values: never[]) => string);
const en = { ...baseInEnglish, inspector: inspectorInEnglish };
const de = { ...baseInGerman, inspector: inspectorInGerman };
const all = { en, de };

function leaves(texts: object, path = ''): Map<string, Leaf> {
  const found = new Map<string, Leaf>();
  for (const [key, value] of Object.entries(texts)) {
    const here = path === '' ? key : `${path}.${key}`;
    if (typeof value === 'object' && !Array.isArray(value))
      leaves(value, here).forEach((leaf, at) => found.set(at, leaf));
    else found.set(here, value as Leaf);
  }
  return found;
}

function shape(leaf: Leaf): string {
  if (typeof leaf === 'function') return `${leaf.length} values`;
  return typeof leaf === 'string' ? 'text' : `${leaf.length} lines`;
}

beforeEach(async () => {
  localStorage.clear();
  await loadLanguage('en');
});

describe.each(Object.keys(languages) as (keyof typeof all)[])('%s', (tag) => {
  it('has the same texts as English, with the same values in them', () => {
    // English is what the library speaks.
    const ofLibrary = /^inspector\.(rules|faults)\./;
    const shapes = (texts: object) =>
      [...leaves(texts)]
        .filter(([path]) => !ofLibrary.test(path))
        .map(([path, leaf]) => `${path}: ${shape(leaf)}`)
        .sort();
    expect(shapes(all[tag])).toEqual(shapes(en));
  });

  it('has no empty text', () => {
    const empty = [...leaves(all[tag])].filter(([, leaf]) => typeof leaf === 'string' && leaf.trim() === '');
    expect(empty.map(([path]) => path)).toEqual([]);
  });

  it('shows each value that English shows', async () => {
    await loadLanguage(tag);
    for (const [path, leaf] of leaves(en)) {
      const other = leaves(all[tag]).get(path);
      if (typeof leaf !== 'function' || typeof other !== 'function') continue;
      // Numbers, because some of these texts count; a value that decides between two texts is shown by neither.
      const values = Array.from({ length: leaf.length }, (_, index) => 7301 + index) as never[];
      const [english, here] = [leaf(...values), other(...values)];
      for (const value of values) {
        expect(`${path}: ${here.includes(String(value))}`).toBe(`${path}: ${english.includes(String(value))}`);
      }
    }
  });
});

describe('German', () => {
  const texts = [...leaves(de)].map(([path, leaf]) => {
    const values = typeof leaf === 'function' ? (Array.from({ length: leaf.length }, () => 7) as never[]) : [];
    return [path, typeof leaf === 'function' ? leaf(...values) : String(leaf)] as const;
  });

  it.each([
    ['provisionieren', /\b(einrichte|richten sie|eingerichtet)/i],
    ['Sicherung', /backup/i],
    ['Seite', /\bpages?\b/i],
    ['Identitätsanbieter', /\bprovider/i],
    ['Log', /Protokoll des|Sein Protokoll/],
    [
      'unterbrochen',
      /(schreiben|board|partition|früherer).*abgebrochen|abgebrochene[sn]|dem abgebrochenen|Ein Schreiben wurde abgebrochen/i,
    ],
    ['erneut versuchen', /versuchen.{0,30}noch einmal|noch einmal versuchen/i],
    ['Abzug', /Image (des|eines) ganzen/],
    ['verdecken', /^(?!.*bytes).*verberg/i],
  ])('says %s, and no other word for it', (_, other) => {
    expect(texts.filter(([, text]) => other.test(text))).toEqual([]);
  });
});

describe('what the server and the library say by a name that stays the same', () => {
  const source = (path: string): string => readFileSync(resolve(import.meta.dirname, '../../..', path), 'utf8');
  const found = (text: string, pattern: RegExp): string[] =>
    [...text.matchAll(pattern)].map(([, name]) => name ?? '').sort();

  it('has words for each finding about the settings', () => {
    const codes = found(source('docs/api.md'), /^\| `([a-z-]+)` \| (?:error|warning|notice) \|/gm);
    expect(codes.length).toBeGreaterThan(5);
    expect(Object.keys(en.settings.findings).sort()).toEqual(codes);
  });

  it('has German words for each finding about a partition', () => {
    const rules = source('crates/fleetmint-board/src/report/finding.rs');
    const names = [...found(rules, /FindingKind::\w+(?:\(_\)| \{ \.\. \})? => "([a-z-]+)"/g), 'credential'];
    expect(names.length).toBeGreaterThan(10);
    expect(rules).toContain('rule: "credential"');
    expect(Object.keys(de.inspector.rules).sort()).toEqual(names.sort());
  });

  it('has German words for each fault of an entry', () => {
    const [faults = ''] =
      /impl fmt::Display for EntryFault[\s\S]*?\n}\n/.exec(source('crates/fleetmint-nvs/src/entry.rs')) ?? [];
    expect(Object.keys(de.inspector.faults).sort()).toEqual(found(faults, /Self::\w+ => "([^"]+)"/g));
  });
});

describe('the language', () => {
  it('follows a switch, and is remembered only then', async () => {
    expect(t.shell.devices).toBe('Devices');
    await loadLanguage('de');
    expect(t.shell.devices).toBe('Geräte');
    expect(document.documentElement.lang).toBe('de');
    expect(document.documentElement.dir).toBe('ltr');
    expect(localStorage.length).toBe(0);
    await loadLanguage('de', { remember: true });
    expect(preferredLanguage()).toBe('de');
  });

  it('brings the inspector’s texts when they are needed, in each language from then on', async () => {
    expect(t.inspector).toBeUndefined();
    await loadInspectorTexts();
    expect(t.inspector.title).toBe('NVS inspector');
    expect(t.shell.devices).toBe('Devices');
    await loadLanguage('de');
    expect(t.inspector.title).toBe('NVS-Inspektor');
    // A switch while they are loaded wins.
    await Promise.all([loadInspectorTexts(), loadLanguage('en')]);
    expect([language.chosen, t.inspector.title]).toEqual(['en', 'NVS inspector']);
  });

  it('is the first of the browser’s that the page has', () => {
    Object.defineProperty(navigator, 'languages', { value: ['fr-CA', 'de-AT', 'en'], configurable: true });
    expect(preferredLanguage()).toBe('de');
    Object.defineProperty(navigator, 'languages', { value: ['fr'], configurable: true });
    expect(preferredLanguage()).toBe('en');
  });

  it('writes dates by the reader’s region', async () => {
    Object.defineProperty(navigator, 'languages', { value: ['de-AT', 'en-GB'], configurable: true });
    expect(language.locale).toBe('en-GB');
    await loadLanguage('de');
    expect(language.locale).toBe('de-AT');
  });

  it('counts by its plural rules', async () => {
    expect([t.devices.count(1), t.devices.count(2)]).toEqual(['1 device', '2 devices']);
    await loadLanguage('de');
    expect([t.devices.count(1), t.devices.count(2)]).toEqual(['1 Gerät', '2 Geräte']);
  });
});
