import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { fogline } from '../testing/command-line.ts';
import { referenceText, regenerateCommand, schemaText } from './schema-docs.ts';

it.each([
  ['agent.schema.json', schemaText],
  ['agent-config.md', referenceText],
])('docs/%s is what the schema says now', (name, generated) => {
  const written = readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');
  expect(written === generated(), `docs/${name} is stale: run "${regenerateCommand}"`).toBe(true);
});

it('schema prints the page for editors', async () => {
  const { code, out } = await fogline('schema');
  expect(code).toBe(0);
  expect(`${out}\n`).toBe(schemaText());
  expect(JSON.parse(out)).toMatchObject({ required: expect.arrayContaining(['version', 'agent']) });
});
