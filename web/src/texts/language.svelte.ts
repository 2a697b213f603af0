import type { BaseTexts, Texts } from './en.ts';

export const languages = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof languages;

const STORED = 'fleetmint.language';
const sources: Record<Language, () => Promise<BaseTexts>> = {
  en: async () => (await import('./en.ts')).en,
  de: async () => (await import('./de.ts')).de,
};
const ofInspector: Record<Language, () => Promise<Texts['inspector']>> = {
  en: async () => (await import('./en-inspector.ts')).inspector,
  de: async () => (await import('./de-inspector.ts')).inspector,
};

let current = $state.raw<BaseTexts & Partial<Texts>>();
/** Whether the inspector was shown, whose texts are loaded with it. */
let withInspector = false;
let chosen = $state.raw<Language>('en');

/** The texts of the current language, by section. */
export const t: Texts = new Proxy({} as Texts, {
  get(_, section) {
    if (current === undefined) throw new Error('no language is loaded yet');
    return current[section as keyof BaseTexts];
  },
});

export const language = {
  /** The tag that dates and numbers are written by: the reader's own region where it has the page's language. */
  get locale(): string {
    return navigator.languages.find((tag) => tag.startsWith(chosen)) ?? chosen;
  },
  get chosen(): Language {
    return chosen;
  },
};

/** The language chosen before, or else the first of the browser's that the page has. */
export function preferredLanguage(): Language {
  const stored = storage()?.getItem(STORED);
  if (stored !== null && stored !== undefined && stored in languages) return stored as Language;
  for (const tag of navigator.languages) {
    const base = tag.toLowerCase().split('-')[0] ?? '';
    if (base in languages) return base as Language;
  }
  return 'en';
}

export async function loadLanguage(to: Language, options: { remember?: boolean } = {}): Promise<void> {
  current = await load(to);
  chosen = to;
  document.documentElement.lang = to;
  document.documentElement.dir = current.dir;
  if (options.remember === true) storage()?.setItem(STORED, to);
}

/** Loads the texts of the inspector, in this language and in those that are chosen later. */
export async function loadInspectorTexts(): Promise<void> {
  withInspector = true;
  let loaded: Language;
  do {
    loaded = chosen;
    current = await load(loaded);
    // Another language may have been chosen meanwhile.
  } while (loaded !== chosen);
}

async function load(language: Language): Promise<BaseTexts & Partial<Texts>> {
  const [base, inspector] = await Promise.all([
    sources[language](),
    withInspector ? ofInspector[language]() : undefined,
  ]);
  return inspector === undefined ? base : { ...base, inspector };
}

/** Storage can be forbidden, in a private window or by policy; the language is then not remembered. */
function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}
