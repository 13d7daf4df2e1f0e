/** `fogline-hub quarantine …`: what was acked and could not be applied; look at it, try it again, drop it. */
import { writeFileSync } from 'node:fs';
import { type Command, defineCommand } from '@fogline/shared/cli';
import { FoglineError } from '@fogline/shared/errors';
import { idsOf } from './cli-ids.ts';
import { give } from './cli-orders.ts';
import { place, withDatabase } from './cli-place.ts';
import { openExisting } from './data-folder.ts';
import { isoOf } from './query/time.ts';
import { HubStore } from './store/hub-store.ts';
import { contentOf } from './store/quarantined-content.ts';
import { StoreReader } from './store/reader.ts';

const list = defineCommand({
  name: 'quarantine list',
  summary: 'Lists messages that were acked but could not be applied, newest first.',
  options: { ...place, agent: { type: 'text', help: 'only of this agent', placeholder: 'ID' } },
  run({ options, io }) {
    withDatabase(openExisting, options, io.env, (db) => {
      const { agent } = options;
      const rows = new StoreReader(new HubStore(db)).quarantine(agent === undefined ? {} : { agent });
      for (const { id, receivedMs, agent: of, kind, reason, times, bytes, detail } of rows)
        io.out([id, isoOf(receivedMs), of, kind, reason, `${times}x`, `${bytes}B`, detail].join('\t'));
      if (rows.length === 0) io.err('nothing is quarantined');
    });
  },
});

const { positional: idPositional, idOf } = idsOf('quarantine list');

const show = defineCommand({
  name: 'quarantine show',
  summary: 'Shows one message and what can be read of it.',
  options: { ...place, out: { type: 'text', help: 'writes its bytes there', placeholder: 'FILE' } },
  positionals: [idPositional],
  run({ options, positionals: [text = ''], io }) {
    withDatabase(openExisting, options, io.env, (db) => {
      const id = idOf(text);
      const found = new StoreReader(new HubStore(db)).quarantined(id);
      if (found === undefined) throw new FoglineError('not_found', `nothing is quarantined under ${id}`);
      const { agent, kind, reason, detail, receivedMs, bytes, payload, isHeld } = found;
      io.out(`agent     ${agent}`);
      io.out(`received  ${isoOf(receivedMs)}`);
      io.out(`kind      ${kind}, ${bytes} bytes`);
      io.out(`reason    ${reason}: ${detail}`);
      io.out(
        `range     ${isHeld ? 'held: the agent does not send it again' : 'not held: the agent may send it again'}`,
      );
      if (kind === 'batch') for (const line of batchLines(payload)) io.out(line);
      if (options.out === undefined) return;
      writeFileSync(options.out, payload, { flag: 'wx' });
      io.err(`${options.out}: the message as it came`);
    });
  },
});

function batchLines(payload: Uint8Array): string[] {
  const content = contentOf(payload);
  if (!('epoch' in content)) return [`batch     ${content.problem}`];
  const { epoch, lane, first, last, problem, items, firstHourMs, lastHourMs } = content;
  const hours =
    firstHourMs === undefined || lastHourMs === undefined
      ? ''
      : ` in the hours from ${isoOf(firstHourMs)} to ${isoOf(lastHourMs)}`;
  return [
    `batch     epoch ${epoch}, lane ${lane}, items ${first} to ${last}`,
    `content   ${problem ?? `${items} items${hours}`}`,
  ];
}

/** What the running hub, or this process in its place, is to do with one message. */
function orderCommand(word: 'retry' | 'drop', summary: string): Command {
  return defineCommand({
    name: `quarantine ${word}`,
    summary,
    options: place,
    positionals: [idPositional],
    async run({ options, positionals: [text = ''], io }) {
      io.out(await give(options, io.env, { kind: `quarantine_${word}`, id: idOf(text) }));
    },
  });
}

const retry = orderCommand('retry', 'Tries to apply a message again, after what kept it out has changed.');
const drop = orderCommand('drop', 'Forgets a message for good; it stays counted.');

export const quarantineCommands = [list, show, retry, drop];
