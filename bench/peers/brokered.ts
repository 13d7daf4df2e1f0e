/** What systems of message brokers have in common: a broker at the edge, one at the hub, and the consumer that stores. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sumOf } from '../kit/process-stats.ts';
import { Running } from '../kit/running.ts';
import type { Place, Stored, System } from './system.ts';

const sinkScript = new URL('sink.ts', import.meta.url);

export interface Brokered {
  readonly edge: Running;
  readonly hub: Running;
  readonly sink: Running;
  /** Where devices publish. */
  readonly port: number;
}

export function writeConfig(place: Place, name: string, text: string): string {
  const file = join(place.folder, name);
  writeFileSync(file, text);
  return file;
}

export async function startSink(place: Place, from: 'mqtt' | 'nats', port: number): Promise<Running> {
  const args = ['--from', from, '--port', String(port), '--database', join(place.folder, 'readings.db')];
  const sink = new Running('the sink', sinkScript, args);
  await sink.line('ready');
  return sink;
}

export function brokeredSystem({ edge, hub, sink, port }: Brokered): System {
  const ask = async (what: 'rows' | 'stored'): Promise<unknown> => {
    const answer = sink.line(`${what} `);
    sink.say(what);
    return JSON.parse((await answer).slice(what.length + 1));
  };
  return {
    port,
    usage: () => ({ edge: edge.usage, hub: sumOf([hub.usage, sink.usage]) }),
    arrived: async () => (await ask('rows')) as number,
    stored: async () => (await ask('stored')) as Stored,
    async close() {
      for (const process of [edge, sink, hub]) await process.stop('SIGKILL');
    },
  };
}
