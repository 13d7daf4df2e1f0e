/** Bytes that are no MQTT: what both doors, that of the agent and that of the hub, must refuse. */
import {
  connectFrame,
  frame,
  pingFrame,
  publishFrame,
  pubrelFrame,
  subscribeFrame,
} from '@fogline/shared/broker/testing/wire-client';
import { SeededRandom } from '@fogline/shared/random';

const connect = connectFrame({
  clientId: 'c',
  keepaliveSeconds: 60,
  username: 'u',
  password: 'p',
  will: { topic: 'w', payload: 'x', qos: 1 },
});

/** Every truncation, as it is, and with a remaining length that hides it. */
export function* truncatedConnects(): Generator<Uint8Array> {
  for (let length = 1; length < connect.length; length++) {
    yield connect.subarray(0, length);
    if (length < 2) continue;
    const cut = Buffer.from(connect.subarray(0, length));
    cut[1] = length - 2;
    yield cut;
  }
}

/** A remaining length that says less or more than there is, or does not end. */
export function* wrongLengths(): Generator<Uint8Array> {
  for (const by of [-12, -1, 1, 40]) {
    const wrong = Buffer.from(connect);
    wrong[1] = (connect[1] ?? 0) + by;
    yield wrong;
  }
  yield Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x01]);
  yield Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]);
}

export function* garbage(count: number): Generator<Uint8Array> {
  for (let seed = 1; seed <= count; seed++) {
    const random = new SeededRandom(seed);
    yield random.bytes(1 + random.below(300));
  }
}

/** After a CONNECT: packets with one damaged byte among sound ones. */
export function* damagedPackets(count: number): Generator<Uint8Array> {
  const sound = [
    publishFrame('a/b', 'payload', { qos: 1, id: 3 }),
    publishFrame('a/b', 'payload', { qos: 2, id: 4, isRetained: true }),
    pubrelFrame(4),
    subscribeFrame(5, ['a/+', 1], ['#', 2]),
    frame(0xa2, [0, 6, 0, 3], Buffer.from('a/+')),
    frame(0x40, [0, 1]),
    pingFrame,
  ];
  for (let seed = 1; seed <= count; seed++) {
    const random = new SeededRandom(seed);
    const packets = Array.from({ length: 1 + random.below(5) }, () =>
      Buffer.from(sound[random.below(sound.length)] ?? pingFrame),
    );
    const damaged = packets[random.below(packets.length)] ?? pingFrame;
    damaged[random.below(damaged.length)] = random.below(256);
    yield Buffer.concat(packets);
  }
}
