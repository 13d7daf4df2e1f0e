/** A file that grows is read once, all of it, over rotation, truncation and crashes around any commit. */
import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger } from '@fogline/shared/log';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ParseConfig } from '../decoders/decoder.ts';
import { CoreKit, StorageFailed } from '../testing/core-kit.ts';
import type { FileDoor } from './file-door.ts';
import { openFile } from './file-source.ts';

let folder: string;
let path: string;
let kit: CoreKit;
let door: FileDoor | undefined;
let written = 0;
let rotations = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-follow-'));
  path = join(folder, 'data.log');
  kit = new CoreKit();
  written = 0;
  rotations = 0;
});

afterEach(async () => {
  await door?.close();
  kit.close();
  rmSync(folder, { recursive: true });
});

/** Without a time nothing is a repeat: what is read twice counts twice. */
const json: ParseConfig = { format: 'json', metrics: 'auto' };
const csv: ParseConfig = { format: 'csv', metrics: 'auto', separator: ',', decimal: '.', hasHeader: true };

function follow(parse: ParseConfig = json): FileDoor {
  const opened = openFile({
    path,
    source: { name: 'climate', topics: ['#'], parse },
    isFollowed: true,
    ingest: kit.core,
    progress: kit.core.counters(),
    clock: kit.clock,
    log: silentLogger,
  });
  door = opened;
  kit.onRelease = (token) => opened.release('climate', [token]);
  return opened;
}

/** As after a crash: what was not committed is gone. */
async function restart(parse: ParseConfig = json): Promise<FileDoor> {
  kit.failure = undefined;
  kit.core.kill();
  await door?.close();
  try {
    kit.open();
  } catch (error) {
    // The recovery commits as well; a fault strikes once.
    if (!(error instanceof StorageFailed)) throw error;
    kit.open();
  }
  return follow(parse);
}

/** So many lines, each with a value of its own. */
function append(lines: number): void {
  const text = Array.from({ length: lines }, () => `{"v":${written++}}\n`).join('');
  appendFileSync(path, text);
}

function rotate(): void {
  renameSync(path, `${path}.${++rotations}`);
}

/** Until the clock of files, which ticks every few milliseconds, has gone on. */
async function tickOfFiles(): Promise<void> {
  const probe = join(folder, 'probe');
  const now = (): number => {
    writeFileSync(probe, '');
    return statSync(probe).mtimeMs;
  };
  const before = now();
  while (now() === before) await sleep(1);
}

/** Lets time go on; file operations are real and take their own. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms && kit.failure === undefined; passed += 250) {
    kit.clock.advance(250);
    await sleep(1);
  }
}

function taken(): number {
  return kit.core.status().queuedItems[2] ?? 0;
}

/** Time goes on until so many readings are there; once there, a while longer, for none may follow. */
async function until(readings: number): Promise<void> {
  for (let looks = 0; taken() < readings && looks < 5_000; looks++) await pass(500);
  await pass(2_000);
  expect(taken()).toBe(readings);
}

