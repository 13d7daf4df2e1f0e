/**
 * The consumer at the hub of a message broker, a process of its own: into SQLite in transactions of up to 1,000 messages, or of what
 * came within 20 ms; NATS gets its ack after the commit. Says `ready`; answers the lines `rows` and `stored`.
 */
import { createInterface } from 'node:readline';
import { parseOptions } from '@fogline/shared/cli-options';
import { mqttInbox } from './mqtt-inbox.ts';
import { natsInbox } from './nats-inbox.ts';
import { ReadingsTable } from './readings-table.ts';

/** Messages of a broker, and the way to ack them. */
export interface Inbox {
  /** Acks everything that was handed over so far. */
  ack(): void;
}

export type OpenInbox = (port: number, onMessage: (payload: string) => void) => Promise<Inbox>;

const options = {
  from: { type: 'text', choices: ['mqtt', 'nats'], default: 'mqtt', help: 'protocol of the broker' },
  port: { type: 'port', isRequired: true, help: 'of the broker' },
  database: { type: 'text', isRequired: true, help: 'file' },
} as const;

const rowsMax = 1_000;
const waitMsMax = 20;

async function run(argv: readonly string[]): Promise<void> {
  const { from, port, database } = parseOptions(argv, options).values;
  const table = new ReadingsTable(database);
  const commit = (): void => {
    if (table.pending === 0) return;
    table.commit();
    inbox.ack();
  };
  const open: OpenInbox = from === 'nats' ? natsInbox : mqttInbox;
  const inbox = await open(port, (payload) => {
    table.add(payload);
    if (table.pending >= rowsMax) commit();
  });
  setInterval(commit, waitMsMax);
  for await (const line of ready()) {
    if (line === 'rows') console.log(`rows ${table.rows}`);
    else if (line === 'stored') console.log(`stored ${JSON.stringify(table.stored())}`);
  }
}

function ready(): AsyncIterable<string> {
  const lines = createInterface({ input: process.stdin });
  console.log('ready');
  return lines;
}

await run(process.argv.slice(2));
