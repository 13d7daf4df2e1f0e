/**
 * The same readings from the same generator through Fogline and through systems from Debian packages, in turn in every round. What is
 * lost or double is counted row by row at the hub of each.
 */
import { spawnSync } from 'node:child_process';
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures } from '../kit/figures.ts';
import { connectLines, connectLoad, type Publishing } from '../kit/load.ts';
import { printProfile } from '../kit/profile.ts';
import { fogline } from './fogline.ts';
import { type FigureName, figureUnits, measure, type Result, withSystem } from './measure.ts';
import { mosquitto } from './mosquitto.ts';
import { nats } from './nats.ts';
import { outage, outageRate, outageSeconds } from './outage.ts';
import { printStanding } from './standing.ts';
import type { Door, SystemKind } from './system.ts';
import { victoria } from './victoria.ts';

const options = {
  seconds: { type: 'integer', default: 10, help: 'of load in each run' },
  'warm-up': { type: 'integer', default: 3, help: 'seconds of the same load before it, not measured' },
  runs: { type: 'integer', default: 3, help: 'rounds; each runs every scenario on every system' },
  scenario: { type: 'text', help: 'only these, with commas: single, batches, lines, outage' },
  system: { type: 'text', help: 'only those whose name begins so, with commas: fogline, mosquitto, nats, vmagent' },
  plant: {
    type: 'integer',
    default: 0,
    help: 'lose so many readings in every run; it fails unless just they are missed',
  },
  profile: {
    type: 'text',
    placeholder: 'DIR',
    help: 'write CPU profiles of Fogline, and print the heaviest functions',
  },
} as const;

type Asked = ReturnType<typeof parseOptions<typeof options>>['values'];

interface Scenario {
  readonly title: string;
  readonly door: Door | 'any';
  readonly isOutage?: true;
  connect(port: number, door: Door, load: Span): Promise<Publishing>;
}

interface Span {
  readonly seconds: number;
  readonly astray: number;
  /** Of device names. */
  readonly prefix: string;
}

const single = { connections: 50, window: 200, isThree: true } as const;
const lines = { connections: 10, devices: 5, lines: 1_000 } as const;

const scenarios: Readonly<Record<string, Scenario>> = {
  single: {
    title: 'single readings, MQTT QoS 1, 50 connections, window 200',
    door: 'mqtt',
    connect: (port, _door, span) => connectLoad(port, { ...single, ...span }),
  },
  batches: {
    title: 'line protocol, 1,000 lines a request, 10 connections',
    door: 'lines',
    connect: (port, _door, span) => connectLines(port, { ...lines, ...span }),
  },
  lines: {
    title: 'line protocol, 1 line a request, 50 connections',
    door: 'lines',
    connect: (port, _door, span) => connectLines(port, { connections: 50, devices: 1, lines: 1, ...span }),
  },
  outage: {
    title: `uplink silent for 20 s, ${outageRate} readings/s (vmagent: line protocol, 100 lines a request)`,
    door: 'any',
    isOutage: true,
    connect: (port, door, span) => {
      const load = { ...span, rate: outageRate };
      return door === 'mqtt'
        ? connectLoad(port, { ...single, ...load })
        : connectLines(port, { ...lines, lines: 100, ...load });
    },
  },
};

const kinds: readonly SystemKind[] = [fogline, mosquitto, nats, victoria];

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const names = values.scenario?.split(',') ?? Object.keys(scenarios);
  const wanted = values.system?.toLowerCase().split(',');
  const present = kinds
    .filter(({ title }) => wanted === undefined || wanted.some((name) => title.toLowerCase().startsWith(name)))
    .filter(isPresent);
  const figures = new Figures();
  const results = new Map<string, Result[]>();
  let source = '';
  for (let round = 0; round < values.runs; round++) {
    for (const name of names) {
      const scenario = scenarios[name];
      if (scenario === undefined)
        throw new Error(`no scenario is called ${name}: ${Object.keys(scenarios).join(', ')}`);
      const able = present.filter(({ doors }) => scenario.door === 'any' || doors.includes(scenario.door));
      // Another begins in each round.
      const inTurn = able.map((_, index) => able[(index + round) % able.length] as SystemKind);
      for (const kind of inTurn) {
        console.error(`round ${round + 1}: ${name}, ${kind.title}`);
        const door = scenario.door === 'any' ? (kind.doors[0] as Door) : scenario.door;
        if (scenario.isOutage === true) {
          await runOutage(kind, door, scenario, values, figures);
          continue;
        }
        const result = await runOnce(kind, door, scenario, values);
        source = result.source;
        addResult(figures, `${scenario.title}: ${kind.title}`, result);
        results.set(`${name} ${kind.title}`, [...(results.get(`${name} ${kind.title}`) ?? []), result]);
      }
    }
  }
  for (const name of names) addRatios(figures, scenarios[name] as Scenario, name, results);
  const notes = {
    data: source,
    message:
      'MQTT: 62 B of JSON in a frame of 93 B; line protocol: about 60 B a line; source times with 1 to 4 ms of jitter',
    'warm-up': `${values['warm-up']} s of the same load before, counted only in what is lost or double`,
    counted:
      'rows at the hub; CPU until edge and hub are quiet; link: TCP payload both ways; RSS and disk: sums over processes',
    ...Object.fromEntries(present.map(({ title, durable }) => [`durable when acked, ${title}`, durable])),
  };
  figures.print({ bench: 'peers', command: ['npm run bench -- peers', ...args].join(' '), notes });
  for (const { title, configuration } of present) console.log(`\n${title}\n${configuration.replace(/^/gm, '  ')}`);
  printStanding(results);
  if (values.profile !== undefined) {
    for (const who of ['agent', 'hub']) printProfile(who, `${values.profile}/${who}`, 40);
  }
}

