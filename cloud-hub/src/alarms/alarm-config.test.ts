import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadHubConfig } from '../config.ts';

const long = 'a secret of some length';

function load(alarms: string, folder = '/srv') {
  return loadHubConfig({ text: `version: 1\nalarms: ${alarms}\n`, name: 'hub.yaml', folder }, {});
}

function loadWebhook(fields: string) {
  const { value, warnings } = load(`{ webhooks: { ops: { ${fields} } } }`);
  return { webhook: value.alarms.webhooks[0], warnings };
}

describe('a webhook', () => {
  it('is told everything, and goes to public addresses only, unless it is said otherwise', () => {
    expect(loadWebhook(`url: "https://ops.example.org/a", secret: ${long}`)).toEqual({
      webhook: {
        name: 'ops',
        url: new URL('https://ops.example.org/a'),
        key: new Uint8Array(Buffer.from(long)),
        allowsPrivate: false,
        states: ['active', 'cleared', 'stale', 'ended'],
        severities: ['info', 'warning', 'critical', 'unknown'],
      },
      warnings: [],
    });
  });

  it('may go inside where that is said, and warns of clear text outside', () => {
    expect(loadWebhook(`url: "http://127.0.0.1:9/", secret: ${long}, allow_private: true`).warnings).toEqual([]);
    expect(loadWebhook(`url: "http://ops.example.org/", secret: ${long}`).warnings).toEqual([
      expect.stringContaining('alarms.webhooks.ops.url: what is told travels in clear text'),
    ]);
  });

  it('has a key as text, as Standard Webhooks writes it, or in a file', () => {
    const key = Buffer.from('0123456789abcdef');
    const encoded = `whsec_${key.toString('base64')}`;
    expect(loadWebhook(`url: "https://a.example", secret: ${encoded}`).webhook?.key).toEqual(new Uint8Array(key));
    const folder = mkdtempSync(join(tmpdir(), 'fogline-alarm-config-'));
    try {
      writeFileSync(join(folder, 'ops.key'), `${encoded}\n`, { mode: 0o600 });
      const text = '{ webhooks: { ops: { url: "https://a.example", secret: { file: ops.key } } } }';
      expect(load(text, folder).value.alarms.webhooks[0]?.key).toEqual(new Uint8Array(key));
      expect(() => load(text.replace('ops.key', 'nope.key'), folder)).toThrow(
        /^hub\.yaml:2:\d+: alarms\.webhooks\.ops\.secret\.file: cannot be read: ENOENT[^\n]*$/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    [`url: "ftp://a.example", secret: ${long}`, 'url: is no address: write https://'],
    [`url: "nonsense", secret: ${long}`, 'url: is no address'],
    [`url: "htps://user:hunter2@a.example", secret: ${long}`, 'url: is no address'],
    [`url: "https://u:p@a.example", secret: ${long}`, 'url: has a name or password in it'],
    [
      `url: "https://127.0.0.1/", secret: ${long}`,
      'url: cannot go to 127.0.0.1: it is loopback or private: set allow_private',
    ],
    [`url: "http://0x7f.1/", secret: ${long}`, 'url: cannot go to 127.0.0.1'],
    [`url: "http://[::1]/", secret: ${long}`, 'url: cannot go to ::1'],
    [
      `url: "http://169.254.169.254/latest", secret: ${long}, allow_private: true`,
      'url: cannot go to 169.254.169.254: it is link-local',
    ],
    ['url: "https://a.example", secret: short', 'secret: is too short to sign with: 16 characters or more'],
    [`url: "https://a.example", secret: ${long}, states: [actve]`, 'states'],
    [`url: "https://a.example", secret: ${long}, retries: 3`, 'retries: unknown key'],
  ])('%s is refused with the fix', (fields, message) => {
    expect(() => loadWebhook(fields)).toThrow(`alarms.webhooks.ops.${message}`);
  });
});
