// Every text that a person reads. `t.devices.title` follows the language, also while the page is open.
export {
  language,
  languages,
  loadInspectorTexts,
  loadLanguage,
  preferredLanguage,
  t,
  type Language,
} from './language.svelte.ts';
export type { Texts } from './en.ts';
