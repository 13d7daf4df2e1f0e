/** A real agent is killed while it reads a file, once or while it grows: it goes on where its last commit was, and the hub counts every row once. */
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { countAtHub } from '../support/hub-count.ts';
import { withSeed } from '../support/seed.ts';
import { openStage } from '../support/stage.ts';
import { agentStatus, openSystem, type System } from '../support/system.ts';

const thisFile = 'simulators/test/sources/file.test.ts';
const rows = 1_000_000;
const kills = 6;

/** Of files, since this process of the agent started. */
async function durableBytes({ agentUrl }: System): Promise<number> {
  const text = await (await fetch(`${agentUrl}/metrics`)).text();
  return Number(/^fogline_agent_file_total\{reason="bytes"\} (\d+)/m.exec(text)?.[1] ?? 0);
}

describe('a file', () => {
  it('is read once, however often the agent is killed on the way', { timeout: 300_000 }, () =>
    withSeed(thisFile, 1, async ({ random }) => {
      const stage = openStage('file');
      const path = stage.path('data.csv');
      const lines = Array.from({ length: rows }, (_, n) => `${n},${random.below(1_000) / 8}\n`);
      const text = `n,v\n${lines.join('')}`;
      writeFileSync(path, text);
      const start = Date.now();
      // Without a time in the file no reading is a repeat: what is read twice would count twice.
      const system = await openSystem(stage, {
        moreSources: `  old: { file: { path: "${path}" }, parse: { csv: auto } }`,
        pipelines: '{ live: { from: old } }',
      });
      const range = [start - 86_400_000, start + 86_400_000] as const;
      const atHub = (): Promise<number> => countAtHub(system.hubUrl, 'live', range);
      let interrupted = 0;
      for (let kill = 0; kill < kills; kill++) {
        await stage.until('some of it is durable', 60_000, async () => (await durableBytes(system)) > 0);
        await system.agent.kill();
        const { out } = await stage.run('agent', ['status', '--config', system.agentConfig]);
        const read = Number(/file\.old\.\w+ (\d+)/.exec(out)?.[1] ?? 0);
        expect(read).toBeGreaterThan(0);
        await system.agent.start();
        if (read === text.length) break;
        interrupted++;
      }
      expect(interrupted).toBeGreaterThan(1);
      await stage.until('all of it is at the hub', 120_000, async () => (await atHub()) >= 2 * rows);
      await stage.until(
        'and nothing is on its way',
        60_000,
        async () => (await agentStatus(system)).queuedItems[2] === 0,
      );
      expect(await countAtHub(system.hubUrl, 'live', range)).toBe(2 * rows);
    }),
  );

  it('that grows and is rotated is read once, however often the agent is killed meanwhile', { timeout: 300_000 }, () =>
    withSeed(thisFile, 2, async ({ random }) => {
      const stage = openStage('follow');
      const path = stage.path('data.log');
      let lines = 0;
      const append = (count: number): void => {
        appendFileSync(path, Array.from({ length: count }, () => `{"v":${lines++}}\n`).join(''));
      };
      append(1);
      const start = Date.now();
      const system = await openSystem(stage, {
        moreSources: `  log: { file: { path: "${path}", follow: true }, parse: { json: auto } }`,
        pipelines: '{ live: { from: log } }',
      });
      const range = [start - 86_400_000, start + 86_400_000] as const;
      const all = (): Promise<boolean> => countAtHub(system.hubUrl, 'live', range).then((count) => count >= lines);
      await stage.until('its first line is at the hub', 60_000, all);
      let isOver = false;
      let rotations = 0;
      const writer = (async () => {
        const own = random.fork();
        for (; !isOver; await sleep(own.below(40))) {
          append(1 + own.below(200));
          if (!own.chance(0.04)) continue;
          renameSync(path, `${path}.${++rotations}`);
          append(1);
        }
      })();
      stage.onClose(async () => {
        isOver = true;
        await writer;
      });
      for (let kill = 0; kill < kills; kill++) {
        await sleep(500 + random.below(1_500));
        await system.agent.kill();
        await sleep(random.below(800));
        await system.agent.start();
      }
      isOver = true;
      await writer;
      expect(rotations).toBeGreaterThan(2);
      await stage.until('every line is at the hub', 120_000, all);
      await stage.until(
        'and nothing is on its way',
        60_000,
        async () => (await agentStatus(system)).queuedItems[2] === 0,
      );
      expect(await countAtHub(system.hubUrl, 'live', range)).toBe(lines);
    }),
  );
});
