/**
 * kill -9 of agent and hub at random points while stock clients publish: mosquitto_pub at QoS 1, paho at QoS 1 and 2, and the fleet
 * simulator. What each of them was acked is in its truth file. A victim is started again at once, and may be hit again on its way up.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SeededRandom } from '@fogline/shared/random';
import { fleetParse, startFleet } from '../support/fleet.ts';
import { hasMosquitto, MosquittoDevice } from '../support/mosquitto.ts';
import type { Stage } from '../support/stage.ts';
import type { System } from '../support/system.ts';

const python = '/usr/bin/python3';
const paho = fileURLToPath(new URL('../support/paho_device.py', import.meta.url));

/** Why this cannot run here; undefined = it can. */
export const missing = !existsSync(python) ? python : hasMosquitto ? undefined : 'mosquitto_pub';

/** Window stream and exact stream, so that operator state has to survive as well. */
export const stormSystem = {
  parse: fleetParse,
  pipelines: `
  live: { from: climate }
  stats: { from: climate, window: { every: 10s, compute: [mean, p95] }, send: { priority: high } }`,
};

export interface Load {
  readonly truth: readonly string[];
  /** No client sends anything new; resolves when all that wait for acks have them. */
  finish(): Promise<void>;
}

export function startLoad(stage: Stage, system: System, seed: number): Load {
  const truths: string[] = [];
  const truthOf = (name: string): string => {
    truths.push(stage.path(`${name}.truth`));
    return truths.at(-1) ?? '';
  };
  const fleet = startFleet(stage, system, { devices: 40, seed, truth: truthOf('fleet') });
  const pahos = [1, 2].map((qos) => {
    const device = `paho-${qos}`;
    const args = [paho, system.mqttPort, qos, truthOf(device), device, 200, seed].map(String);
    return stage.service({ name: device, file: python, args });
  });
  for (const one of pahos) one.launch();
  const mosquittos = [1, 2].map((index) => {
    const device = `mosquitto-${index}`;
    const random = new SeededRandom(seed * 16 + index);
    return new MosquittoDevice(stage, { device, port: system.mqttPort, truth: truthOf(device), random });
  });
  for (const one of mosquittos) one.start();
  return {
    truth: truths,
    async finish() {
      for (const one of pahos) one.endInput();
      await Promise.all([
        fleet.stop(1),
        ...pahos.map((one) => one.ended(120_000)),
        ...mosquittos.map((one) => one.finish()),
      ]);
    },
  };
}

export interface Storm {
  readonly kills: number;
  /** Longest time between two blows. */
  readonly gapMsMax: number;
  /** The link may also go silent without a word, which takes half a minute to notice. */
  readonly hasSilence?: boolean;
  readonly random: SeededRandom;
}

export interface StormFigures {
  agentKills: number;
  hubKills: number;
  /** Of these, before the victim was up again. */
  inStart: number;
  linkFaults: number;
}

/** Returns when so many processes were killed, and agent and hub are ready again. */
export async function storm(stage: Stage, system: System, options: Storm): Promise<StormFigures> {
  const { kills, gapMsMax, random } = options;
  const figures: StormFigures = { agentKills: 0, hubKills: 0, inStart: 0, linkFaults: 0 };
  const ready = { agent: true, hub: true };
  while (figures.agentKills + figures.hubKills < kills) {
    await sleep(random.below(gapMsMax));
    stage.check();
    if (random.chance(0.2)) {
      troubleLink(system, random, options.hasSilence ?? false);
      figures.linkFaults++;
      continue;
    }
    const victim = random.chance(0.5) ? 'agent' : 'hub';
    const service = system[victim];
    if (!ready[victim]) figures.inStart++;
    await service.kill();
    figures[`${victim}Kills`]++;
    service.launch();
    ready[victim] = false;
    const life = figures[`${victim}Kills`];
    // A life that is killed before it is ready has nothing to say.
    void service.ready().then(
      () => {
        if (figures[`${victim}Kills`] === life) ready[victim] = true;
      },
      () => undefined,
    );
  }
  await Promise.all([system.agent.ready(), system.hub.ready()]);
  stage.check();
  return figures;
}

function troubleLink({ link }: System, random: SeededRandom, hasSilence: boolean): void {
  switch (random.below(hasSilence ? 5 : 4)) {
    case 0:
      return link.cut('rst');
    case 1:
      return link.cut('fin');
    case 2:
      return link.stall(100 + random.below(1_500));
    case 3:
      return link.cutAfter(random.chance(0.5) ? 'up' : 'down', 1 + random.below(20_000), 'rst');
    default:
      return link.halfOpen();
  }
}
