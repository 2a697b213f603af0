import { expect, test } from 'vitest';
import { codeFrom } from './code.ts';

test.each([
  ['Temperature sensor (indoor)', 'temperature_sensor_indoor'],
  ['Türöffner Größe 2', 'tueroeffner_groesse_2'],
  ['  Café  ', 'cafe'],
  ['温度', ''],
  ['x'.repeat(60), 'x'.repeat(50)],
  [`${'x'.repeat(49)} y`, 'x'.repeat(49)],
])('%s: %s', (name, code) => {
  expect(codeFrom(name)).toBe(code);
  expect(codeFrom(name)).toMatch(/^[a-z0-9_]{0,50}$/);
});
