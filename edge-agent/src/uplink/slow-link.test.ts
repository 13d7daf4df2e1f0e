/** A link on which a batch takes minutes: it is given up some times at first, and then carries all there is. */
import { decodeBatch, decodeHello } from '@fogline/shared/protocol/messages';
import { SeededRandom } from '@fogline/shared/random';
import { expect, it } from 'vitest';
import { CoreKit } from '../testing/core-kit.ts';
import { type Published, type StubHub, welcomeTo } from './testing/stub-hub.ts';

/** Lets so many bytes pass in a second, one message after the other; pings stand in the same line. */
class SlowLink {
  readonly #hub: StubHub;
  readonly #bytesPerSecond: number;
  #opened = 0;
  #credit = 0;
  #pings = 0;

  constructor(hub: StubHub, bytesPerSecond: number) {
    this.#hub = hub;
    this.#bytesPerSecond = bytesPerSecond;
    hub.isSilent = true;
  }

  /** What arrived within a second, and was acked. */
  pass(): Published[] {
    const hub = this.#hub;
    if (hub.opened > this.#opened) [this.#opened, this.#credit, this.#pings] = [hub.opened, 0, 0];
    this.#credit += this.#bytesPerSecond;
    const arrived: Published[] = [];
    for (;;) {
      const [next] = hub.published;
      if (next === undefined || next.payload.byteLength > this.#credit) break;
      hub.published.shift();
      this.#credit -= next.payload.byteLength;
      arrived.push(next);
      hub.events?.onAck(next.reference);
      if (next.kind === 'hello') hub.say('pi', 'welcome', welcomeTo(decodeHello(next.payload)));
    }
    if (hub.published.length > 0) return arrived;
    this.#credit = 0;
    if (hub.pings > this.#pings) hub.events?.onHeard();
    this.#pings = hub.pings;
    return arrived;
  }
}

it.each([
  [1_000, 5],
  [4_000, 2],
  [20_000, 1],
])('a backlog of large batches comes over %d bytes a second in %d connections', (bytesPerSecond, connections) => {
  const kit = new CoreKit();
  const random = new SeededRandom(5);
  const count = 40_000;
  for (let n = 0; n < count / 5_000; n++) {
    kit.submitAll(Array.from({ length: 5_000 }, (_, i) => [n * 5_000 + i, random.uint32() / 7]));
    kit.core.commit();
  }
  kit.core.start();
  const link = new SlowLink(kit.hub, bytesPerSecond);
  const held = new Set<number>();
  let [bytesMax, opened] = [0, 0];
  for (let second = 0; second < 3_600 && held.size < count; second++) {
    if (kit.hub.opened > opened) kit.hub.events?.onOpen();
    opened = kit.hub.opened;
    for (const { kind, payload } of link.pass()) {
      if (kind !== 'batch') continue;
      bytesMax = Math.max(bytesMax, payload.byteLength);
      const { first, last } = decodeBatch(payload);
      for (let seq = first; seq <= last; seq++) held.add(seq);
    }
    kit.clock.advance(1_000);
  }
  expect([held.size, opened]).toEqual([count, connections]);
  expect(bytesMax).toBeGreaterThan(128 * 1_024);
  kit.close();
});
