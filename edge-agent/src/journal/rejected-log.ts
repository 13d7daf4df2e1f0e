/**
 * What arrived and became no reading: every one counted, a few kept as samples for whoever has to find out why. Counts are
 * durable with the next commit, samples with the next checkpoint.
 */
import type { AgentStore } from './agent-store.ts';
import type { RejectedSample } from './stored.ts';

/** Of one source and reason: taken between two checkpoints, and kept in the database, the newest. */
const samplesPerReasonMax = 4;
const samplesKeptPerReasonMax = 8;
const payloadBytesMax = 512;
const topicCharactersMax = 256;

export class RejectedLog {
  readonly #samples = new Map<string, RejectedSample[]>();

  add(sample: { at: number; source: string; reason: string; topic: string; payload: Uint8Array }): void {
    const key = `${sample.source}.${sample.reason}`;
    const samples = this.#samples.get(key) ?? [];
    if (samples.length >= samplesPerReasonMax) return;
    const payload = Buffer.from(sample.payload.subarray(0, payloadBytesMax)).toString('utf8');
    samples.push({ ...sample, topic: sample.topic.slice(0, topicCharactersMax), payload });
    this.#samples.set(key, samples);
  }

  /** Inside the transaction of a checkpoint. */
  flush(store: AgentStore): void {
    if (this.#samples.size === 0) return;
    for (const samples of this.#samples.values()) for (const sample of samples) store.insertRejected(sample);
    store.trimRejected(samplesKeptPerReasonMax);
    this.#samples.clear();
  }
}
