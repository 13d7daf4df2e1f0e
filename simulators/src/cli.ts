#!/usr/bin/env node
/** `fogline-sim`: fleets, replays, bad links and verdicts. */
import { readFileSync } from 'node:fs';
import { main } from '@fogline/shared/cli';
import { agentsCommand } from './agents/agents-cli.ts';
import { chaosCommand } from './chaos/chaos-cli.ts';
import { demoCommand } from './demo/demo-cli.ts';
import { linkCommand } from './faults/link-cli.ts';
import { fleetCommand } from './fleet/fleet-cli.ts';
import { replayCommand } from './fleet/replay-cli.ts';
import { scoreCommand } from './verify/score-cli.ts';
import { verifyCommand } from './verify/verify-cli.ts';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

await main({
  name: 'fogline-sim',
  version: manifest.version,
  summary: 'Simulated devices, bad links, and a verdict on what arrived.',
  commands: [
    demoCommand,
    fleetCommand,
    replayCommand,
    linkCommand,
    verifyCommand,
    scoreCommand,
    agentsCommand,
    chaosCommand,
  ],
});
