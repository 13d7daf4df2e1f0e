import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { hasOpenssl, selfSigned } from '../testing/certificates.ts';
import { openWorld } from './testing/broker-world.ts';
import { connectFrame, WireClient } from './testing/wire-client.ts';

describe.skipIf(!hasOpenssl)('over TLS (needs the openssl command)', () => {
  it('a client that trusts the certificate connects; plain bytes are refused and counted', async () => {
    const tls = selfSigned();
    const world = await openWorld({ tls });
    const socket = connectTls({ port: world.broker.port, host: '127.0.0.1', ca: tls.cert, servername: 'localhost' });
    const connack = new Promise<Buffer>((resolve, reject) => {
      socket.once('data', resolve);
      socket.once('error', reject);
    });
    socket.write(connectFrame());
    expect([...(await connack)]).toEqual([0x20, 2, 0, 0]);
    const plain = await WireClient.open(world.broker.port);
    plain.send(connectFrame());
    await plain.closed;
    expect(world.broker.counters()).toEqual({ tls_handshake_failed: 1 });
    socket.destroy();
    await world.broker.close();
  });
});
