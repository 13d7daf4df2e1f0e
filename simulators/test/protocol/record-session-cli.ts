/**
 * Records a session for the second reader: a simulated agent with three streams, an uplink cut in the middle, everything both sides said,
 * in order of arrival, one JSON line a message. The same seed gives the same file; run it again when the format changes:
 *   node simulators/test/protocol/record-session-cli.ts > simulators/test/protocol/session.ndjson
 */
import type { CoreConfig } from '@fogline/edge-agent/core-config';
import { simSource } from '../simulation/sensors.ts';
import { World } from '../simulation/world.ts';

const config = (agent: string): CoreConfig => ({
  agent,
  software: 'recorded',
  sources: [simSource],
  pipelines: [
    { name: 'live', from: simSource, lane: 2 },
    { name: 'calm', from: simSource, deadband: { thresholds: { temperature: 0.2 }, heartbeatMs: 60_000 }, lane: 3 },
    { name: 'stats', from: simSource, window: { everyMs: 10_000, latenessMs: 2000, hasSketch: true }, lane: 1 },
  ],
  alarms: [],
  buffer: {
    commit: 'prompt',
    flashBytesPerDay: 1,
    sizeBytesMax: 1024 ** 3,
    ageMsMax: 7 * 86_400_000,
    whenFull: { alarm: 'keep', high: 'drop_oldest', normal: 'drop_oldest', low: 'drop_oldest' },
  },
  uplink: { token: '', window: 8, lingerMs: 500 },
});

/** One line per message, each `{from, kind, hex}`. */
export function recordSession(): string[] {
  const lines: string[] = [];
  const link = { latencyMaxMs: 20, ghostChance: 0, duplicateChance: 0 };
  const world = new World(1, { agents: 1, devices: 3, config, link });
  world.onMessage = (from, kind, payload) => {
    lines.push(JSON.stringify({ from, kind, hex: Buffer.from(payload).toString('hex') }));
  };
  const [agent] = world.agents;
  for (let step = 0; step < 120 && agent !== undefined; step++) {
    if (step === 30) agent.link.isDown = true;
    if (step === 30) agent.link.cut();
    if (step === 90) agent.link.isDown = false;
    agent.send();
    world.clock.advance(500);
  }
  world.clock.advance(120_000);
  world.close();
  return lines;
}

if (import.meta.main) for (const line of recordSession()) console.log(line);
