import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemClock } from '@fogline/shared/clock';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterAll, expect, it } from 'vitest';
import { Child, fieldOf } from './cli-child.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-child-'));
/** What would run for ever if the leash did not hold. */
let leashed: number | undefined;
afterAll(() => {
  rmSync(folder, { recursive: true });
  if (leashed !== undefined) process.kill(leashed, 'SIGKILL');
});

let scripts = 0;
function script(text: string): URL {
  const path = join(folder, `script-${++scripts}.mjs`);
  writeFileSync(path, text);
  return pathToFileURL(path);
}

function start(text: string, clock = systemClock, log: string[] = []): Child {
  return new Child({ name: 'it', script: script(text), args: ['a'], clock, onLog: (line) => log.push(line) });
}

const forEver = 'setInterval(() => {}, 1e6);';

it('finds a line whether it came before or comes after the question', async () => {
  const child = start(
    `process.on('SIGTERM', () => { console.log('bye'); process.exit(0); }); console.log('ready port=' + process.argv[2]); ${forEver}`,
  );
  expect(await child.line('ready ')).toBe('ready port=a');
  expect(fieldOf(await child.line('ready '), 'port')).toBe('a');
  await child.stop(60_000);
  expect(child.lastLine).toBe('bye');
  expect(child.isKilled).toBe(false);
});

it('reports a process that ends unasked with its last words, also to who waits for a line', async () => {
  const log: string[] = [];
  const child = start(`console.error('disk on fire'); process.exitCode = 7;`, systemClock, log);
  await expect(child.line('ready ')).rejects.toThrow(/it ended unasked \(exit code 7\).*\n {2}disk on fire/);
  await expect(child.failed).rejects.toMatchObject({ code: 'unavailable' });
  expect(log).toEqual(['disk on fire']);
});

it('kills a process that does not stop, and says so', async () => {
  const clock = new ManualClock();
  const child = start(`process.on('SIGTERM', () => console.log('no')); console.log('ready'); ${forEver}`, clock);
  await child.line('ready');
  const stopped = child.stop(5_000);
  await child.line('no');
  clock.advance(5_000);
  await stopped;
  expect(child.isKilled).toBe(true);
});

it('ends a process in order when whoever started it is gone, however that happened', async () => {
  const leash = new URL('./cli-leash.ts', import.meta.url).href;
  const text = `process.on('SIGTERM', () => { console.log('stopping'); process.exit(0); }); console.log('up ' + process.pid); ${forEver}`;
  const inner = script(text).pathname;
  const outer = script(
    `import { spawn } from 'node:child_process';
     spawn(process.execPath, ['--import', '${leash}', '${inner}'], { detached: true, stdio: ['pipe', 'inherit', 'inherit'] }); ${forEver}`,
  ).pathname;
  const parent = spawn(process.execPath, [outer], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  parent.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
    const pid = Number(/^up (\d+)\n/.exec(said)?.[1]);
    if (Number.isNaN(pid) || parent.killed) return;
    leashed = pid;
    parent.kill('SIGKILL');
  });
  // The pipe is the grandchild's as well: it closes when that has ended.
  await once(parent.stdout, 'close');
  expect(said).toMatch(/^up \d+\nstopping\n$/);
  leashed = undefined;
});
