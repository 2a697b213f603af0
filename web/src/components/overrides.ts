// What a form holds of a device's or a model's overrides, and what it sends of them.
import type { components } from '../api/generated.ts';

type Overrides = components['schemas']['Overrides'];
type ChangeOverrides = components['schemas']['ChangeOverrides'];

export const overrideKeys = ['base_url', 'token_url', 'mqtt_url', 'wifi_ssid', 'wifi_password'] as const;
export type OverrideKey = (typeof overrideKeys)[number];

/** `keep`: a password that is set, which the server never shows. */
export type OverrideChoice = 'inherit' | 'own' | 'empty' | 'keep';

export interface OverrideField {
  choice: OverrideChoice;
  value: string;
}

export type OverridesForm = Record<OverrideKey, OverrideField>;

/** A device cannot do without these: leaving them out is no choice. */
export const required: ReadonlySet<OverrideKey> = new Set(['base_url', 'token_url']);

export function formOf(overrides?: Overrides): OverridesForm {
  const field = (value: string | null | undefined): OverrideField => {
    if (value === null || value === undefined) return { choice: 'inherit', value: '' };
    return value === '' ? { choice: 'empty', value } : { choice: 'own', value };
  };
  const password = { unset: 'inherit', empty: 'empty', set: 'keep' } as const;
  return {
    base_url: field(overrides?.base_url),
    token_url: field(overrides?.token_url),
    mqtt_url: field(overrides?.mqtt_url),
    wifi_ssid: field(overrides?.wifi_ssid),
    wifi_password: { choice: password[overrides?.wifi_password_state ?? 'unset'], value: '' },
  };
}

/** What differs from `before`, as a merge patch; `undefined` if nothing does. */
export function changesOf(form: OverridesForm, before: OverridesForm = formOf()): ChangeOverrides | undefined {
  const changes: ChangeOverrides = {};
  for (const key of overrideKeys) {
    const { choice, value } = form[key];
    if (choice === before[key].choice && value === before[key].value) continue;
    if (choice === 'inherit') changes[key] = null;
    else if (choice === 'empty') changes[key] = '';
    else if (choice === 'own') changes[key] = value;
  }
  return Object.keys(changes).length === 0 ? undefined : changes;
}
