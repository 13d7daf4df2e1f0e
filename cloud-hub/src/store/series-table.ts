/**
 * Series and their definitions. (epoch, local id) → (hub series, width, hold); ids below an epoch's `seriesBase` are its parent's.
 * Definitions are append-only, so what resolves once resolves for ever and to the same.
 */
import type { SeriesDefinition } from '@fogline/shared/reading';
import type { Database, Statement } from '@fogline/shared/sqlite';
import type { EpochState, EpochTable } from './epoch-table.ts';

/** Local ids of one epoch, inheritance included. Sparse: a hole is unknown. */
export interface LocalSeries {
  /** Hub series by local id; 0 = unknown. */
  readonly ids: number[];
  readonly widthMs: number[];
  readonly holdMs: number[];
  readonly isWindow: boolean[];
  /** Ids below it are all known. */
  known: number;
}

interface DefinitionRow {
  readonly local: number;
  readonly series: number;
  readonly width: number;
  readonly hold: number;
  readonly kind: string;
}

export interface SeriesRow {
  readonly id: number;
  readonly agent: number;
  readonly stream: string;
  readonly device: string;
  readonly metric: string;
  readonly unit: string;
  readonly kind: string;
  readonly type: string;
  readonly sampling: string;
  readonly widths: string;
  readonly merged_into: number;
}

export type DefineOutcome =
  | { readonly kind: 'defined'; readonly added: number }
  | { readonly kind: 'conflict' | 'limit' | 'corrupt'; readonly detail: string };

/** Entries of all cached tables together; beyond it the cache starts anew. */
const cachedEntriesMax = 4_000_000;

export class SeriesTable {
  readonly #epochs: EpochTable;
  readonly #cache = new Map<number, LocalSeries>();
  readonly #counts = new Map<number, number>();
  #cachedEntries = 0;
  #asked: { readonly series: number; readonly isHeld: boolean } | undefined;
  readonly #own: Statement<DefinitionRow>;
  readonly #findIdentity: Statement<{ id: number; widths: string }>;
  readonly #identityOf: Statement<{ identity: string }>;
  readonly #find: Statement<SeriesRow>;
  readonly #namesake: Statement<{ id: number }>;
  readonly #rename: Statement<never>;
  readonly #setWidths: Statement<never>;
  readonly #samplingOf: Statement<{ sampling: string }>;
  readonly #agentOf: Statement<{ agent: number }>;
  readonly #count: Statement<{ count: number }>;
  readonly #insertSeries: Statement<never>;
  readonly #touchSeries: Statement<never>;
  readonly #insertDefinition: Statement<never>;

