/** For tests: a store with alarms, whose hub may be started again; time stands still until it is moved. */
import { silentLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { type AlarmsConfig, defaultAlarms } from '../alarms/alarm-config.ts';
import type { AlarmRow } from '../alarms/alarm-view.ts';
import { Alarms, type AlarmsOptions } from '../alarms/alarms.ts';
import { openStoreFixture, type StoreFixture } from './store-fixture.ts';

export interface AlarmFixture extends StoreFixture {
  readonly clock: ManualClock;
  /** What was logged. */
  readonly logged: unknown[];
  /** Takes the place of the alarms before, as another process would; not started. */
  open(config?: Partial<AlarmsConfig>, options?: Partial<AlarmsOptions>): Alarms;
  rows(): AlarmRow[];
  /** Event times and words of the first alarm, oldest first. */
  history(alarm?: number): [timeMs: number, word: string][];
}

export function openAlarmFixture(nowMs: number): AlarmFixture {
  const clock = new ManualClock(nowMs);
  const logged: unknown[] = [];
  const log = { ...silentLogger, warn: (entry: unknown) => void logged.push(entry) };
  let alarms: Alarms | undefined;
  const store = openStoreFixture(clock, {
    onAlarms: (batch) => alarms?.applied(batch),
    onCommitted: (change) => alarms?.committed(change),
  });
  const open = (config: Partial<AlarmsConfig> = {}, options: Partial<AlarmsOptions> = {}): Alarms => {
    alarms = new Alarms({
      db: store.db,
      store: store.core.read,
      clock,
      random: new SeededRandom(1),
      log,
      config: { ...defaultAlarms, ...config },
      isBusy: () => false,
      hasRoom: () => true,
      ...options,
    });
    return alarms;
  };
  const view = open().seenBy(undefined);
  return {
    ...store,
    clock,
    logged,
    open,
    rows: () => view.list({ limit: 1_000 }, clock.now()),
    history: (alarm = 1) =>
      view
        .history(alarm, { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 1_000 })
        .map(({ timeMs, word }): [number, string] => [timeMs, word])
        .reverse(),
  };
}
