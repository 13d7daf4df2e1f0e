/**
 * A fleet with every fault there is, through a real agent and hub, is clean. Then one bug of each class is planted between hub and verifier,
 * and the verifier must fail and name the class.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { FindingKind } from '../../src/verify/findings.ts';
import { readTruth, type TruthSeries } from '../../src/verify/truth.ts';
import { type DataAnswer, openHubShim, type Question } from '../support/hub-shim.ts';
import { loopback } from '../support/ports.ts';
import { openStage } from '../support/stage.ts';
import { openSystem } from '../support/system.ts';

const example = fileURLToPath(new URL('../../../docs/examples/fleet-faults.yaml', import.meta.url));
const pipelines = `
  live: { from: climate }
  stats: { from: climate, window: { every: 10s, compute: [mean] }, send: { priority: high } }`;
const parse = `
      json: { temperature: { field: temp, unit: "°C" }, vibration: { field: vib } }
      time: { field: ts, unit: ms }`;

interface Plant {
  readonly kind: FindingKind;
  readonly stream: 'live' | 'stats';
  spoil(question: Question, answer: Record<string, unknown>, victim: TruthSeries): void;
}

function isAbout({ resource, parameters }: Question, { device, metric }: TruthSeries): boolean {
  const match = parameters.get('match') ?? '';
  return resource === 'data' && match.includes(`device="${device}"`) && match.includes(`metric="${metric}"`);
}

function columnsOf(answer: Record<string, unknown>): Record<string, unknown[]> {
  return (answer as unknown as DataAnswer).series[0]?.columns ?? {};
}

/** Takes rows out of an answer of readings. */
function drop(answer: Record<string, unknown>, isGone: (timeMs: number) => boolean): void {
  const columns = columnsOf(answer);
  const kept = (columns['time'] ?? []).map((timeMs) => !isGone(Number(timeMs)));
  for (const [name, values] of Object.entries(columns)) columns[name] = values.filter((_, row) => kept[row]);
}

const hourMs = 3_600_000;

const plants: Readonly<Record<string, Plant>> = {
  'a loss': {
    kind: 'lost',
    stream: 'live',
    spoil(question, answer, victim) {
      if (isAbout(question, victim) && !question.parameters.has('every')) drop(answer, (ms) => ms === victim.time[20]);
    },
  },
  'a duplicate': {
    kind: 'duplicated',
    stream: 'live',
    spoil(question, answer, victim) {
      if (!isAbout(question, victim) || question.parameters.has('every')) return;
      for (const values of Object.values(columnsOf(answer))) values.splice(20, 0, values[20]);
    },
  },
  'a wrong window': {
    kind: 'bucket',
    stream: 'stats',
    spoil(question, answer, victim) {
      if (!isAbout(question, victim) || question.parameters.get('every') !== '10s') return;
      const { count } = columnsOf(answer);
      if (count !== undefined) count[20] = Number(count[20]) + 1;
    },
  },
  'a late reading that was dropped': {
    kind: 'late_dropped',
    stream: 'live',
    spoil(question, answer, victim) {
      const late = new Set(victim.time.filter((_, row) => victim.late[row] === 1));
      if (isAbout(question, victim) && !question.parameters.has('every')) drop(answer, (ms) => late.has(ms));
    },
  },
  'an eviction that nobody declared': {
    kind: 'undeclared',
    stream: 'live',
    spoil(question, answer, victim) {
      const goneMs = victim.time[20] ?? 0;
      if (isAbout(question, victim) && !question.parameters.has('every')) drop(answer, (ms) => ms === goneMs);
      if (question.resource !== 'ledger') return;
      for (const line of answer['ledger'] as { hourMs: number; unaccounted: number }[]) {
        if (line.hourMs === Math.floor(goneMs / hourMs) * hourMs) line.unaccounted += 1;
      }
    },
  },
};

it('all faults together are clean, and a planted bug of each class is named', { timeout: 400_000 }, async () => {
  const stage = openStage('planted');
  const system = await openSystem(stage, { parse, pipelines });
  const truth = stage.path('truth.ndjson');
  const where = ['--mqtt', `mqtt://${loopback}:${system.mqttPort}`, '--start', '2026-06-01T06:00:00Z', '--speed', '0'];
  const fleet = await stage.run('sim', ['fleet', example, ...where, '--truth', truth, '--connections', '10']);
  expect(fleet.code, `${fleet.error}${fleet.out}`).toBe(0);

  const verify = (hubUrl: string, stream: string, ...more: string[]) =>
    stage.run('sim', ['verify', '--truth', truth, '--hub', hubUrl, '--stream', stream, '--json', ...more]);
  for (const stream of ['live', 'stats']) {
    const { code, out, error } = await verify(system.hubUrl, stream, '--wait', '60s');
    expect(code, `${out}${error}`).toBe(0);
    expect(JSON.parse(out.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ isClean: true, declared: 0 });
  }

  const { series, faults } = readTruth([truth]);
  expect(new Set(faults.map(({ kind }) => kind)).size).toBe(13);
  const victim = series.find(({ acked, late }) => acked[20] === 1 && late[20] === 0 && late.includes(1));
  if (victim === undefined) throw new Error('no series of the truth has a late reading');
  for (const [name, { kind, stream, spoil }] of Object.entries(plants)) {
    const shim = await openHubShim(stage, system.hubUrl, (question, answer) => spoil(question, answer, victim));
    const junit = stage.path('verdict.xml');
    const { code, out } = await verify(shim, stream, '--junit', junit);
    expect(code, name).toBe(1);
    const summary = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as Record<string, number>;
    expect(summary[kind], name).toBeGreaterThan(0);
    // Buckets follow from readings; apart from those no other class is named.
    const others = { lost: 0, late_dropped: 0, undeclared: 0, duplicated: 0, wrong: 0, unexpected: 0 };
    expect(summary, name).toMatchObject({ ...others, ...(kind === 'bucket' ? {} : { [kind]: summary[kind] }) });
    expect(readFileSync(junit, 'utf8'), name).toContain(`name="no reading or bucket is ${kind}">\n      <failure`);
  }
});
