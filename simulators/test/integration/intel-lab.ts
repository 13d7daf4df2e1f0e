/**
 * The Intel Lab readings through real processes: replayed into an agent, over a bad link into a hub, agent and hub killed meanwhile;
 * then every bucket of every stream at the hub against a computation over the CSV that shares nothing with Fogline
 * (intel_lab_buckets.py, sums by math.fsum).
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@fogline/shared/clock';
import type { SeededRandom } from '@fogline/shared/random';
import { openCsvSource } from '../../src/fleet/csv-source.ts';
import { createMqttWire } from '../../src/fleet/mqtt-connection.ts';
import { openSender, type Sender } from '../../src/fleet/sender.ts';
import { openHubReader } from '../../src/verify/hub-reader.ts';
import { countAtHub } from '../support/hub-count.ts';
import { loopback } from '../support/ports.ts';
import type { Stage } from '../support/stage.ts';
import type { System, SystemOptions } from '../support/system.ts';

const python = '/usr/bin/python3';
const csv = fileURLToPath(
  new URL('../../../../shared/data/intel_lab_30s/intel_temperature_30s_52motes.csv', import.meta.url),
);
const script = fileURLToPath(new URL('intel_lab_buckets.py', import.meta.url));
export const motes = 52;
const levelsMs: readonly number[] = [10_000, 60_000, 900_000, 86_400_000];
/** Neither a minute nor a day begins here, so that no level is aligned by chance. */
const startMs = Date.parse('2026-03-01T17:00:13.250Z');

/** Days before the first reading and after the last: nothing may be there. */
const around = [startMs - 5 * 86_400_000, startMs + 30 * 86_400_000] as const;

/** Why the test cannot run here; undefined = it can. */
export const missing = [csv, python].find((path) => !existsSync(path));

export interface Stream {
  readonly stream: string;
  /** YAML of its pipeline, beyond where it comes from. */
  readonly operator: string;
  /** Levels that its contributions enter: those that their width divides. */
  readonly levels: readonly number[];
}

export const exact: Stream = { stream: 'exact', operator: '', levels: levelsMs };
export const tenSeconds: Stream = { stream: 'ten', operator: ', window: { every: 10s }', levels: levelsMs };
/** The last windows of a series close when it was idle for a minute. */
export const minutes: Stream = { stream: 'minute', operator: ', window: { every: 1m }', levels: levelsMs.slice(1) };

export function labSystem(streams: readonly Stream[]): SystemOptions {
  const pipeline = ({ stream, operator }: Stream): string =>
    `\n  ${stream}: { from: climate${operator}, send: { priority: ${operator === '' ? 'normal' : 'high'} } }`;
  return {
    parse: '{ json: { temperature: { unit: "°C" } }, time: { field: ts, unit: ms } }',
    pipelines: streams.map(pipeline).join(''),
  };
}

export function openReplay(stage: Stage, system: System, rows: number): Sender {
  const source = openCsvSource({
    path: csv,
    timeColumn: 'epoch_s',
    timeUnit: 's',
    startMs,
    layout: { wideMetric: 'temperature' },
    topic: 'sensors/{device}/climate',
    lanes: 13,
    qos: 1,
    rowsMax: rows,
  });
  const sender = openSender({
    source,
    wire: createMqttWire({ url: `mqtt://${loopback}:${system.mqttPort}`, keepaliveSeconds: 10, clock: systemClock }),
    window: 100,
    clock: systemClock,
    random: stageRandom(),
    startMs: source.firstMs,
    speed: 0,
    clientPrefix: 'lab',
  });
  stage.onClose(async () => {
    await sender.stop(0);
    source.close();
  });
  return sender;
}

/** Reconnect delays only. */
function stageRandom(): { uint32(): number; unit(): number; bytes(count: number): Uint8Array } {
  return { uint32: () => 0, unit: () => 0.5, bytes: (count) => new Uint8Array(count) };
}

export interface Blows {
  agentKills: number;
  hubKills: number;
  cuts: number;
  stalls: number;
}

/**
 * Kills, cuts and stalls while the replay runs, spread over its length by the seed: in each round every kind once, in a random order.
 * What was killed is started again at once; it may be hit again before it is ready.
 */
export async function strike(
  stage: Stage,
  system: System,
  sender: Sender,
  { rounds, readings, random }: { readonly rounds: number; readonly readings: number; readonly random: SeededRandom },
): Promise<Blows> {
  const blows: Blows = { agentKills: 0, hubKills: 0, cuts: 0, stalls: 0 };
  const kinds = Array.from({ length: rounds }, () =>
    shuffled(['agent', 'hub', 'cut', 'stall'] as const, random),
  ).flat();
  for (const [index, kind] of kinds.entries()) {
    const share = (index + random.unit()) / kinds.length;
    const from = Math.floor(readings * 0.97 * share);
    await stage.until(`${from} of ${readings} readings acked`, 120_000, () => sender.stats().settled >= from);
    await sleep(random.below(60));
    if (kind === 'agent' || kind === 'hub') {
      await system[kind].kill();
      system[kind].launch();
      blows[`${kind}Kills`]++;
    } else if (kind === 'cut') {
      system.link.cut(random.chance(0.5) ? 'rst' : 'fin');
      blows.cuts++;
    } else {
      system.link.stall(100 + random.below(900));
      blows.stalls++;
    }
  }
  await Promise.all([system.agent.ready(), system.hub.ready()]);
  return blows;
}

