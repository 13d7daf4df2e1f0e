import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { fogline } from '../testing/command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-check-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, 'agent.yaml');
  writeFileSync(path, text);
  return path;
}

const good = `version: 1
agent: { id: cellar-pi, site: lyon }
sources:
  climate:
    mqtt: { listen: 1883, topics: ["sensors/{device}/climate"] }
    parse:
      json:
        temperature: { field: temp, unit: °C }
        humidity: { field: hum, unit: "%" }
      time: { field: ts, unit: ms }
pipelines:
  live: { from: climate }
  calm: { from: climate, deadband: { temperature: 0.2 }, send: { priority: low } }
  stats: { from: climate, window: { every: 10s, compute: [mean, p95] }, send: { to: hub, priority: high } }
  rare: { from: calm, deadband: { humidity: 5, heartbeat: 1h }, send: { to: local } }
uplinks: { hub: { mqtt: { url: "mqtts://hub.example.org" }, token: { file: /nowhere/token } } }
`;

it('says what a configuration does, in sentences', async () => {
  const { code, out, err } = await fogline('check', file(good), '--skip-files');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out.replace(folder, '.')).toBe(`Agent "cellar-pi" at site "lyon".
Source "climate" listens for MQTT on 127.0.0.1:1883 (this machine only) to sensors/{device}/climate, and reads temperature in °C and humidity in % from JSON, with the time in "ts" (ms).
Pipeline "live" takes "climate", passes it on unchanged, and sends it to "hub" with priority normal.
Pipeline "calm" takes "climate", passes a value when it changes (temperature by 0.2; others at all) or after 5m, and sends it to "hub" with priority low.
Pipeline "stats" takes "climate", aggregates windows of 10s, 2s late at most, with percentiles, and sends it to "hub" with priority high.
Pipeline "rare" takes "calm", passes a value when it changes (humidity by 5; others at all) or after 1h, and keeps it on the agent.
Uplink "hub" is the hub at mqtts://hub.example.org:8883.
What is not sent yet is kept in ./data, up to 512MiB and 7d.`);
});

it('says what goes first when there is no room', async () => {
  const buffer = 'buffer: { limit: { keep_free: 1GiB }, when_full: { low: thin_to_1m, normal: thin_to_1m } }';
  const { out } = await fogline('check', file(`${good}${buffer}`), '--skip-files');
  expect(out.replace(folder, '.').split('\n').at(-1)).toBe(
    'What is not sent yet is kept in ./data, up to 512MiB and 7d while 1GiB of the disk stay free. Before any of it is dropped, normal and low become minutes.',
  );
});

it('tells the alarms: when they are active and clear, and what is done', async () => {
  const alarms = `alarms:
  overheat:
    if: { metric: stats.temperature.p95, above: 60, for: 30s, clear_below: 55 }
    severity: critical
    at_most: 5 per 1h
    stale: { after: 2m }
    then:
      - publish: { topic: "fans/{device}/set", payload: "ON", cleared: "OFF", stale: "LOW" }
        confirm: { topic: "fans/{device}", within: 5s }
      - webhook: { url: "https://ops.example.org/alarms" }
  damp: { if: { metric: live.humidity, outside: [20, 80], clear_below: 75, clear_above: 25 } }
  silent: { if: { metric: live.temperature, missing_for: 5m } }
uplinks:`;
  const { code, out } = await fogline('check', file(good.replace('uplinks:', alarms)), '--skip-files');
  expect(code).toBe(0);
  expect(out.split('\n').filter((line) => line.startsWith('Alarm'))).toEqual([
    'Alarm "overheat" is critical, active when "stats" temperature p95 of a device is above 60 for 30s, clears below 55, stale after 2m without a reading, acting at most 5 times per 1h on a device.' +
      ' It publishes to fans/{device}/set at the broker of "climate" within 30s: "ON" when active, "OFF" when it clears and "LOW" when stale; it expects "ON" on fans/{device} within 5s.' +
      ' It posts to https://ops.example.org/alarms within 5m: a JSON document when active and a JSON document when it clears.',
    'Alarm "damp" is warning, active when "live" humidity of a device is outside 20 to 80, clears below 75 and above 25. It only tells the hub.',
    'Alarm "silent" is warning, active when "live" temperature of a device has had no usable reading for 5m. It only tells the hub.',
  ]);
});

it('reports every problem with its place, and exits with 78', async () => {
  const path = file(good.replace('from: climate }', 'from: climat }').replace('0.2 }', '0.2, temp: 1 }'));
  const { code, out, err } = await fogline('check', path);
  expect({ code, out }).toEqual({ code: 78, out: '' });
  expect(err.split('\n')).toEqual([
    'fogline-agent:',
    `${path}:12:17: pipelines.live.from: no source or pipeline is called "climat" (did you mean "climate"?)`,
    `${path}:13:62: pipelines.calm.deadband.temp: "climate" has no such metric (did you mean "temperature"?)`,
    expect.stringContaining(`${path}:16:76: uplinks.hub.token.file: cannot be read: `),
  ]);
});

it('warns of what is allowed and likely wrong; with --strict that fails', async () => {
  const path = file(good.replace('every: 10s', 'every: 7s'));
  const warned = await fogline('check', path, '--skip-files', '--quiet');
  expect(warned).toMatchObject({ code: 0, out: '' });
  expect(warned.err).toBe(
    `warning: ${path}:14:44: pipelines.stats.window.every: does not divide a day, so the hub cannot roll these windows up: prefer 10s, 1m, 15m …`,
  );
  const strict = await fogline('check', path, '--skip-files', '--strict');
  expect(strict).toMatchObject({ code: 78, out: '' });
  expect(strict.err).toContain(`${path}:14:44`);
});
