/** A hub's store on disk with readings of whole days, written by the hub's own ingest, batch by batch. */
import { join } from 'node:path';
import { HubCore } from '@fogline/cloud-hub/ingest/hub-core';
import { openHubDatabase } from '@fogline/cloud-hub/store/schema';
import { definition, FixtureAgent } from '@fogline/cloud-hub/testing/store-fixture';
import type { SeriesDefinition } from '@fogline/shared/reading';
import { ManualClock } from '@fogline/shared/testing/manual-clock';

export const startMs = Date.UTC(2026, 0, 1);
const seriesPerAgent = 50;
const rowsPerBatch = 12;
const batchesPerFold = 4_000;

interface Kind {
  readonly name: string;
  readonly count: number;
  readonly stepMs: number;
  readonly days: number;
  readonly fields: Partial<SeriesDefinition>;
}

export interface QueryStore {
  readonly core: HubCore;
  readonly readings: number;
  close(): void;
}

/** `slow`: a reading every ten minutes for `days`; `calm`: the same behind a deadband; `fast`: one a second for a day. */
export function buildStore(folder: string, series: number, days: number): QueryStore {
  const db = openHubDatabase(join(folder, 'hub.db'));
  const core = new HubCore(db, { clock: new ManualClock(startMs), send: () => {} });
  const kinds: readonly Kind[] = [
    { name: 'slow', count: series, stepMs: 600_000, days, fields: {} },
    { name: 'calm', count: 50, stepMs: 600_000, days, fields: { sampling: 'held', holdMs: 3_600_000 } },
    { name: 'fast', count: 10, stepMs: 1_000, days: 1, fields: {} },
  ];
  let readings = 0;
  let epoch = 0x10;
  for (const { name, count, stepMs, days: length, fields } of kinds) {
    const agents: FixtureAgent[] = [];
    for (let made = 0; made < count; made += seriesPerAgent) {
      const definitions = Array.from({ length: Math.min(seriesPerAgent, count - made) }, (_, index) =>
        definition({ metric: name, device: `d${index}`, ...fields }),
      );
      agents.push(
        new FixtureAgent(core, `${name}-${agents.length}`, definitions, (epoch++).toString(16).padStart(16, '0')),
      );
    }
    let batches = 0;
    for (let at = 0; at < length * 86_400_000; at += stepMs * rowsPerBatch) {
      for (const [index, agent] of agents.entries()) {
        const width = Math.min(seriesPerAgent, count - index * seriesPerAgent);
        agent.send(rowsAt(at, stepMs, width));
        readings += width * rowsPerBatch;
        if (++batches % batchesPerFold === 0) core.fold();
      }
    }
  }
  core.fold();
  return { core, readings, close: () => db.close() };
}

function rowsAt(at: number, stepMs: number, width: number) {
  return Array.from({ length: rowsPerBatch * width }, (_, row) => {
    const series = row % width;
    const timeMs = startMs + at + Math.floor(row / width) * stepMs;
    return { series, timeMs, value: Math.round(200 * Math.sin(timeMs / 4e6 + series)) / 10 };
  });
}
