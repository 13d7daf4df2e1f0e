/** Has the hub of a folder do something to its data: the one that runs, else this process, under the lock of the folder. */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError, hasCode } from '@fogline/shared/errors';
import { silentLogger } from '@fogline/shared/log';
import { systemRandom } from '@fogline/shared/random';
import type { Database } from '@fogline/shared/sqlite';
import { Alarms } from './alarms/alarms.ts';
import { configOf, type Env, type PlaceOptions } from './cli-place.ts';
import type { HubConfig } from './config.ts';
import { copyTombstones, lockDataFolder, openExisting } from './data-folder.ts';
import { HubCore } from './ingest/hub-core.ts';
import type { AppliedBatch } from './ingest/ports.ts';
import { type Order, OrderTable } from './store/orders.ts';

const pollMs = 50;
/** A hub looks twice a second, and may be busy. */
const answerWithinMs = 30_000;

/** Returns what was done. Throws `not_found`, `usage`; `unavailable` when the hub that runs does not answer. */
export async function give(options: PlaceOptions, env: Env, order: Order): Promise<string> {
  const config = configOf(options, env).value;
  const { dataFolder } = config;
  const db = openExisting(dataFolder);
  try {
    const lock = tryLock(dataFolder);
    if (lock !== undefined) {
      try {
        const answer = openCore(db, config).order(order);
        copyTombstones(dataFolder, db);
        return answer;
      } finally {
        lock.release();
      }
    }
    const orders = new OrderTable(db);
    const id = db.transaction(() => orders.add(order, systemClock.now()));
    for (const endMs = systemClock.monotonic() + answerWithinMs; systemClock.monotonic() < endMs; await sleep(pollMs)) {
      const { state, answer } = orders.get(id);
      if (state === 'done') return answer;
      if (state === 'refused') throw new FoglineError('usage', answer);
    }
    throw new FoglineError(
      'unavailable',
      `the hub of ${dataFolder} has not answered within 30 s; it carries the order out when it does`,
    );
  } finally {
    db.close();
  }
}

/** A hub in all but its doors: alarms in what is carried out are told when the hub runs again. */
function openCore(db: Database, { retention, alarms: config }: HubConfig): HubCore {
  const clock = systemClock;
  const onAlarms = (batch: AppliedBatch): void => alarms.applied(batch);
  const core = new HubCore(db, { clock, send: () => undefined, onAlarms }, { retention });
  const rest = { clock, random: systemRandom, log: silentLogger, isBusy: () => false, hasRoom: () => true };
  const alarms = new Alarms({ db, store: core.read, config, ...rest });
  return core;
}

function tryLock(folder: string): { release(): void } | undefined {
  try {
    return lockDataFolder(folder);
  } catch (error) {
    if (hasCode(error, 'address_in_use')) return undefined;
    throw error;
  }
}
