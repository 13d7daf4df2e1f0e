/** `fogline-hub alarms …`: what is the matter, what was, and who takes care of it. All of them work while the hub runs. */
import { type Command, defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { AlarmDeeds, type Deed } from './alarms/alarm-deeds.ts';
import { alarmStates } from './alarms/alarm-state.ts';
import { type AlarmRow, AlarmView } from './alarms/alarm-view.ts';
import { idsOf } from './cli-ids.ts';
import { auditDone, type Env, type PlaceOptions, place, shellUser, withDatabase } from './cli-place.ts';
import { openExisting } from './data-folder.ts';
import { isoOf, parseRange } from './query/time.ts';

const pageRows = 1_000;
const note = { type: 'text', help: 'why, for whoever reads the history', placeholder: 'TEXT', default: '' } as const;
const { positional: idPositional, idOf } = idsOf('alarms list');

const list = defineCommand({
  name: 'alarms list',
  summary: 'Lists the alarms: id, state, since, severity, alarm, agent, device, who takes care of it.',
  options: {
    ...place,
    state: { type: 'text', help: 'only in this state', choices: alarmStates },
    agent: { type: 'text', help: 'only of this agent', placeholder: 'ID' },
  },
  run({ options, io }) {
    withDatabase(openExisting, options, io.env, (db) => {
      const view = new AlarmView(db, undefined);
      const { state, agent } = options;
      let after = 0;
      for (;;) {
        const page = view.list({ state, agent, after, limit: pageRows }, systemClock.now());
        for (const row of page) io.out(lineOf(row));
        after = page.at(-1)?.id ?? after;
        if (page.length < pageRows) break;
      }
      if (after === 0) io.err('there are no such alarms');
    });
  },
});

function lineOf({ id, state, sinceMs, severity, alarm, agent, device, acknowledged, shelved }: AlarmRow): string {
  const since = sinceMs === null ? '-' : isoOf(sinceMs);
  const care = [
    ...(acknowledged === null ? [] : [`acknowledged by ${acknowledged.by === '' ? 'the agent' : acknowledged.by}`]),
    ...(shelved === null ? [] : [`shelved until ${isoOf(shelved.untilMs)} by ${shelved.by}`]),
  ];
  return [id, state, since, severity ?? '-', alarm, agent, device, care.join(', ')].join('\t');
}

const history = defineCommand({
  name: 'alarms history',
  summary: 'Lists what happened to one alarm, newest first: event time, word, when the hub heard, who, note.',
  options: {
    ...place,
    from: { type: 'text', help: 'begin: now-6h, RFC 3339 or ms', placeholder: 'TIME', default: 'now-7d' },
    to: { type: 'text', help: 'end; default now', placeholder: 'TIME' },
  },
  positionals: [idPositional],
  run({ options, positionals: [text = ''], io }) {
    const id = idOf(text);
    const range = parseRange(options.from, options.to, systemClock.now());
    withDatabase(openExisting, options, io.env, (db) => {
      const rows = new AlarmView(db, undefined).history(id, { ...range, limit: pageRows });
      for (const { timeMs, word, atMs, who, note: said } of rows)
        io.out([isoOf(timeMs), word, isoOf(atMs), who, said].join('\t'));
      if (rows.length === 0) io.err('nothing is known of it in this time');
    });
  },
});

const acknowledge = deedCommand(
  'ack',
  'Says that somebody takes care of an active alarm; it counts until the alarm is over.',
  (deeds, id, deed) => deeds.acknowledge(id, deed),
);
const unshelve = deedCommand('unshelve', 'Ends the shelving of an alarm before its time.', (deeds, id, deed) =>
  deeds.unshelve(id, deed),
);

const shelve = defineCommand({
  name: 'alarms shelve',
  summary: 'Has an alarm tell nothing for some time; what it is then is told when that ends.',
  options: {
    ...place,
    for: { type: 'duration', help: 'for how long, 7d at most', placeholder: 'DURATION', isRequired: true },
    note,
  },
  positionals: [idPositional],
  run({ options, positionals: [text = ''], io }) {
    const id = idOf(text);
    io.out(act({ options, env: io.env, word: 'shelve', id }, (deeds, deed) => deeds.shelve(id, options.for, deed)));
  },
});

function deedCommand(
  word: 'ack' | 'unshelve',
  summary: string,
  work: (deeds: AlarmDeeds, id: number, deed: Deed) => void,
): Command {
  return defineCommand({
    name: `alarms ${word}`,
    summary,
    options: { ...place, note },
    positionals: [idPositional],
    run({ options, positionals: [text = ''], io }) {
      const id = idOf(text);
      io.out(act({ options, env: io.env, word, id }, (deeds, deed) => work(deeds, id, deed)));
    },
  });
}

interface Act {
  readonly options: PlaceOptions & { readonly note: string };
  readonly env: Env;
  readonly word: string;
  readonly id: number;
}

/** Does it in the database of the hub, which need not run, and notes it in the audit log; returns what the alarm is then. */
function act({ options, env, word, id }: Act, work: (deeds: AlarmDeeds, deed: Deed) => void): string {
  return withDatabase(openExisting, options, env, (db, folder) => {
    const nowMs = systemClock.now();
    work(new AlarmDeeds(db), { who: shellUser(), nowMs, note: options.note });
    auditDone(folder, `alarms ${word}`, `id=${id}`);
    const row = new AlarmView(db, undefined).get(id, nowMs);
    return row === undefined ? `alarm ${id}` : lineOf(row);
  });
}

export const alarmCommands = [list, history, acknowledge, shelve, unshelve];
