/** What fleets promise, against a real agent and hub: fans close the loop, alarms are scored, line protocol arrives by HTTP. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readTransitions } from '../../src/verify/alarm-reader.ts';
import { readTruth } from '../../src/verify/truth.ts';
import { fleetParse } from '../support/fleet.ts';
import { freePort, loopback } from '../support/ports.ts';
import { openStage } from '../support/stage.ts';
import { openSystem } from '../support/system.ts';

function example(name: string): string {
  return fileURLToPath(new URL(`../../../docs/examples/fleet-${name}.yaml`, import.meta.url));
}

const pipelines = '{ live: { from: climate } }';

it('an alarm switches a simulated fan on, the room cools, and the alarm clears', { timeout: 180_000 }, async () => {
  const stage = openStage('fan');
  const alarms = `
  overheat:
    if: { metric: live.temperature, above: 60, clear_below: 59 }
    then:
      - publish: { topic: "actuators/{device}/fan/set", payload: "ON", cleared: "OFF" }
        confirm: { topic: "actuators/{device}/fan", payload: "ON", cleared: "OFF", within: 20s }`;
  const system = await openSystem(stage, { parse: fleetParse, pipelines, alarms });
  // As the example, but a room cools within seconds.
  const [file, truth] = [stage.path('fan.yaml'), stage.path('fan.truth')];
  writeFileSync(file, readFileSync(example('fan'), 'utf8').replace('within: 2m', 'within: 5s'));
  const args = ['fleet', file, '--mqtt', `mqtt://${loopback}:${system.mqttPort}`, '--truth', truth];
  const fleet = stage.program('sim', 'fleet', args);
  fleet.launch();
  const now = Date.now();
  const range = { fromMs: now - 3_600_000, toMs: now + 3_600_000 };
  const states = await stage.until('all four alarms have cleared, their fans confirmed', 120_000, async () => {
    const transitions = await readTransitions({ url: system.hubUrl }, 'alarms', range);
    const byDevice = Map.groupBy(transitions, ({ device }) => device);
    const isDone = (state: string): boolean =>
      byDevice.size === 4 && [...byDevice.values()].every((list) => list.some((one) => one.state === state));
    return isDone('cleared') && isDone('confirmed') ? byDevice : undefined;
  });
  await fleet.stop(1);
  for (const list of states.values()) {
    const first = list.toSorted((a, b) => a.timeMs - b.timeMs).map(({ state }) => state);
    expect(first[0]).toBe('active');
    expect(first).not.toContain('unconfirmed');
  }
  for (const { metric, value } of readTruth([truth]).series) {
    expect(metric).toBe('temperature');
    expect(value[0]).toBeGreaterThan(60);
    expect(Math.min(...value)).toBeLessThan(59.5);
  }
});

it('score finds the alarms of planted spikes right and complete, and those of planted gaps missing', {
  timeout: 180_000,
}, async () => {
  const stage = openStage('score');
  const alarms = '{ hot: { if: { metric: live.temperature, above: 50, clear_below: 45 } } }';
  const system = await openSystem(stage, { parse: fleetParse, pipelines, alarms });
  const [file, truth] = [stage.path('fleet.yaml'), stage.path('truth')];
  writeFileSync(
    file,
    `version: 1
start: 2026-06-01T00:00:00Z
duration: 1h
speed: 0
devices:
  pump:
    count: 10
    topic: "sensors/{device}/climate"
    interval: 5s
    metrics: { temperature: { like: temperature }, humidity: { like: humidity } }
    faults:
      - { kind: spike, metric: temperature, every: 15m, lasts: 30s, size: 60 }
      - { kind: gap, metric: humidity, every: 30m, lasts: 1m }
`,
  );
  const where = ['--mqtt', `mqtt://${loopback}:${system.mqttPort}`, '--truth', truth];
  const sent = await stage.run('sim', ['fleet', file, ...where]);
  expect(sent.code, sent.error).toBe(0);
  const score = (...more: string[]) =>
    stage.run('sim', ['score', '--truth', truth, '--hub', system.hubUrl, '--json', ...more]);
  const wanted = ['--min-precision', '100%', '--min-recall', '100%', '--max-delay', '5s', '--grace', '0s'];
  const spikes = await stage.until('all alarms are at the hub', 60_000, async () => {
    const scored = await score('--kinds', 'spike', ...wanted);
    return scored.code === 0 ? scored : undefined;
  });
  const summary = JSON.parse(spikes.out.trimEnd().split('\n').at(-1) ?? '') as { episodes: number };
  expect(summary).toMatchObject({ recall: 1, precision: 1, isMet: true });
  expect(summary.episodes).toBeGreaterThan(35);
  const gaps = await score('--kinds', 'gap', '--map', 'gap=silent', '--min-recall', '1%');
  expect(gaps.code).toBe(1);
  expect(JSON.parse(gaps.out.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ recall: 0, isMet: false });
});

it('line protocol by HTTP arrives, states as well, and none of it is lost or wrong', { timeout: 180_000 }, async () => {
  const stage = openStage('line');
  const port = await freePort();
  const system = await openSystem(stage, {
    moreSources: `  turbines: { http: { listen: ${loopback}:${port} }, parse: { line_protocol: auto, device: device } }`,
    pipelines: '{ live: { from: turbines } }',
  });
  const [file, truth] = [stage.path('line.yaml'), stage.path('line.truth')];
  const text = readFileSync(example('line'), 'utf8').replace(
    /"\$\{INFLUX_URL.*?"/,
    `"http://${loopback}:${port}/write"`,
  );
  writeFileSync(file, `${text}start: 2026-06-01T00:00:00Z\n`);
  const sent = await stage.run('sim', ['fleet', file, '--truth', truth, '--json']);
  expect(sent.code, sent.error).toBe(0);
  expect(JSON.parse(sent.out)).toMatchObject({ sent: 8_640, settled: 8_640, dropped: 0 });
  const names = 'power=turbine_power,rotor=turbine_rotor,state=turbine_state';
  const where = ['--truth', truth, '--hub', system.hubUrl, '--stream', 'live', '--metric-map', names, '--wait', '60s'];
  const { code, out, error } = await stage.run('sim', ['verify', ...where, '--json']);
  expect(code, `${out}${error}`).toBe(0);
  expect(JSON.parse(out.trimEnd())).toMatchObject({ series: 36, sent: 25_920, acked: 25_920, atHub: 25_920 });
});
