/**
 * Durable series ids: dense, appended, never changed. A definition assigned in memory becomes durable with the commit that
 * first uses it (`takeNew`), so ids seen in the log are always defined, and a replay finds the same ids.
 */
import { FoglineError } from '@fogline/shared/errors';
import { packDefinition, unpackDefinition } from '@fogline/shared/protocol/definition';
import { fieldsOf, packEnvelope } from '@fogline/shared/protocol/envelope';
import type { SeriesDefinition } from '@fogline/shared/reading';
import type { SeriesRegistry } from '../pipeline/operator.ts';

/** Definitions of one database; sources refuse new devices long before. */
const seriesCountMax = 1_000_000;

export class DurableSeries implements SeriesRegistry {
  readonly #definitions: SeriesDefinition[] = [];
  readonly #ids = new Map<string, number>();
  #durableCount = 0;

  /** Adds what the database holds, in id order. */
  load(packed: Uint8Array): void {
    this.#append(unpackStored(packed));
    this.#durableCount = this.#definitions.length;
  }

  get count(): number {
    return this.#definitions.length;
  }

  has(definition: SeriesDefinition): boolean {
    return this.#ids.has(keyOf(definition));
  }

  idOf(definition: SeriesDefinition): number {
    return this.#ids.get(keyOf(definition)) ?? this.#append(definition);
  }

  definitionOf(id: number): SeriesDefinition {
    const definition = this.#definitions[id];
    if (definition === undefined) throw new FoglineError('storage_corrupt', `series ${id} is used but not defined`);
    return definition;
  }

  /** Definitions assigned since the last call, to be stored in the transaction of the commit at hand. */
  takeNew(): { id: number; packed: Uint8Array }[] {
    const out: { id: number; packed: Uint8Array }[] = [];
    for (let id = this.#durableCount; id < this.#definitions.length; id++) {
      const definition = this.#definitions[id];
      if (definition !== undefined) out.push({ id, packed: packEnvelope('', [packDefinition(definition)]) });
    }
    this.#durableCount = this.#definitions.length;
    return out;
  }

  slice(first: number, end: number): SeriesDefinition[] {
    return this.#definitions.slice(first, end);
  }

  #append(definition: SeriesDefinition): number {
    const id = this.#definitions.length;
    if (id >= seriesCountMax)
      throw new FoglineError('limit_exceeded', `more than ${seriesCountMax} series in one agent`);
    this.#definitions.push(definition);
    this.#ids.set(keyOf(definition), id);
    return id;
  }
}

function unpackStored(packed: Uint8Array): SeriesDefinition {
  const record = fieldsOf(packed, 'series').fields.nested('definition');
  return unpackDefinition(record);
}

function keyOf(definition: SeriesDefinition): string {
  return JSON.stringify(packDefinition(definition));
}
