/** docs/simulators.md: its commands work when pasted, its files load, its lines of a truth file are such lines. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadFleet } from '../src/devices/fleet-config.ts';
import { parseTruthLine } from '../src/verify/truth.ts';
import { fleetParse } from './support/fleet.ts';
import { loopback } from './support/ports.ts';
import { openStage } from './support/stage.ts';
import { openSystem } from './support/system.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(`${root}docs/simulators.md`, 'utf8');

function blocks(language: string): string[] {
  return [...page.matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    .filter(([, found]) => found === language)
    .map(([, , text]) => text ?? '');
}

it('the commands of the page work as pasted, one after the other', { timeout: 240_000 }, async () => {
  const stage = openStage('docs');
  const system = await openSystem(stage, { parse: fleetParse, pipelines: '{ live: { from: climate } }' });
  const commands = blocks('sh').flatMap((text) => text.trim().split('\n'));
  expect(commands.length).toBeGreaterThanOrEqual(3);
  for (const command of commands) {
    const [npx, sim, name = '', ...args] = command.replaceAll('/tmp', stage.folder).split(' ');
    expect([npx, sim]).toEqual(['npx', 'fogline-sim']);
    // Only where agent and hub are differs from what the page supposes.
    const where = name === 'fleet' ? ['--mqtt', `mqtt://${loopback}:${system.mqttPort}`] : ['--hub', system.hubUrl];
    const files = args.map((arg) => (arg.startsWith('docs/') ? root + arg : arg));
    const { code, out, error } = await stage.run('sim', [name, ...files, ...where]);
    expect(code, `${command}\n${out}${error}`).toBe(0);
  }
});

it('the files of the page load', () => {
  const [fleet = '', faults = ''] = blocks('yaml');
  const load = (text: string) => loadFleet({ text, name: 'page', folder: '/' }, {}).value;
  expect(load(fleet).types[0]?.metrics.map(({ name }) => name)).toEqual(['temperature', 'humidity', 'energy', 'mode']);
  expect(load(fleet + faults).types[0]?.faults.map(({ kind }) => kind)).toEqual(['spike', 'offline']);
});

it('the truth file of the page is one', () => {
  const kinds = blocks('json').flatMap((text) =>
    text
      .trim()
      .split('\n')
      .map((line) => parseTruthLine(line)?.kind),
  );
  expect(kinds).toEqual(['run', 'wall', 'sent', 'acked', 'fault']);
});
