/** Ingest beside what is measured: a process that sends batches (load/batch-sender.ts) to a hub or to victoria-metrics. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDataFolder } from '@fogline/cloud-hub/data-folder';
import { AgentRegistry } from '@fogline/cloud-hub/fleet/agents';
import { systemClock } from '@fogline/shared/clock';
import { type SendResult, senderNames } from '../load/batch-sender.ts';
import { Running } from './running.ts';

const script = new URL('../load/batch-sender.ts', import.meta.url);

/** Enrols the senders at a hub that is not running yet; returns the file of their tokens. */
export function enrolSenders(hubFolder: string): string {
  const db = openDataFolder(hubFolder);
  const registry = new AgentRegistry(db, systemClock);
  const tokens = Object.fromEntries(senderNames.map((name) => [name, registry.create(name)]));
  db.close();
  const file = join(hubFolder, 'bench-tokens.json');
  writeFileSync(file, JSON.stringify(tokens), { mode: 0o600 });
  return file;
}

export class Ingest {
  readonly #process: Running;
  /** Of everything so far. */
  sent = 0;
  sumHundredths = 0;

  private constructor(process: Running) {
    this.#process = process;
  }

  /** Without `tokens` to victoria-metrics. Resolves when all are accepted. */
  static async connect(port: number, rate: number, tokens?: string): Promise<Ingest> {
    const args = ['--port', String(port), '--rate', String(rate)];
    const process = new Running('the ingest', script, tokens === undefined ? args : [...args, '--tokens', tokens]);
    await process.line('ready');
    return new Ingest(process);
  }

  go(): void {
    this.#process.say('go');
  }

  /** Resolves when everything is acked. */
  async rest(): Promise<SendResult> {
    this.#process.say('rest');
    const line = await this.#process.line('result ');
    const result = JSON.parse(line.slice('result '.length)) as SendResult;
    this.sent += result.sent;
    this.sumHundredths += result.sumHundredths;
    return result;
  }

  async stop(): Promise<void> {
    await this.#process.stop('SIGKILL');
  }
}
