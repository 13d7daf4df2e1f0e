/**
 * Durable series ids: dense, appended, never changed. A definition assigned in memory becomes durable with the commit that
 * first uses it (`takeNew`), so ids seen in the log are always defined, and a replay finds the same ids.
 *
 * A series that stays on the agent has another id than one of the same definition that is sent. The hub hears nothing of the former: in its place
 * it is told the definition of a series that is sent, for ids have no gaps (decision 0003).
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
  /** By id: it stays on the agent. */
  readonly #isLocal: boolean[] = [];
  readonly #ids = new Map<string, number>();
  #durableCount = 0;

  /** Adds what the database holds, in id order. */
  load(packed: Uint8Array): void {
    const { definition, isLocal } = unpackStored(packed);
    this.#append(definition, isLocal);
    this.#durableCount = this.#definitions.length;
  }

  get count(): number {
    return this.#definitions.length;
  }

  has(definition: SeriesDefinition, isLocal = false): boolean {
    return this.#ids.has(keyOf(definition, isLocal));
  }

  idOf(definition: SeriesDefinition, isLocal = false): number {
    return this.#ids.get(keyOf(definition, isLocal)) ?? this.#append(definition, isLocal);
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
      const isLocal = this.#isLocal[id] === true ? 1 : 0;
      if (definition !== undefined) out.push({ id, packed: packEnvelope('', [packDefinition(definition), isLocal]) });
    }
    this.#durableCount = this.#definitions.length;
    return out;
  }

  /** What the hub is told of these ids; undefined as long as no series is sent. Always the same for an id. */
  told(first: number, end: number): SeriesDefinition[] | undefined {
    let standIn = this.#isLocal.lastIndexOf(false, first);
    if (standIn < 0) standIn = this.#isLocal.indexOf(false);
    if (standIn < 0) return undefined;
    const told: SeriesDefinition[] = [];
    for (let id = first; id < end; id++) {
      if (this.#isLocal[id] === false) standIn = id;
      told.push(this.definitionOf(standIn));
    }
    return told;
  }

  #append(definition: SeriesDefinition, isLocal: boolean): number {
    const id = this.#definitions.length;
    if (id >= seriesCountMax)
      throw new FoglineError('limit_exceeded', `more than ${seriesCountMax} series in one agent`);
    this.#definitions.push(definition);
    this.#isLocal.push(isLocal);
    this.#ids.set(keyOf(definition, isLocal), id);
    return id;
  }
}

function unpackStored(packed: Uint8Array): { readonly definition: SeriesDefinition; readonly isLocal: boolean } {
  const { fields } = fieldsOf(packed, 'series');
  const definition = unpackDefinition(fields.nested('definition'));
  return { definition, isLocal: fields.integer('isLocal', 0, 1) === 1 };
}

function keyOf(definition: SeriesDefinition, isLocal: boolean): string {
  return JSON.stringify([packDefinition(definition), isLocal]);
}
