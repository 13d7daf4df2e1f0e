/** Every example of docs/pipelines.md is a configuration, without an error and, but where the page says so, without a warning. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadAgentConfig } from '../config.ts';
import { stepsOf } from '../pipeline/steps.ts';

const page = readFileSync(new URL('../../../docs/pipelines.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml = '']) => ({ yaml }));

/** The source that all of them take from. */
function load(yaml: string) {
  const text = `version: 1
agent: { id: pi }
sources: { climate: { mqtt: { topics: ["{room}/{device}"] }, parse: { json: { temperature: { unit: °C }, humidity: {} } } } }
${yaml}uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1" }, token: t } }
`;
  return loadAgentConfig({ text, name: 'a.yaml', folder: '/' }, {});
}

it.each(examples)('$yaml', ({ yaml }) => {
  expect(load(yaml).warnings).toEqual([]);
});

it('shows every step', () => {
  const shown = examples
    .flatMap(({ yaml }) => load(yaml).value.pipelines.flatMap(stepsOf))
    .map(({ name }) => name.split(' ')[0]);
  const all = 'only convert check derive where deadband swinging_door throttle sample window'.split(' ');
  expect(new Set(shown)).toEqual(new Set(all));
});
