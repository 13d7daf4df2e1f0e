import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { openWorld } from './testing/broker-world.ts';
import { connectFrame, WireClient } from './testing/wire-client.ts';

/** Of the system, not of a package. */
const openssl = 'openssl';

function hasOpenssl(): boolean {
  try {
    execFileSync(openssl, ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function selfSigned(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'fogline-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-days', '2'];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync(openssl, ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(!hasOpenssl())('over TLS (needs the openssl command)', () => {
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