function shuffled<Item>(items: readonly Item[], random: SeededRandom): Item[] {
  return items
    .map((item) => ({ item, order: random.uint32() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}

/** Waits until the day buckets of each stream together count every reading. */
export async function allArrived(
  stage: Stage,
  system: System,
  { streams, readings, withinMs }: { readonly streams: readonly Stream[]; readings: number; withinMs: number },
): Promise<void> {
  for (const { stream } of streams) {
    await stage.until(`${readings} readings of stream ${stream} at the hub`, withinMs, async () => {
      return (await countAtHub(system.hubUrl, stream, around)) >= readings;
    });
  }
}

/** Columns of the buckets of one mote, ascending by time. */
type Columns = Readonly<Record<(typeof columnNames)[number], readonly number[]>>;
const columnNames = ['time', 'count', 'sum', 'min', 'max', 'mean'] as const;

interface HubBuckets {
  /** By device. */
  readonly buckets: ReadonlyMap<string, Columns>;
}

async function bucketsAtHub({ hubUrl }: System, stream: string, everyMs: number): Promise<HubBuckets> {
  const hub = openHubReader({ url: hubUrl });
  const buckets = new Map<string, Columns>();
  const all = (await hub.listSeries()).filter((series) => series.stream === stream);
  for (const series of all) {
    const range = { fromMs: around[0], toMs: around[1] };
    const rows = (await hub.buckets([series], everyMs, range)).get(series.id) ?? [];
    buckets.set(series.device, {
      time: rows.map((row) => row.startMs),
      count: rows.map((row) => row.count),
      sum: rows.map((row) => row.sum),
      min: rows.map((row) => row.min),
      max: rows.map((row) => row.max),
      mean: rows.map((row) => row.mean),
    });
  }
  if (all.length !== buckets.size) throw new Error(`stream ${stream} has a device with several series`);
  return { buckets };
}

interface Expected extends Columns {
  readonly device: string;
  readonly everyMs: number;
}

/** The computation over the first `rows` rows of the CSV. */
export async function expectedBuckets(stage: Stage, rows: number): Promise<readonly Expected[]> {
  const numbers = [rows, startMs, ...levelsMs].map(String);
  const { code, out, error } = await stage.execute(python, [script, csv, ...numbers]);
  if (code !== 0) throw new Error(`${script}: ${error}`);
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Expected);
}

export interface Comparison {
  readonly buckets: number;
  /** One line each, at most 20. */
  readonly differences: readonly string[];
  readonly differing: number;
}

/** Every bucket of every stream, both ways: nothing else, nothing missing, every number equal to the bit. */
export async function compareAtHub(
  system: System,
  streams: readonly Stream[],
  expected: readonly Expected[],
): Promise<Comparison> {
  const found: string[] = [];
  let compared = 0;
  for (const { stream, levels } of streams) {
    for (const everyMs of levels) {
      const wanted = expected.filter((one) => one.everyMs === everyMs);
      const { buckets } = await bucketsAtHub(system, stream, everyMs);
      const where = `${stream} at ${everyMs / 1000} s`;
      for (const device of buckets.keys())
        if (!wanted.some((one) => one.device === device)) found.push(`${where}: unexpected ${device}`);
      for (const want of wanted) {
        compared += want.time.length;
        found.push(...differences(`${where}, ${want.device}`, want, buckets.get(want.device)));
      }
    }
  }
  return { buckets: compared, differences: found.slice(0, 20), differing: found.length };
}

function differences(where: string, want: Columns, got: Columns | undefined): string[] {
  const found: string[] = [];
  const times = new Set([...want.time, ...(got?.time ?? [])]);
  if (got !== undefined && new Set(got.time).size !== got.time.length) found.push(`${where}: a bucket stands twice`);
  const rowOf = (columns: Columns | undefined): Map<number, number> =>
    new Map(columns?.time.map((time, row) => [time, row]));
  const [wantRows, gotRows] = [rowOf(want), rowOf(got)];
  for (const time of times) {
    const say = (row: number | undefined, columns: Columns | undefined): string =>
      row === undefined ? 'nothing' : columnNames.map((name) => `${name} ${columns?.[name][row]}`).join(', ');
    const [wanted, held] = [say(wantRows.get(time), want), say(gotRows.get(time), got)];
    if (wanted !== held) found.push(`${where}: expected ${wanted}; got ${held}`);
  }
  return found;
}
