/** The ingest of a hub whose database is in memory. */
import { HubCore } from '@fogline/cloud-hub/ingest/hub-core';
import { openHubDatabase } from '@fogline/cloud-hub/store/schema';
import { systemClock } from '@fogline/shared/clock';
import { encodeHello, encodeSeries } from '@fogline/shared/protocol/messages';
import type { UpKind } from '@fogline/shared/protocol/topics';
import type { SeriesDefinition } from '@fogline/shared/reading';

export const agent = 'edge';
export const epoch = '00000000000000a1';
export const lane = 2;

export class HubRoom {
  readonly #core = new HubCore(openHubDatabase(':memory:'), { clock: systemClock, send: () => {} });

  constructor() {
    const zero = [0, 0, 0, 0];
    const offer = { epoch, parent: undefined, seriesBase: 0, seriesCount: 0, last: zero };
    const session = { session: 1, page: 1, pages: 1, current: epoch, software: 'bench 1' };
    const clock = { clockMs: 0, isClockTrusted: true, queued: zero };
    this.#submit('hello', encodeHello({ agent, ...session, ...clock, epochs: [offer] }));
  }

  get applied(): number {
    return this.#core.read.counters().itemsApplied;
  }

  learn({ first, definitions }: { first: number; definitions: readonly SeriesDefinition[] }): void {
    if (definitions.length > 0) this.#submit('series', encodeSeries({ agent, epoch, first, definitions }));
  }

  apply(batch: Uint8Array): void {
    this.#submit('batch', batch);
  }

  #submit(kind: UpKind, payload: Uint8Array): void {
    this.#core.submit(agent, kind, payload, () => {});
    while (this.#core.commit());
  }
}