function isPresent({ title, needs }: SystemKind): boolean {
  const missing = needs.filter(({ program }) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
  for (const { program, packageName } of missing) {
    console.log(`${title} is left out: no ${program} here (apt-get install ${packageName})`);
  }
  return missing.length === 0;
}

async function runOnce(kind: SystemKind, door: Door, scenario: Scenario, asked: Asked): Promise<Result> {
  return await withSystem(kind, door, asked.profile, async (system, link) => {
    const connect = (span: Span) => (): Promise<Publishing> => scenario.connect(system.port, door, span);
    const warmUp = connect({ seconds: asked['warm-up'], astray: 0, prefix: 'warm' });
    const load = connect({ seconds: asked.seconds, astray: asked.plant, prefix: 'mote' });
    const result = await measure(system, link, warmUp, load);
    verify(kind, result.astray, result.figures);
    return result;
  });
}

async function runOutage(
  kind: SystemKind,
  door: Door,
  { title, connect }: Scenario,
  asked: Asked,
  figures: Figures,
): Promise<void> {
  await withSystem(kind, door, undefined, async (system, link) => {
    const span = { seconds: outageSeconds, astray: asked.plant, prefix: 'mote' };
    const publishing = await connect(system.port, door, span);
    const { result, lost, double, heldBack, catchUpSeconds } = await outage(system, link, publishing);
    verify(kind, result.astray, { lost, double });
    const add = (figure: string, unit: string, sample: number): void =>
      figures.add(`${title}: ${kind.title}`, figure, unit, sample);
    add('lost', 'readings', lost);
    add('double', 'readings', double);
    add('behind when the link came back', 'readings', heldBack);
    add('caught up after the link came back', 's', catchUpSeconds);
  });
}

/** A loss of Fogline fails the benchmark, and so does a planted one that is not seen. */
function verify({ title }: SystemKind, astray: number, { lost, double }: Record<'lost' | 'double', number>): void {
  if (astray > 0 && lost !== astray) {
    console.error(`${title}: ${astray} readings were made to be lost, and ${lost} are missed`);
    process.exitCode = 1;
  }
  if (title === fogline.title && (lost !== astray || double !== 0)) {
    console.error(`${title}: ${lost - astray} readings are lost, ${double} double`);
    process.exitCode = 1;
  }
}

function addResult(figures: Figures, title: string, result: Result): void {
  for (const [name, unit] of Object.entries(figureUnits) as [FigureName, string][]) {
    figures.add(title, name, unit, result.figures[name]);
  }
}

/** Of one round each, so that what the machine did meanwhile cancels out. */
function addRatios(
  figures: Figures,
  { title }: Scenario,
  name: string,
  results: ReadonlyMap<string, readonly Result[]>,
): void {
  const ours = results.get(`${name} ${fogline.title}`) ?? [];
  for (const kind of kinds.filter((each) => each !== fogline)) {
    (results.get(`${name} ${kind.title}`) ?? []).forEach((theirs, round) => {
      const own = ours[round];
      if (own === undefined) return;
      for (const figure of Object.keys(figureUnits) as FigureName[]) {
        if (figure === 'lost' || figure === 'double') continue;
        figures.add(`${title}: Fogline / ${kind.title}`, figure, '×', own.figures[figure] / theirs.figures[figure]);
      }
    });
  }
}
