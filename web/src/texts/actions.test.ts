// Whoever adds an operation to the server gives it a name for people, in each language.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { de } from './de.ts';
import { en } from './en.ts';

interface Parameter {
  readonly name: string;
  readonly schema: { readonly enum?: readonly string[] };
}

const document = JSON.parse(readFileSync('../crates/fleetmint-server/openapi.json', 'utf8')) as {
  paths: { '/api/audit': { get: { parameters: readonly Parameter[] } } };
};
const { parameters } = document.paths['/api/audit'].get;
const operations = parameters.find(({ name }) => name === 'action')?.schema.enum ?? [];

test.each([
  ['English', en],
  ['German', de],
])('%s has a name for every action in the audit, and for no other', (_, texts) => {
  expect(operations.length).toBeGreaterThan(30);
  expect(Object.keys(texts.audit.actions).sort()).toEqual([...operations].sort());
});
