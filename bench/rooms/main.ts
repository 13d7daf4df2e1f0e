/**
 * What a reading costs in each room of the house, in CPU time of one process, without sockets: the same readings go from the bytes of a
 * sender to a transaction of the hub (in memory). What is left to the kernel, to fsync and to the compiler shows in `peers` and `end-to-end`.
 */
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures } from '../kit/figures.ts';
import { EdgeRooms } from './edge.ts';
import { HubRoom } from './hub.ts';
import { linesOf, type Messages, publishesOf } from './messages.ts';

const options = {
  runs: { type: 'integer', default: 5, help: 'of every figure' },
  readings: { type: 'integer', default: 400_000, help: 'in one run' },
  commit: { type: 'integer', default: 5_000, help: 'readings that one commit gathers' },
} as const;

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const figures = new Figures();
  const kinds = { 'MQTT QoS 1, a reading a message': publishesOf, 'line protocol, 1,000 lines a request': linesOf };
  // The first round compiles.
  for (let round = 0; round <= values.runs; round++) {
    for (const [title, messagesOf] of Object.entries(kinds)) {
      for (const [room, micros] of costsOf(messagesOf(values.readings), values.commit)) {
        if (round > 0) figures.add(title, room, 'µs/reading', micros);
      }
    }
  }
  const notes = { readings: values.readings, 'readings a commit': values.commit, series: 50 };
  figures.print({ bench: 'rooms', command: ['npm run bench -- rooms', ...args].join(' '), notes });
}

/** CPU microseconds per reading, by room. */
function costsOf(messages: Messages, perCommit: number): [string, number][] {
  const edge = new EdgeRooms(messages);
  const hub = new HubRoom();
  const micros = new Map<string, number>();
  const timed = <T>(room: string, work: () => T): T => {
    const before = process.cpuUsage();
    const result = work();
    const { user, system } = process.cpuUsage(before);
    micros.set(room, (micros.get(room) ?? 0) + user + system);
    return result;
  };
  let readings = 0;
  for (const chunks of messages.commits(perCommit)) {
    for (const chunk of chunks) timed(messages.room, () => edge.receive(chunk));
    const batches = timed('batch of the source', () => edge.batch());
    for (const { columns } of batches) readings += columns.count;
    timed('repeats, durable series', () => edge.gather(batches));
    const taken = timed('order, encoding (the journal)', () => edge.take());
    const results = timed('pipeline: all, and a window of 10 s', () => edge.process(taken));
    const payload = timed('message to the hub', () => edge.seal(taken, results));
    if (messages.kind === 'mqtt') timed('acks', () => edge.settle());
    hub.learn(edge.takeDefinitions());
    timed('hub: apply, roll-ups, transaction', () => hub.apply(payload));
  }
  if (readings !== messages.readings || hub.applied < readings) {
    throw new Error(`${readings} of ${messages.readings} readings came through, ${hub.applied} to the hub`);
  }
  return [...micros].map(([room, total]) => [room, total / readings]);
}
