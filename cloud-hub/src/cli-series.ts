/** `fogline-hub series …`: what series there are; rename, merge, delete a range. Agents notice nothing of it. */
import { defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { idsOf } from './cli-ids.ts';
import { give } from './cli-orders.ts';
import { place, withDatabase } from './cli-place.ts';
import { openExisting } from './data-folder.ts';
import { isoOf, parseRange } from './query/time.ts';
import { HubStore } from './store/hub-store.ts';
import { StoreReader } from './store/reader.ts';

const list = defineCommand({
  name: 'series list',
  summary: 'Lists the series with their ids.',
  options: { ...place, agent: { type: 'text', help: 'only of this agent', placeholder: 'ID' } },
  run({ options, io }) {
    withDatabase(openExisting, options, io.env, (db) => {
      const reader = new StoreReader(new HubStore(db));
      const { agent } = options;
      let after = 0;
      for (;;) {
        const page = reader.listSeries({ after, ...(agent === undefined ? {} : { agent }) });
        for (const { id, agent: of, stream, device, metric, unit, kind, sampling } of page)
          io.out([id, of, stream, device, metric, unit, kind, sampling].join('\t'));
        if (page.length === 0) break;
        after = page.at(-1)?.id ?? after;
      }
      if (after === 0) io.err('no series are known');
    });
  },
});

const { positional: seriesPositional, idOf } = idsOf('series list');

const rename = defineCommand({
  name: 'series rename',
  summary: 'Gives a series another name; its agent goes on to call it as before.',
  options: {
    ...place,
    metric: { type: 'text', help: 'new metric', placeholder: 'NAME' },
    device: { type: 'text', help: 'new device', placeholder: 'NAME' },
    stream: { type: 'text', help: 'new stream', placeholder: 'NAME' },
    unit: { type: 'text', help: 'new unit; values stay as they are', placeholder: 'UNIT' },
  },
  positionals: [seriesPositional],
  async run({ options, positionals: [text = ''], io }) {
    const { metric, device, stream, unit } = options;
    const names = {
      ...(metric === undefined ? {} : { metric }),
      ...(device === undefined ? {} : { device }),
      ...(stream === undefined ? {} : { stream }),
      ...(unit === undefined ? {} : { unit }),
    };
    if (Object.keys(names).length === 0)
      throw new FoglineError('usage', 'give the new name: --metric, --device, --stream or --unit');
    io.out(await give(options, io.env, { kind: 'series_rename', series: idOf(text), names }));
  },
});

const merge = defineCommand({
  name: 'series merge',
  summary: 'Reads one series as part of another from now on, history included.',
  options: place,
  positionals: [seriesPositional, { name: 'INTO', help: 'id of the series that both are read as' }],
  async run({ options, positionals: [text = '', into = ''], io }) {
    io.out(await give(options, io.env, { kind: 'series_merge', series: idOf(text), into: idOf(into) }));
  },
});

const remove = defineCommand({
  name: 'series delete',
  summary: 'Deletes a range of a series for good: what comes for it later is left out too.',
  options: {
    ...place,
    from: { type: 'text', help: 'begin, as in queries: now-6h, RFC 3339 or ms', placeholder: 'TIME', isRequired: true },
    to: { type: 'text', help: 'end, not in the range', placeholder: 'TIME', isRequired: true },
  },
  positionals: [seriesPositional],
  async run({ options, positionals: [text = ''], io }) {
    const { fromMs, toMs } = parseRange(options.from, options.to, systemClock.now());
    io.out(await give(options, io.env, { kind: 'series_delete', series: idOf(text), fromMs, toMs }));
  },
});

const deleted = defineCommand({
  name: 'series deleted',
  summary: 'Lists the ranges that were deleted, what they held, and what came for them since.',
  options: place,
  run({ options, io }) {
    withDatabase(openExisting, options, io.env, (db) => {
      const rows = new StoreReader(new HubStore(db)).tombstones();
      for (const { agent, series, fromMs, toMs, readings, late } of rows)
        io.out([series ?? '-', agent, isoOf(fromMs), isoOf(toMs), `${readings} readings`, `${late} since`].join('\t'));
      if (rows.length === 0) io.err('nothing was deleted');
    });
  },
});

export const seriesCommands = [list, rename, merge, remove, deleted];
