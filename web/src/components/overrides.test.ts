import { expect, it } from 'vitest';
import { changesOf, formOf } from './overrides.ts';

const shown = {
  base_url: null,
  token_url: 'https://id.example',
  mqtt_url: '',
  wifi_ssid: null,
  wifi_password_set: true,
  wifi_password_state: 'set',
} as const;

it('a form that nobody touched changes nothing', () => {
  expect(changesOf(formOf(shown), formOf(shown))).toBeUndefined();
  expect(changesOf(formOf())).toBeUndefined();
});

it('sends only what differs, and a password that is set only where another was typed', () => {
  const form = formOf(shown);
  form.base_url = { choice: 'own', value: 'https://api.example' };
  form.token_url.choice = 'inherit';
  form.mqtt_url = { choice: 'own', value: 'mqtts://broker.example' };
  form.wifi_ssid.choice = 'empty';
  const changes = {
    base_url: 'https://api.example',
    token_url: null,
    mqtt_url: 'mqtts://broker.example',
    wifi_ssid: '',
  };
  expect(changesOf(form, formOf(shown))).toEqual(changes);
  form.wifi_password = { choice: 'own', value: 'another one' };
  expect(changesOf(form, formOf(shown))).toEqual({ ...changes, wifi_password: 'another one' });
  form.wifi_password = { choice: 'inherit', value: '' };
  expect(changesOf(form, formOf(shown))).toEqual({ ...changes, wifi_password: null });
});

it('an own value that is empty is sent as it is: the server says what is wrong with it', () => {
  const form = formOf();
  form.base_url.choice = 'own';
  expect(changesOf(form)).toEqual({ base_url: '' });
});
