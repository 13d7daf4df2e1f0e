/**
 * An agent that joins a real mosquitto: over kill -9 of both, again and again, each message that mosquitto acked and saved is at the hub once.
 * Mosquitto saves when it is told to (SIGUSR1), so it is killed after that: what it acked and lost by itself is no matter of the agent.
 */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { publishFrame, WireClient } from '@fogline/shared/broker/testing/wire-client';
import type { SeededRandom } from '@fogline/shared/random';
import { describe, expect, it } from 'vitest';
import { openTruth, type TruthWriter } from '../../src/fleet/truth-writer.ts';
import { hasMosquittoBroker, mosquittoBroker } from '../support/mosquitto-broker.ts';
import { freePort, loopback } from '../support/ports.ts';
import { withSeed } from '../support/seed.ts';
import type { Service } from '../support/service.ts';
import { openStage, type Stage } from '../support/stage.ts';
import { openSystem, type System } from '../support/system.ts';
import { verify } from '../support/verdict.ts';

const thisFile = 'simulators/test/sources/join.test.ts';
const patienceMs = 60_000;
const rounds = 6;
const messagesPerRound = 600;
const window = 20;

interface Site {
  readonly stage: Stage;
  readonly system: System;
  readonly mosquitto: Service;
  readonly port: number;
}

async function open(): Promise<Site> {
  const stage = openStage('join');
  const port = await freePort();
  const mosquitto = mosquittoBroker(stage, port);
  await mosquitto.start();
  const system = await openSystem(stage, {
    moreSources: `  joined:
    mqtt: { url: "mqtt://${loopback}:${port}", topics: ["sensors/{device}/climate"] }
    parse: { json: { temperature: { field: temp } }, time: { field: ts, unit: ms } }`,
    pipelines: '{ live: { from: joined } }',
  });
  return { stage, system, mosquitto, port };
}

async function joinedCount({ system }: Site, reason = 'joined'): Promise<number> {
  const response = await fetch(`${system.agentUrl}/metrics`).catch(() => undefined);
  const text = (await response?.text()) ?? '';
  return Number(new RegExp(`^fogline_agent_joined_total\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

/** Tells mosquitto to save, and waits until it has. */
async function save({ stage, mosquitto }: Site): Promise<void> {
  const file = stage.path('mosquitto.db');
  const inode = (): number => statSync(file, { throwIfNoEntry: false })?.ino ?? 0;
  const before = inode();
  process.kill(mosquitto.pid, 'SIGUSR1');
  await stage.until('mosquitto has saved', patienceMs, () => inode() !== before);
}

/** Publishes at QoS 1, at most `window` at once, and returns when all of it was acked. */
async function publish({ port }: Site, truth: TruthWriter, random: SeededRandom, from: number): Promise<void> {
  const client = await WireClient.connect(port, { clientId: 'device' });
  const messages = Array.from({ length: messagesPerRound }, (_, n) => {
    const [device, timeMs, temp] = [`dev-${n % 5}`, from + n, random.below(4_000) / 100];
    const payload = `{"ts":${timeMs},"temp":${temp}}`;
    return { device, timeMs, topic: `sensors/${device}/climate`, payload, values: `{"temperature":${temp}}` };
  });
  for (const message of messages) truth.sent(message, 1);
  truth.flush();
  let acked = 0;
  for (const [index, { topic, payload }] of messages.entries()) {
    client.send(publishFrame(topic, payload, { qos: 1, id: index + 1 }));
    while (index + 1 - acked >= window) acked += (await client.next())?.type === 4 ? 1 : 0;
  }
  while (acked < messages.length) acked += (await client.next())?.type === 4 ? 1 : 0;
  for (const message of messages) truth.acked(message);
  truth.flush();
  client.destroy();
}

describe.skipIf(!hasMosquittoBroker)('a broker that is joined', () => {
  it(
    'and the agent are killed again and again: no saved message is lost, none counts twice',
    { timeout: 300_000 },
    () =>
      withSeed(thisFile, 1, async ({ random }) => {
        const site = await open();
        const { stage, system, mosquitto } = site;
        const truth = openTruth(stage.path('device.truth'), Date.now());
        stage.onClose(() => truth.close());
        await stage.until('the agent has joined', patienceMs, async () => (await joinedCount(site)) > 0);
        const start = Date.now() - 86_400_000;
        let agentKills = 0;
        for (let round = 0; round < rounds; round++) {
          const published = publish(site, truth, random, start + round * messagesPerRound);
          // Whoever awaits it hears of it.
          published.catch(() => undefined);
          await sleep(random.below(300));
          await system.agent.kill();
          agentKills++;
          // Sometimes all of it is published to an agent that is away.
          if (random.chance(0.5)) await published;
          await system.agent.start();
          await published;
          if (random.chance(0.5)) await sleep(random.below(500));
          await save(site);
          await mosquitto.kill();
          await sleep(random.below(300));
          await mosquitto.start();
          await stage.until('the agent has joined again', patienceMs, async () => (await joinedCount(site)) > 0);
        }
        expect(agentKills).toBe(rounds);
        const { findings, summary } = await verify(stage, {
          truth: [stage.path('device.truth')],
          hubUrl: system.hubUrl,
          stream: 'live',
          waitMs: 90_000,
        });
        expect(findings).toEqual([]);
        const total = rounds * messagesPerRound;
        expect(summary).toMatchObject({
          isClean: true,
          lost: 0,
          duplicated: 0,
          sent: total,
          acked: total,
          atHub: total,
        });
      }),
  );
});
