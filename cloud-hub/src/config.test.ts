import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasOpenssl, selfSigned } from '@fogline/shared/testing/certificates';
import { expect, it } from 'vitest';
import { hubJsonSchema, loadHubConfig, noHubFile } from './config.ts';

it('runs without a file: on loopback, with data beside', () => {
  expect(loadHubConfig(noHubFile('/srv'), {})).toEqual({
    value: {
      dataFolder: '/srv/hub-data',
      http: { host: '127.0.0.1', port: 8080 },
      mqtt: { host: '127.0.0.1', port: 1884 },
    },
    warnings: [],
  });
});

it('takes overrides without a file, and names the variable when one is wrong', () => {
  const env = { FOGLINE__HTTP__LISTEN: '0', FOGLINE__MQTT__LISTEN: '[::1]:2000', FOGLINE__DATA: '/var/lib/hub' };
  expect(loadHubConfig(noHubFile('/srv'), env).value).toEqual({
    dataFolder: '/var/lib/hub',
    http: { host: '127.0.0.1', port: 0 },
    mqtt: { host: '::1', port: 2000 },
  });
  expect(() => loadHubConfig(noHubFile('/srv'), { FOGLINE__HTPT__LISTEN: '1' })).toThrow(
    'environment FOGLINE__HTPT__LISTEN: htpt: unknown key (did you mean "http"?)',
  );
});

it.skipIf(!hasOpenssl)('reads keys and certificates, and warns where tokens would travel in clear text', () => {
  const { key, cert } = selfSigned();
  const folder = mkdtempSync(join(tmpdir(), 'fogline-hub-'));
  try {
    writeFileSync(join(folder, 'key.pem'), `${key}\n`, { mode: 0o600 });
    writeFileSync(join(folder, 'cert.pem'), cert);
    const text =
      'version: 1\nhttp: { listen: "0.0.0.0:8080" }\nmqtt: { listen: "0.0.0.0:8883", tls: { key: { file: key.pem }, cert: { file: cert.pem } } }\n';
    expect(loadHubConfig({ text, name: 'hub.yaml', folder }, {})).toEqual({
      value: {
        dataFolder: join(folder, 'hub-data'),
        http: { host: '0.0.0.0', port: 8080 },
        mqtt: { host: '0.0.0.0', port: 8883, tls: { key, cert } },
      },
      warnings: ['hub.yaml:2:17: http.listen: tokens travel in clear text: add "tls", or trust the network'],
    });
    expect(() => loadHubConfig({ text: text.replace('cert.pem', 'nope.pem'), name: 'hub.yaml', folder }, {})).toThrow(
      /^hub\.yaml:3:\d+: mqtt\.tls\.cert\.file: cannot be read: ENOENT/,
    );
    writeFileSync(join(folder, 'key.pem'), selfSigned().key, { mode: 0o600 });
    expect(() => loadHubConfig({ text, name: 'hub.yaml', folder }, {})).toThrow(
      /^hub\.yaml:3:\d+: mqtt\.tls\.key: does not belong to the certificate of "localhost"/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('describes itself as JSON Schema', () => {
  expect(hubJsonSchema()).toMatchObject({ required: ['version'], properties: { data: { default: './hub-data' } } });
});
