/** Hello, welcome, lineage, presence, reports, flow. */
import { decodeFlow, encodeStatus } from '@fogline/shared/protocol/messages';
import { expect, it } from 'vitest';
import { Agent, epochId, Hub, h0, offer, reading, t0 } from './testing/agent-fixture.ts';

const lastSeq = (n: number) => [0, 0, n, 0];
const events = (hub: Hub): string[] => hub.core.read.events().map((event) => event.kind);

it('a hub that knows nothing answers with nothing held, at its own time, to the process that asked', () => {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello(offer(epochId(1), { last: lastSeq(50), seriesCount: 3 }));
  const welcome = hub.lastWelcome('gw1');
  expect(welcome).toMatchObject({
    session: 1,
    page: 1,
    pages: 1,
    to: epochId(1),
    serverTimeMs: hub.clock.now(),
    window: 32,
    refused: undefined,
  });
  expect(welcome.epochs).toMatchObject([{ epoch: epochId(1), seriesKnown: 0 }]);
  expect(welcome.epochs[0]?.held.map((ranges) => ranges.highest)).toEqual([0, 0, 0, 0]);
  expect(events(hub)).toEqual([]);
  expect(hub.core.read.agent('gw1')).toMatchObject({
    isOnline: true,
    epoch: epochId(1),
    software: 'test 1',
    queued: [1, 2, 3, 4],
    clockOffsetMs: 5,
    isClockTrusted: true,
    hasCredential: false,
  });
});

it('every page of a hello is answered by its own page, and roots on a later page are not a replacement', () => {
  const hub = new Hub();
  const agent = new Agent(hub);
  const child = offer(epochId(2), { parent: { epoch: epochId(1), last: lastSeq(3) } });
  hub.take('gw1', 'hello', agent.helloBytes([child], 1, 2, 77));
  hub.take('gw1', 'hello', agent.helloBytes([offer(epochId(1))], 2, 2, 77));
  expect(
    hub
      .welcomes('gw1')
      .map(({ session, page, pages, epochs }) => [session, page, pages, epochs.map(({ epoch }) => epoch)]),
  ).toEqual([
    [77, 1, 2, [epochId(2)]],
    [77, 2, 2, [epochId(1)]],
  ]);
  expect(events(hub)).toEqual([]);
});

it('a welcome tells what is held when it leaves, gaps included', () => {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  hub.submit('gw1', 'hello', agent.helloBytes([offer(epochId(1))]));
  for (const seq of [1, 2, 5, 9])
    hub.submit('gw1', 'batch', agent.rowsBytes(seq, [{ series: 0, time: t0 + seq, value: seq }]));
  hub.commitAll();
  const normal = hub.lastWelcome('gw1').epochs[0]?.held[2];
  expect([normal?.watermark, ...(normal?.beyond ?? [])]).toEqual([2, 5, 5, 9, 9]);
});

it('a welcome with too many ranges names the first of them, and too scattered batches are refused, not remembered', () => {
  const hub = new Hub({ limits: { rangesMax: 300 } });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  for (let i = 1; i <= 301; i++)
    hub.submit('gw1', 'batch', agent.rowsBytes(2 * i, [{ series: 0, time: t0, value: i }]));
  hub.commitAll();
  agent.hello();
  expect(hub.lastWelcome('gw1').epochs[0]?.held[2]?.beyond).toHaveLength(512);
  expect(hub.core.read.quarantine().map((row) => row.reason)).toEqual(['limit']);
  agent.send(3, { series: 0, time: t0, value: 1 });
  expect(hub.core.read.counters().batchesApplied).toBe(301);
});

it('a child that names less of its parent than the hub holds was rolled back', () => {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  for (const seq of [1, 2, 3]) agent.send(seq, { series: 0, time: t0, value: seq });
  agent.hello(offer(epochId(1)), offer(epochId(2), { parent: { epoch: epochId(1), last: lastSeq(2) } }));
  expect(hub.core.read.events()).toMatchObject([{ kind: 'rolled_back', agent: 'gw1', epoch: epochId(1) }]);
});

it('a parent that goes on beyond what its child named was rolled back, noted once', () => {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  agent.hello(offer(epochId(1)), offer(epochId(2), { parent: { epoch: epochId(1), last: lastSeq(1) } }));
  agent.send(1, { series: 0, time: t0, value: 1 });
  expect(events(hub)).toEqual([]);
  agent.send(2, { series: 0, time: t0, value: 2 });
  hub.restart();
  agent.send(3, { series: 0, time: t0, value: 3 });
  expect(events(hub)).toEqual(['rolled_back']);
});

