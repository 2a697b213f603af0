import { language } from './language.svelte.ts';

const rules = new Map<string, Intl.PluralRules>();

/** The text for this number, by the plural rules of the page's language. */
export function plural(n: number, forms: { one?: string; other: string }): string {
  let rule = rules.get(language.chosen);
  if (rule === undefined) rules.set(language.chosen, (rule = new Intl.PluralRules(language.chosen)));
  return (rule.select(n) === 'one' ? forms.one : undefined) ?? forms.other;
}
