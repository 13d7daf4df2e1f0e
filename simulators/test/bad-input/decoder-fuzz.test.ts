/**
 * Every decoder of the protocol against seeded damage: it refuses by the two codes there are for that, or it understood, and then it
 * can say the same again. FOGLINE_SEED=n runs one seed.
 */
import { env } from 'node:process';
import { hasCode, messageOf } from '@fogline/shared/errors';
import { envelopeBytesMax } from '@fogline/shared/protocol/envelope';
import { encodeBatch, encodeStatus } from '@fogline/shared/protocol/messages';
import { unpackAnything } from '@fogline/shared/protocol/testing/message-pack';
import { SeededRandom } from '@fogline/shared/random';
import { describe, expect, it } from 'vitest';
import { hostileMessages } from './msgpack-bytes.ts';
import { mutate } from './mutate.ts';
import { answerSamples, type Codec, codecs, downSamples, epoch, rogue, upSamples } from './samples.ts';

const seeds =
  env['FOGLINE_SEED'] === undefined ? Array.from({ length: 4_000 }, (_, n) => n + 1) : [Number(env['FOGLINE_SEED'])];
const samples = [...upSamples, ...answerSamples, ...downSamples];

/** What is wrong with how a decoder took a payload; undefined when nothing is. */
function fault({ understand }: Codec, payload: Uint8Array): string | undefined {
  let say: () => Uint8Array;
  try {
    say = understand(payload);
  } catch (error) {
    return hasCode(error, 'message_invalid', 'message_version') ? undefined : `threw ${messageOf(error)}`;
  }
  if (payload.byteLength > envelopeBytesMax) return 'took more than envelopeBytesMax';
  try {
    const said = say();
    return Buffer.compare(understand(said)(), said) === 0 ? undefined : 'says something else than it understood';
  } catch (error) {
    return `understood what cannot be said: ${messageOf(error)}`;
  }
}

/** The first fault, with the seed that shows it. */
function firstFault(codec: Codec, sound: readonly Uint8Array[]): string | undefined {
  for (const seed of seeds) {
    const random = new SeededRandom(seed);
    const found = fault(codec, mutate(random, sound[random.below(sound.length)] ?? new Uint8Array(0)));
    if (found !== undefined) return `FOGLINE_SEED=${seed}: ${found}`;
  }
  return undefined;
}

const kinds = Object.keys(codecs) as (keyof typeof codecs)[];

it.each(kinds)('%s', (kind) => {
  const sound = samples.filter(([sample]) => sample === kind).map(([, payload]) => payload);
  for (const payload of sound) expect(fault(codecs[kind], payload)).toBeUndefined();
  expect(firstFault(codecs[kind], sound)).toBeUndefined();
});

it('what once crashed or wedged a decoder does so no more', () => {
  for (const [what, payload] of Object.entries(hostileMessages)) {
    for (const kind of kinds) {
      expect(() => codecs[kind].understand(payload), `${kind}: ${what}`).toThrow(
        expect.objectContaining({ name: 'FoglineError' }),
      );
      expect(fault(codecs[kind], payload), `${kind}: ${what}`).toBeUndefined();
    }
  }
});

describe.skipIf(seeds.length === 1)('a planted fault is found: a decoder', () => {
  it('without shape checks', () => {
    const careless: Codec = {
      understand: (payload) => {
        const [, agent, bytes, online] = unpackAnything(payload) as [number, string, Uint8Array, number];
        return () => encodeStatus({ agent, epoch: Buffer.from(bytes).toString('hex'), isOnline: online === 1 });
      },
    };
    expect(firstFault(careless, [encodeStatus({ agent: rogue, epoch, isOnline: true })])).toMatch(
      /threw|cannot be said|something else/,
    );
  });

  it('without the limit of size', () => {
    const greedy: Codec = {
      understand: (payload) => {
        const { understand } = codecs.batch;
        // It looks at everything but the size.
        return understand(
          payload.byteLength > envelopeBytesMax
            ? encodeBatch({ agent: rogue, epoch, lane: 2, first: 1, last: 1, parts: [] })
            : payload,
        );
      },
    };
    const sound = upSamples.filter(([kind]) => kind === 'batch').map(([, payload]) => payload);
    expect(firstFault(greedy, sound)).toMatch(/took more than envelopeBytesMax/);
  });
});