  constructor(db: Database, epochs: EpochTable) {
    this.#epochs = epochs;
    this.#own = db.prepare(
      'SELECT d.local, d.series, d.width, d.hold, s.kind FROM definitions d JOIN series s ON s.id = d.series WHERE d.epoch = ? ORDER BY d.local',
    );
    this.#findIdentity = db.prepare('SELECT id, widths FROM series WHERE agent = ? AND identity = ?');
    this.#identityOf = db.prepare('SELECT identity FROM series WHERE id = ?');
    this.#find = db.prepare('SELECT * FROM series WHERE id = ?');
    this.#namesake = db.prepare(
      `SELECT id FROM series WHERE agent = ? AND id <> ? AND stream = ? AND device = ? AND metric = ? AND unit = ? AND kind = ?
         AND merged_into = 0 LIMIT 1`,
    );
    this.#rename = db.prepare('UPDATE series SET stream = ?, device = ?, metric = ?, unit = ? WHERE id = ?');
    this.#setWidths = db.prepare('UPDATE series SET widths = ? WHERE id = ?');
    this.#samplingOf = db.prepare('SELECT sampling FROM series WHERE id = ?');
    this.#agentOf = db.prepare('SELECT agent FROM series WHERE id = ?');
    this.#count = db.prepare('SELECT count(*) AS count FROM series WHERE agent = ?');
    this.#insertSeries = db.prepare(
      `INSERT INTO series (agent, identity, stream, device, metric, unit, kind, type, sampling, tags, width, hold, widths)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#touchSeries = db.prepare('UPDATE series SET width = ?, hold = ?, widths = ? WHERE id = ?');
    this.#insertDefinition = db.prepare(
      'INSERT INTO definitions (epoch, local, series, width, hold) VALUES (?, ?, ?, ?, ?)',
    );
  }

  of(epoch: EpochState): LocalSeries {
    const cached = this.#cache.get(epoch.id);
    if (cached !== undefined) return cached;
    // From the nearest cached ancestor (or the root) down, one table a generation. A circle ends where it closes.
    const lineage: EpochState[] = [];
    const visited = new Set<number>();
    let base: LocalSeries | undefined;
    for (let at: EpochState | undefined = epoch; at !== undefined && !visited.has(at.id); ) {
      base = this.#cache.get(at.id);
      if (base !== undefined) break;
      visited.add(at.id);
      lineage.push(at);
      at = at.parent === undefined || at.seriesBase === 0 ? undefined : this.#epochs.find(at.agent, at.parent);
    }
    let table = base ?? emptyTable();
    for (const generation of lineage.reverse()) {
      table = inherit(table, generation.seriesBase, this.#own.all(generation.id));
      this.#keep(generation.id, table);
    }
    return table;
  }

  /** Adds definitions, all or none. Repeating what is known changes nothing. */
  define(
    epoch: EpochState,
    first: number,
    definitions: readonly SeriesDefinition[],
    perAgentMax: number,
  ): DefineOutcome {
    const table = this.of(epoch);
    const identities = definitions.map(identityOf);
    const fresh: number[] = [];
    if (first + definitions.length > perAgentMax) {
      return { kind: 'limit', detail: `seriesPerAgentMax: local ids up to ${first + definitions.length - 1}` };
    }
    for (const [i, definition] of definitions.entries()) {
      const local = first + i;
      if ((definition.kind === 'window') !== definition.widthMs > 0) {
        return {
          kind: 'corrupt',
          detail: `series ${local}: kind ${definition.kind} with a width of ${definition.widthMs} ms`,
        };
      }
      const known = table.ids[local] ?? 0;
      if (known === 0) {
        fresh.push(i);
        continue;
      }
      const isSame =
        this.#identityOf.get(known)?.identity === identities[i] &&
        table.widthMs[local] === definition.widthMs &&
        table.holdMs[local] === definition.holdMs;
      if (!isSame) return { kind: 'conflict', detail: `series ${local} of epoch ${epoch.epoch} is defined otherwise` };
    }
    if (this.#countOf(epoch.agent) + fresh.length > perAgentMax) {
      return { kind: 'limit', detail: `seriesPerAgentMax: more than ${perAgentMax} series` };
    }
    for (const i of fresh) {
      const definition = definitions[i];
      if (definition !== undefined) this.#add(epoch, table, first + i, definition, identities[i] ?? '');
    }
    if (fresh.length > 0) this.#extended(epoch, table, fresh.length);
    return { kind: 'defined', added: fresh.length };
  }

  /** Distinct widths of its windows; [0] of readings. */
  widthsOf(series: number): readonly number[] {
    return JSON.parse(this.#find.get(series)?.widths ?? '[]') as number[];
  }

  find(series: number): SeriesRow | undefined {
    return this.#find.get(series);
  }

  /** What its agent calls it. */
  namesAtAgent(series: number): Pick<SeriesDefinition, 'device' | 'metric' | 'tags'> | undefined {
    const row = this.#identityOf.get(series);
    if (row === undefined) return undefined;
    const [, device, metric, , , , , tags] = JSON.parse(row.identity) as Identity;
    return { device, metric, tags };
  }

  /** Other series of its agent that are called so; merged ones are not called anything. */
  namesake(series: SeriesRow): number | undefined {
    const { agent, id, stream, device, metric, unit, kind } = series;
    return this.#namesake.get(agent, id, stream, device, metric, unit, kind)?.id;
  }

  /** What it is called; what its agent calls it stays. */
  rename({ id, stream, device, metric, unit }: SeriesRow): void {
    this.#rename.run(stream, device, metric, unit, id);
  }

  addWidths(series: number, widthsMs: readonly number[]): void {
    const widths = new Set([...this.widthsOf(series), ...widthsMs]);
    this.#setWidths.run(JSON.stringify([...widths].sort((a, b) => a - b)), series);
  }

  /** Whether its sampling is `held`. */
  isHeld(series: number): boolean {
    // A fold asks for each bucket of a series.
    if (this.#asked?.series !== series)
      this.#asked = { series, isHeld: this.#samplingOf.get(series)?.sampling === 'held' };
    return this.#asked.isHeld;
  }

  /** Row id of the agent a hub series belongs to. */
  agentOf(series: number): number {
    return this.#agentOf.get(series)?.agent ?? 0;
  }

  reset(): void {
    this.#asked = undefined;
    this.#clear();
    this.#counts.clear();
  }

  #add(epoch: EpochState, table: LocalSeries, local: number, definition: SeriesDefinition, identity: string): void {
    const { widthMs, holdMs } = definition;
    const known = this.#findIdentity.get(epoch.agent, identity);
    let series = known?.id;
    if (known === undefined || series === undefined) {
      series = this.#insertSeries.run(
        epoch.agent,
        identity,
        definition.stream,
        definition.device,
        definition.metric,
        definition.unit,
        definition.kind,
        definition.type,
        definition.sampling,
        JSON.stringify(definition.tags),
        widthMs,
        holdMs,
        JSON.stringify([widthMs]),
      ).lastInsertRowid;
      this.#counts.set(epoch.agent, this.#countOf(epoch.agent) + 1);
    } else {
      const widths = new Set(JSON.parse(known.widths) as number[]).add(widthMs);
      this.#touchSeries.run(widthMs, holdMs, JSON.stringify([...widths].sort((a, b) => a - b)), series);
      const into = this.#find.get(series)?.merged_into ?? 0;
      if (into > 0) this.addWidths(into, [...widths]);
    }
    this.#insertDefinition.run(epoch.id, local, series, widthMs, holdMs);
    put(table, { local, series, width: widthMs, hold: holdMs, kind: definition.kind });
  }

  /** The table at hand grew in place, so that defining n series costs n; descendants inherit, so theirs are made again when asked for. */
  #extended(epoch: EpochState, table: LocalSeries, added: number): void {
    this.#cachedEntries += added;
    extendKnown(table);
    if (this.#epochs.childrenOf(epoch.agent, epoch.epoch).length > 0) this.#clear();
  }

  #countOf(agent: number): number {
    let count = this.#counts.get(agent);
    if (count === undefined) {
      count = this.#count.get(agent)?.count ?? 0;
      this.#counts.set(agent, count);
    }
    return count;
  }

  #keep(epoch: number, table: LocalSeries): void {
    if (this.#cachedEntries > cachedEntriesMax) this.#clear();
    this.#cache.set(epoch, table);
    this.#cachedEntries += table.ids.length + 1;
  }

  #clear(): void {
    this.#cache.clear();
    this.#cachedEntries = 0;
  }
}

function emptyTable(): LocalSeries {
  return { ids: [], widthMs: [], holdMs: [], isWindow: [], known: 0 };
}

function inherit(parent: LocalSeries, base: number, own: readonly DefinitionRow[]): LocalSeries {
  const table: LocalSeries = {
    ids: parent.ids.slice(0, base),
    widthMs: parent.widthMs.slice(0, base),
    holdMs: parent.holdMs.slice(0, base),
    isWindow: parent.isWindow.slice(0, base),
    known: 0,
  };
  for (const row of own) put(table, row);
  extendKnown(table);
  return table;
}

function put(table: LocalSeries, { local, series, width, hold, kind }: DefinitionRow): void {
  table.ids[local] = series;
  table.widthMs[local] = width;
  table.holdMs[local] = hold;
  table.isWindow[local] = kind === 'window';
}

function extendKnown(table: LocalSeries): void {
  while ((table.ids[table.known] ?? 0) !== 0) table.known++;
}

function identityOf(definition: SeriesDefinition): string {
  const { stream, device, metric, unit, kind, type, sampling, tags } = definition;
  return JSON.stringify([stream, device, metric, unit, kind, type, sampling, tags] satisfies Identity);
}

type Identity = readonly [string, string, string, string, string, string, string, SeriesDefinition['tags']];
