import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '@fogline/shared/errors';
import { hasOpenssl, selfSigned } from '@fogline/shared/testing/certificates';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAgentConfig } from '../config.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-listen-tls-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(sources: string, files: 'read' | 'skip' = 'read') {
  const text = `version: 1
agent: { id: pi }
sources:
${sources}
uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1:1884" }, token: t0ken } }
`;
  return loadAgentConfig({ text, name: 'a.yaml', folder }, {}, files);
}

function problemOf(sources: string): string {
  try {
    return `no problem, warnings: ${load(sources).warnings.join('; ')}`;
  } catch (error) {
    if (hasCode(error, 'config_invalid')) return error.message;
    throw error;
  }
}

const mqtt = (tls: string, more = ''): string => `  a: { mqtt: { topics: ["s/{device}"]${more}, tls: { ${tls} } } }`;
const http = (tls: string): string => `  h: { http: { tls: { ${tls} } } }`;
const own = 'cert: { file: own.pem }, key: { file: own.key }';

function put(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), 0o600);
}

describe.skipIf(!hasOpenssl)('TLS of listeners (needs the openssl command)', () => {
  const [pair, other] = hasOpenssl ? [selfSigned(), selfSigned()] : [];

  beforeAll(() => {
    put('own.pem', pair?.cert ?? '');
    put('own.key', pair?.key ?? '');
    put('other.key', other?.key ?? '');
    put('locked.key', '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n');
    put('empty.pem', '');
  });

  it('is read with the configuration; the usual port is that of mqtts', () => {
    const { value, warnings } = load(`${mqtt(own)}\n${http(own)}`);
    expect(warnings).toEqual([]);
    expect(value.listeners).toMatchObject([{ host: '127.0.0.1', port: 8883, anonymous: 'loopback', tls: pair }]);
    expect(value.httpListeners).toMatchObject([{ port: 8086, tls: pair }]);
  });

  it('with client_ca lets in who has a certificate, from anywhere and without a password', () => {
    const certified = `${own}, client_ca: { file: own.pem }`;
    const [listener] = load(mqtt(certified)).value.listeners;
    expect(listener).toMatchObject({ host: '0.0.0.0', anonymous: 'certified', tls: { ca: pair?.cert } });
    const [withUsers] = load(mqtt(certified, ', users: { u: { password: p } }')).value.listeners;
    expect(withUsers?.anonymous).toBe('nobody');
  });

  it('is said once by sources that share a listener, or by each the same', () => {
    const second = '  b: { mqtt: { listen: 8883, topics: [t] } }';
    expect(load(`${mqtt(own)}\n${second}`).value.listeners).toMatchObject([{ sources: ['a', 'b'], tls: pair }]);
    const otherwise = second.replace(
      '[t]',
      '[t], tls: { cert: { file: own.pem }, key: { file: own.key }, client_ca: { file: own.pem } }',
    );
    expect(problemOf(`${mqtt(own)}\n${otherwise}`)).toContain(
      'sources.b.mqtt.tls: differs from that of source "a" on the same listener: give it once',
    );
  });

  it('is not looked for when files are skipped', () => {
    expect(load(mqtt('cert: { file: /nowhere }, key: { file: /nowhere }'), 'skip').warnings).toEqual([]);
  });

  it.each([
    [
      'a file that is not there',
      mqtt('cert: { file: gone.pem }, key: { file: own.key }'),
      'mqtt.tls.cert.file: cannot be read: ENOENT',
    ],
    [
      'an empty file',
      http('cert: { file: empty.pem }, key: { file: own.key }'),
      'h.http.tls.cert.file: cannot be read: the file is empty',
    ],
    [
      'the key of another certificate',
      mqtt('cert: { file: own.pem }, key: { file: other.key }'),
      'a.mqtt.tls.key: does not belong to the certificate of "localhost"',
    ],
    [
      'a key for a certificate',
      mqtt('cert: { file: own.key }, key: { file: own.key }'),
      'a.mqtt.tls.cert: is no certificate: ',
    ],
    [
      'a certificate for a key',
      http('cert: { file: own.pem }, key: { file: own.pem }'),
      'h.http.tls.key: is no private key: ',
    ],
    [
      'a key with a passphrase',
      http('cert: { file: own.pem }, key: { file: locked.key }'),
      'h.http.tls.key: is encrypted: store it without a passphrase',
    ],
    [
      'an authority that is none',
      http(`${own}, client_ca: { file: own.key }`),
      'h.http.tls.client_ca: is no certificate: ',
    ],
    ['a certificate without a key', mqtt('cert: { file: own.pem }'), 'a.mqtt.tls: a listener needs both cert and key'],
    ['whom to trust at a url', mqtt(`${own}, ca: { file: own.pem }`), 'a.mqtt.tls.ca: goes with url'],
    [
      'client_ca at a url',
      mqtt('client_ca: { file: own.pem }', ', url: "mqtts://b"'),
      'a.mqtt.tls.client_ca: goes with listen',
    ],
    [
      'another key at a url',
      mqtt('cert: { file: own.pem }, key: { file: other.key }', ', url: "mqtts://b"'),
      'a.mqtt.tls.key: does not belong',
    ],
  ])('%s is refused where it stands', (_what, sources, message) => {
    expect(problemOf(sources)).toContain(message);
  });

  it('warns of a key that everybody can read', () => {
    chmodSync(join(folder, 'own.key'), 0o644);
    expect(problemOf(mqtt(own))).toContain('every user of this machine can read own.key');
    chmodSync(join(folder, 'own.key'), 0o600);
  });
});