it('two children of one parent are clones, and both are served', () => {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  const parent = { epoch: epochId(1), last: lastSeq(0) };
  agent.hello(offer(epochId(2), { parent }));
  agent.hello(offer(epochId(2), { parent }));
  expect(events(hub)).toEqual([]);
  agent.hello(offer(epochId(3), { parent }));
  expect(hub.core.read.events()).toMatchObject([
    { kind: 'cloned', epoch: epochId(3), detail: { parent: epochId(1), siblings: [epochId(2)] } },
  ]);
  expect(hub.lastWelcome('gw1')).toMatchObject({ refused: undefined, epochs: [{ epoch: epochId(3) }] });
});

it('a known agent with a new root was replaced; another agent is not', () => {
  const hub = new Hub();
  new Agent(hub).hello();
  new Agent(hub, 'gw2', epochId(5)).hello();
  expect(events(hub)).toEqual([]);
  hub.restart();
  const replaced = new Agent(hub, 'gw1', epochId(9));
  hub.take('gw1', 'hello', replaced.helloBytes([offer(epochId(9))], 1, 1, 4));
  expect(hub.core.read.events()).toMatchObject([{ kind: 'replaced', agent: 'gw1', epoch: epochId(9) }]);
});

it('an epoch that changes its parent is reported and keeps the first', () => {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  const changed = offer(epochId(1), { parent: { epoch: epochId(8), last: lastSeq(0) } });
  agent.hello(changed);
  agent.hello(changed);
  expect(events(hub)).toEqual(['lineage_conflict']);
});

it('an agent cannot register epochs without bound', () => {
  const hub = new Hub({ limits: { epochsPerAgentMax: 2 } });
  const agent = new Agent(hub);
  agent.hello(offer(epochId(1)), offer(epochId(2)), offer(epochId(3)));
  expect(hub.lastWelcome('gw1').epochs.map(({ epoch }) => epoch)).toEqual([epochId(1), epochId(2)]);
  expect(events(hub)).toEqual(['epochs_exceeded']);
});

it('the will of an earlier process does not put the running one offline', () => {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  agent.status(false, epochId(0xdead));
  expect(hub.core.read.agent('gw1')?.isOnline).toBe(true);
  hub.clock.advance(1000);
  agent.status(false);
  expect(hub.core.read.agent('gw1')).toMatchObject({ isOnline: false, lastSeenMs: hub.clock.now() });
  agent.status(true);
  expect(hub.core.read.agent('gw1')?.isOnline).toBe(true);
  hub.restart();
  expect(hub.core.read.agent('gw1')?.isOnline).toBe(false);
});

it('a report is absolute: repeats change nothing, an overtaken one is ignored, a clock set back is not', () => {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  const row = (produced: number, queued: number) => [{ lane: 2 as const, hour: h0, produced, queued, evicted: 1 }];
  agent.report(row(10, 4), 1000, [['filtered', 7]]);
  agent.report(row(10, 4), 1000);
  agent.report(row(9, 8), 900);
  expect(hub.core.read.ledger()).toMatchObject([{ hour: h0, produced: 10, queued: 4, evicted: 1, delivered: 0 }]);
  agent.report(row(12, 2), 500);
  expect(hub.core.read.ledger()).toMatchObject([{ produced: 12, queued: 2 }]);
  expect(hub.core.read.agent('gw1')?.counters).toEqual({ filtered: 7 });
});

it('under pressure the heaviest agents are asked for a smaller window, and get it back', () => {
  const hub = new Hub({
    limits: { pressureHighBytes: 10_000, pressureLowBytes: 5_000, pressureAgentsMax: 1, groupMessagesMax: 10 },
  });
  const heavy = new Agent(hub, 'heavy');
  const light = new Agent(hub, 'light');
  const junk = (agent: Agent) => encodeStatus({ agent: agent.name, epoch: agent.epoch, isOnline: true });
  hub.submit('light', 'status', junk(light));
  while (hub.core.queuedBytes() <= 10_000) hub.submit('heavy', 'status', junk(heavy));
  hub.core.commit();
  const flows = () => hub.sent.filter(({ kind }) => kind === 'flow').map(({ payload }) => decodeFlow(payload));
  expect(flows()).toEqual([{ agent: 'heavy', window: 1 }]);
  hub.submit('heavy', 'hello', heavy.helloBytes([]));
  hub.submit('light', 'hello', light.helloBytes([]));
  hub.commitAll();
  expect(flows()).toEqual([
    { agent: 'heavy', window: 1 },
    { agent: 'heavy', window: 32 },
  ]);
  expect(hub.core.queuedBytes()).toBe(0);
});