describe('a file that is followed', () => {
  it('may come later; what is added is taken, a line once it has its end', async () => {
    const opened = follow();
    await pass(2_000);
    append(3);
    await until(3);
    appendFileSync(path, '{"v":');
    await pass(2_000);
    expect(taken()).toBe(3);
    appendFileSync(path, '77}\n');
    await until(4);
    expect(opened.counters()).toMatchObject({ failed: 0, rotated: 0, truncated: 0 });
    await restart();
    append(1);
    await until(5);
  });

  it('with a header has it before every piece, and in the file that comes after it', async () => {
    follow(csv);
    writeFileSync(path, 'a,b\n');
    await pass(1_000);
    appendFileSync(path, '1,2\n');
    await until(2);
    appendFileSync(path, '3,4\n');
    await until(4);
    rotate();
    writeFileSync(path, 'b,a\n5,6\n');
    await until(6);
    const read = await restart(csv);
    appendFileSync(path, '7,8\n');
    await until(8);
    expect(read.sourceCounters('climate')).toMatchObject({ readings: 2, rejected: {} });
  });

  it('is read to its end after it was renamed, also what its writer still adds, and its last line without an end', async () => {
    const opened = follow();
    append(10);
    await until(10);
    append(5);
    rotate();
    append(7);
    await pass(1_000);
    // The writer has not heard of the rotation yet.
    appendFileSync(`${path}.1`, '{"v":-1}\n{"v":-2}');
    await until(24);
    expect(opened.counters()).toMatchObject({ rotated: 1, truncated: 0 });
  });

  it('is found again after a kill, rotated however often meanwhile; what was rotated before it was followed is not read', async () => {
    append(4);
    rotate();
    append(10);
    follow();
    await until(10);
    append(5);
    kit.core.kill();
    for (let times = 0; times < 3; times++) {
      rotate();
      append(6);
      // Times of files are what tells their order.
      await tickOfFiles();
    }
    await restart();
    await until(10 + 5 + 3 * 6);
    append(1);
    await until(10 + 5 + 3 * 6 + 1);
    kit.core.checkpoint();
    // What was read of files that are gone is not remembered for ever.
    expect(Object.keys(kit.core.counters()).filter((name) => name.startsWith('file.'))).toHaveLength(1);
  });

  it.each(['data.log2', 'data.log-notes', 'data.log.idx'])(
    'has nothing to do with a file beside it called %s',
    async (name) => {
      follow();
      append(3);
      await until(3);
      const other = join(folder, name);
      writeFileSync(other, '{"v":-1}\n');
      rotate();
      append(2);
      await until(5);
      await restart();
      writeFileSync(other, '{"v":-1}\n{"v":-2}\n');
      append(1);
      await until(6);
    },
  );

  it.each(['data.log-20261128', 'data.log.2026-11-28T10.00', 'data.log.old', 'data.log~', 'data.log.renamed'])(
    'is found again after a kill when it was renamed to %s',
    async (name) => {
      follow();
      append(3);
      await until(3);
      kit.core.kill();
      append(2);
      renameSync(path, join(folder, name));
      append(1);
      await restart();
      await until(6);
    },
  );

  it.each([
    ['1', '2'],
    ['2', '1'],
  ])(
    'was rotated to .%s, then to .%s, within one tick of the clock of files: no line is missed',
    async (first, then) => {
      follow();
      append(3);
      await until(3);
      kit.core.kill();
      await tickOfFiles();
      append(2);
      renameSync(path, `${path}.${first}`);
      append(4);
      renameSync(path, `${path}.${then}`);
      append(1);
      for (const name of [first, then]) utimesSync(`${path}.${name}`, 1_700_000_000, 1_700_000_000);
      await restart();
      await until(10);
    },
  );

  it('is read from its beginning when it was cut, to whatever length it grew since', async () => {
    const opened = follow();
    append(20);
    await until(20);
    truncateSync(path);
    append(3);
    await until(23);
    truncateSync(path);
    append(200);
    await until(223);
    expect(opened.counters()).toMatchObject({ rotated: 0, truncated: 2 });
    await restart();
    truncateSync(path);
    append(2);
    await until(225);
  });

  it('may begin with a line that is too long, which is counted and let go by', async () => {
    const opened = follow();
    appendFileSync(path, '9'.repeat(100_000));
    await pass(2_000);
    appendFileSync(path, '9'.repeat(50_000));
    appendFileSync(path, '\n{"v":1}\n');
    await until(1);
    expect(opened.counters()['long_lines']).toBeGreaterThan(1);
    await restart();
    append(1);
    await until(2);
  });

  it('that cannot be read is tried again', async () => {
    const opened = openFile({
      path: folder,
      source: { name: 'climate', topics: ['#'], parse: json },
      isFollowed: true,
      ingest: kit.core,
      progress: {},
      clock: kit.clock,
      log: silentLogger,
    });
    await expect
      .poll(async () => {
        await pass(6_000);
        return opened.counters()['failed'];
      })
      .toBeGreaterThan(1);
    await opened.close();
  });

  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('append' as const), lines: fc.integer({ min: 1, max: 40 }) }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'rotate' as const }) },
    { weight: 3, arbitrary: fc.constant({ kind: 'kill' as const }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('fail' as const),
        when: fc.constantFrom('before' as const, 'after' as const),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(250, 1_000, 8_000) }) },
  );

  it('over any appends, rotations, kills and failed commits: every line counts once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
        await door?.close();
        kit.close();
        rmSync(folder, { recursive: true });
        folder = mkdtempSync(join(tmpdir(), 'fogline-follow-'));
        path = join(folder, 'data.log');
        kit = new CoreKit();
        written = 0;
        append(1);
        follow();
        // It is known from its first commit on; what is rotated before that is not of this agent.
        await until(1);
        for (const one of steps) {
          if (one.kind === 'append') append(one.lines);
          else if (one.kind === 'rotate') {
            rotate();
            append(1);
            await tickOfFiles();
          } else if (one.kind === 'kill') await restart();
          else if (one.kind === 'fail') kit.faults.arm(one.when);
          else await pass(one.ms);
          if (kit.failure !== undefined) await restart();
        }
        for (let looks = 0; taken() < written && looks < 5_000; looks++) {
          await pass(500);
          if (kit.failure !== undefined) await restart();
        }
        await pass(8_000);
        expect(taken()).toBe(written);
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});
