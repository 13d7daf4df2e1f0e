/**
 * What people do to alarms, from the API or from a command in another process: each deed and its entry in the history in one transaction. What
 * is to be told because of it, the hub that runs tells within a second.
 */
import { FoglineError } from '@fogline/shared/errors';
import type { Database } from '@fogline/shared/sqlite';
import { type AlarmState, acknowledged, shelveMsMax } from './alarm-state.ts';
import { AlarmTable, type StoredAlarm } from './alarm-table.ts';

/** Who does something, when, and what they say of it. */
export interface Deed {
  readonly who: string;
  readonly nowMs: number;
  readonly note: string;
}

/** In the place of an epoch: what people do is no transition. */
const deedEpoch = 'hub';

/** Within a transaction: writes the deed into the history; returns the state after it, which is not saved yet. */
export function noteDeed(
  table: AlarmTable,
  { id, state }: StoredAlarm,
  word: string,
  { who, nowMs, note }: Deed,
  change: (state: AlarmState) => AlarmState,
): AlarmState {
  const deeds = state.deeds + 1;
  const changed = { ...change(state), deeds };
  table.note(id, { word, place: [nowMs, deedEpoch, deeds], atMs: nowMs, who, note });
  table.trim(id);
  return changed;
}

export class AlarmDeeds {
  readonly #db: Database;
  readonly #table: AlarmTable;
  readonly #hasRoom: () => boolean;

  constructor(db: Database, hasRoom: () => boolean = () => true) {
    this.#db = db;
    this.#hasRoom = hasRoom;
    this.#table = new AlarmTable(db);
  }

  /** Throws `not_found`; `usage` where there is nothing to acknowledge; `unavailable`, as the others do, where the disk is full. */
  acknowledge(id: number, deed: Deed): void {
    this.#do(id, 'acknowledged', deed, (state) => {
      const { place, activated } = state;
      if (place === null || activated === null)
        throw new FoglineError('usage', `alarm ${id} is ${state.word}: only an active one can be acknowledged`);
      return acknowledged(state, { by: deed.who, atMs: deed.nowMs, note: deed.note, covers: place });
    });
  }

  /** It tells nothing for so long. Throws `not_found`, `usage`. */
  shelve(id: number, forMs: number, deed: Deed): void {
    if (!(forMs > 0 && forMs <= shelveMsMax))
      throw new FoglineError('usage', 'an alarm is shelved for some time, at most 7d: then somebody looks again');
    const { who: by, nowMs: atMs, note } = deed;
    this.#do(id, 'shelved', deed, (state) => ({ ...state, shelf: { by, atMs, untilMs: atMs + forMs, note } }));
  }

  /** Throws `not_found`; `usage` where it is not shelved. */
  unshelve(id: number, deed: Deed): void {
    this.#do(id, 'unshelved', deed, (state) => {
      if (state.shelf === null) throw new FoglineError('usage', `alarm ${id} is not shelved`);
      return { ...state, shelf: null };
    });
  }

  #do(id: number, word: string, deed: Deed, change: (state: AlarmState) => AlarmState): void {
    if (!this.#hasRoom())
      throw new FoglineError('unavailable', 'the disk of the hub is full: nothing is changed until there is room');
    this.#db.transaction(() => {
      const alarm = this.#table.get(id);
      if (alarm === undefined)
        throw new FoglineError(
          'not_found',
          `no alarm ${id}: take an id of /api/v1/alarms or "fogline-hub alarms list"`,
        );
      const state = noteDeed(this.#table, alarm, word, deed, change);
      this.#table.save({ ...alarm, state }, deed.nowMs);
    });
  }
}
