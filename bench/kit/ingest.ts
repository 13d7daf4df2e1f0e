/** Ingest, measured or beside what is: a process that sends batches (load/batch-sender.ts) to a hub or to victoria-metrics. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDataFolder } from '@fogline/cloud-hub/data-folder';
import { AgentRegistry } from '@fogline/cloud-hub/fleet/agents';
import { systemClock } from '@fogline/shared/clock';
import { type SendResult, senderNames } from '../load/batch-sender.ts';
import { argumentsOf, Running } from './running.ts';

const script = new URL('../load/batch-sender.ts', import.meta.url);

/** Enrols senders at a hub that is not running yet; returns the file of their tokens. */
export function enrolSenders(hubFolder: string, names: readonly string[] = senderNames): string {
  const db = openDataFolder(hubFolder);
  const registry = new AgentRegistry(db, systemClock);
  const tokens = Object.fromEntries(names.map((name) => [name, registry.create(name)]));
  db.close();
  const file = join(hubFolder, `${names[0]}-tokens.json`);
  writeFileSync(file, JSON.stringify(tokens), { mode: 0o600 });
  return file;
}

export interface IngestOptions {
  readonly port: number;
  /** Readings a second. */
  readonly rate: number;
  /** Of each sender, and readings of each in a batch; default 50 and 2. */
  readonly series?: number;
  readonly each?: number;
  /** Who sends to a hub; without it to victoria-metrics. */
  readonly tokens?: string;
}

export class Ingest {
  readonly #process: Running;
  /** Of everything so far. */
  sent = 0;
  sumHundredths = 0;

  private constructor(process: Running) {
    this.#process = process;
  }

  /** Resolves when all are accepted. */
  static async connect(options: IngestOptions): Promise<Ingest> {
    const process = new Running('the ingest', script, argumentsOf(options));
    await process.line('ready');
    return new Ingest(process);
  }

  go(): void {
    this.#process.say('go');
  }

  /** Resolves when everything is acked. */
  async rest(): Promise<SendResult> {
    this.#process.say('rest');
    const result = await this.#process.result<SendResult>();
    this.sent += result.sent;
    this.sumHundredths += result.sumHundredths;
    return result;
  }

  async stop(): Promise<void> {
    await this.#process.stop('SIGKILL');
  }
}
