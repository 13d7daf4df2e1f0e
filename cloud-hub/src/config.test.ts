import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasOpenssl, selfSigned } from '@fogline/shared/testing/certificates';
import { describe, expect, it } from 'vitest';
import { defaultAlarms } from './alarms/alarm-config.ts';
import { hubJsonSchema, loadHubConfig, noHubFile } from './config.ts';
import { defaultRetention } from './store/retention.ts';

it('runs without a file: on loopback, with data beside', () => {
  expect(loadHubConfig(noHubFile('/srv'), {})).toEqual({
    value: {
      dataFolder: '/srv/hub-data',
      http: { host: '127.0.0.1', port: 8080 },
      mqtt: { host: '127.0.0.1', port: 1884 },
      retention: defaultRetention,
      alarms: defaultAlarms,
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
    retention: defaultRetention,
    alarms: defaultAlarms,
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
        retention: defaultRetention,
        alarms: defaultAlarms,
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

describe('retention', () => {
  const load = (retention: string) =>
    loadHubConfig({ text: `version: 1\nretention: ${retention}\n`, name: 'hub.yaml', folder: '/srv' }, {});

  it('has units, and forever', () => {
    const { value } = load('{ raw: 7d, 10s: 36h, 1m: 400d, 15m: forever }');
    expect(value.retention).toEqual({
      rawMs: 7 * 86_400_000,
      levelMs: {
        10_000: 36 * 3_600_000,
        60_000: 400 * 86_400_000,
        900_000: Number.POSITIVE_INFINITY,
        86_400_000: Number.POSITIVE_INFINITY,
      },
    });
    const env = { FOGLINE__RETENTION__RAW: 'forever', FOGLINE__RETENTION__10S: '40d' };
    expect(loadHubConfig(noHubFile('/srv'), env).value.retention).toMatchObject({
      rawMs: Number.POSITIVE_INFINITY,
      levelMs: { 10_000: 40 * 86_400_000 },
    });
  });

  it.each([
    ['{ raw: 30 }', '2:19: retention.raw: 30 has no unit'],
    ['{ raw: 5m }', '2:19: retention.raw: must be at least 1h'],
    ['{ raw: Forever }', '2:19: retention.raw: '],
    ['{ 1h: 30d }', '2:14: retention.1h: unknown key'],
    ['{ 10s: 30d, 1m: 7d }', '2:28: retention.1m: is shorter than retention.10s'],
  ])('%s is refused with place and fix', (text, message) => {
    expect(() => load(text)).toThrow(message);
  });
});

it('describes itself as JSON Schema', () => {
  expect(hubJsonSchema()).toMatchObject({ required: ['version'], properties: { data: { default: './hub-data' } } });
});
