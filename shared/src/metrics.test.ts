import { expect, it } from 'vitest';
import { Metrics } from './metrics.ts';

it('reads component numbers at each scrape, not before', async () => {
  const metrics = new Metrics();
  const rejected: Record<string, number> = { nan: 1 };
  let reads = 0;
  metrics.readCounters('rejected_total', 'Readings rejected, by reason.', 'reason', () => {
    reads++;
    return rejected;
  });
  metrics.readGauge('queued_items', 'Items waiting.', () => 7);
  expect(reads).toBe(0);
  expect(await metrics.expose()).toContain('fogline_rejected_total{reason="nan"} 1');
  rejected['nan'] = 5;
  rejected['skew'] = 2;
  const text = await metrics.expose();
  expect(text).toContain('fogline_rejected_total{reason="nan"} 5');
  expect(text).toContain('fogline_rejected_total{reason="skew"} 2');
  expect(text).toContain('fogline_queued_items 7');
  expect(reads).toBe(2);
});

it('forgets a gauge key that the component no longer reports', async () => {
  const metrics = new Metrics();
  let lanes: Record<string, number> = { low: 3, high: 1 };
  metrics.readGauges('lane_items', 'Items, by lane.', 'lane', () => lanes);
  expect(await metrics.expose()).toContain('lane="low"} 3');
  lanes = { high: 2 };
  const text = await metrics.expose();
  expect(text).not.toContain('lane="low"');
  expect(text).toContain('fogline_lane_items{lane="high"} 2');
});

it('counts, sets and observes with labels', async () => {
  const metrics = new Metrics();
  const counter = metrics.counter('messages_total', 'Messages.', ['kind']);
  counter.inc(2, { kind: 'batch' });
  counter.inc(1, { kind: 'batch' });
  metrics.gauge('window', 'Window.').set(16);
  metrics.histogram('commit_ms', 'Commit time.', [1, 10]).observe(5);
  const text = await metrics.expose();
  expect(text).toContain('fogline_messages_total{kind="batch"} 3');
  expect(text).toContain('fogline_window 16');
  expect(text).toContain('fogline_commit_ms_bucket{le="1"} 0');
  expect(text).toContain('fogline_commit_ms_bucket{le="10"} 1');
});

it('exposes the process and only names of its own, in valid exposition lines', async () => {
  const text = await new Metrics().expose();
  const names = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(names.length).toBe(3);
  for (const line of names) expect(line).toMatch(/^fogline_process_\w+ [0-9.e+]+$/);
});

it('keeps registries apart, so that an agent and a hub may share a process', async () => {
  const one = new Metrics();
  const two = new Metrics();
  one.gauge('x', 'X.').set(1);
  two.gauge('x', 'X.').set(2);
  expect(await one.expose()).toContain('fogline_x 1');
  expect(await two.expose()).toContain('fogline_x 2');
});
