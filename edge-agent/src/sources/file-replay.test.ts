import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { silentLogger } from '@fogline/shared/log';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ParseConfig } from '../decoders/decoder.ts';
import { CoreKit } from '../testing/core-kit.ts';
import type { IngestPort } from './batch-port.ts';
import { chunkBytesMax } from './file-chunks.ts';
import { type FileDoor, unreleasedBytesMax } from './file-door.ts';
import { openFile } from './file-source.ts';

let folder: string;
let path: string;
let kit: CoreKit;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-file-'));
  path = join(folder, 'data.csv');
  kit = new CoreKit();
});

afterEach(() => {
  kit.close();
  rmSync(folder, { recursive: true });
});

/** Without a time in it nothing is a repeat: what is read twice counts twice. */
const csv: ParseConfig = { format: 'csv', metrics: 'auto', separator: ',', decimal: '.', hasHeader: true };

/** Of the core that is open now. */
function replay(parse: ParseConfig = csv, ingest: IngestPort = kit.core): FileDoor {
  const { core } = kit;
  const opened = openFile({
    path,
    source: { name: 'climate', topics: ['#'], parse },
    ingest,
    onRejected: (source, reason, topic, payload) => core.reject(source, reason, topic, payload),
    progress: core.counters(),
    clock: kit.clock,
    log: silentLogger,
  });
  kit.onRelease = (token) => opened.release('climate', [token]);
  return opened;
}

/** Lets time go on until the file is done or the core is dead. */
async function run(opened: FileDoor): Promise<void> {
  let hasEnded = false;
  void opened.ended.then(() => {
    hasEnded = true;
  });
  while (!hasEnded && kit.failure === undefined) {
    kit.clock.advance(5);
    await nextTurn();
  }
  await opened.close();
}

function rows(count: number, from = 0): string {
  return Array.from({ length: count }, (_, n) => `${from + n},${(from + n) / 8}\n`).join('');
}

/** What the journal holds: every value of the metrics a and b, in order. */
function queued(): number {
  return kit.core.status().queuedItems[2] ?? 0;
}

function counted(name: string): number {
  kit.core.checkpoint();
  return kit.core.counters()[name] ?? 0;
}

describe('a file', () => {
  it('is read once: not again at the next start', async () => {
    writeFileSync(path, `a,b\n${rows(20_000)}`);
    const opened = replay();
    await run(opened);
    expect(queued()).toBe(40_000);
    expect(opened.counters()).toMatchObject({ done: 1, failed: 0, long_lines: 0 });
    kit.open();
    const again = replay();
    await run(again);
    expect(again.sourceCounters('climate').readings).toBe(0);
    expect(queued()).toBe(40_000);
  });

  it.each(['before', 'after'] as const)(
    'goes on where it was, whichever commit the storage fails %s: no reading is lost or counted twice',
    async (when) => {
      writeFileSync(path, `a,b\n${rows(60_000)}`);
      let crashes = 0;
      for (let nth = 1; ; nth++) {
        const opened = replay();
        kit.faults.arm(when, nth);
        await run(opened);
        if (kit.failure === undefined) break;
        crashes++;
        kit.failure = undefined;
        kit.open();
      }
      expect(crashes).toBeGreaterThan(2);
      expect(queued()).toBe(120_000);
    },
  );

  it('does not lose what a checkpoint found read and not committed', async () => {
    writeFileSync(path, `a,b\n${rows(100)}`);
    const opened = replay();
    // Read and submitted, and no time went by for a commit.
    while (opened.sourceCounters('climate').readings < 200) await nextTurn();
    await opened.close();
    kit.core.checkpoint();
    kit.open();
    await run(replay());
    expect(queued()).toBe(200);
  });

  it('with other first lines is another file, and is read from its beginning; one that grew goes on', async () => {
    writeFileSync(path, `a,b\n${rows(10)}`);
    await run(replay());
    writeFileSync(path, `a,b\n${rows(15)}`);
    kit.open();
    await run(replay());
    expect(queued()).toBe(30);
    writeFileSync(path, `a,b\n${rows(10, 500)}`);
    kit.open();
    await run(replay());
    expect(queued()).toBe(50);
  });

  it('that was cut short, is not there, or is a folder fails and harms nobody', async () => {
    writeFileSync(path, `a,b\n${rows(10)}`);
    await run(replay());
    writeFileSync(path, `a,b\n${rows(3)}`);
    kit.open();
    for (const wrong of [path, join(folder, 'nowhere'), folder]) {
      path = wrong;
      const opened = replay();
      await run(opened);
      expect(opened.counters()).toMatchObject({ done: 0, failed: 1 });
    }
    expect(queued()).toBe(20);
  });

  it('needs no newline at its end, may be empty, and may have lines that are too long', async () => {
    writeFileSync(path, `a,b\n1,2\n${'9'.repeat(200_000)},1\n3,4\n${'8'.repeat(70_000)}\n5,6`);
    const opened = replay();
    await run(opened);
    expect(opened.counters()).toMatchObject({ done: 1, long_lines: 6 });
    expect(queued()).toBe(6);
    expect(counted('rejected.climate.line_too_long')).toBe(6);
    writeFileSync(path, '');
    kit.open();
    const empty = replay();
    await run(empty);
    expect(empty.counters()).toMatchObject({ done: 1, bytes: 0 });
  });

  it('of JSON has a message a line, of line protocol a line a line', async () => {
    writeFileSync(path, '{"a":1}\n\n{"a":2,"b":3}\r\nnonsense\n[{"a":4},{"a":5}]\n');
    await run(replay({ format: 'json', metrics: 'auto' }));
    expect(queued()).toBe(5);
    expect(counted('rejected.climate.junk_json')).toBe(1);
    writeFileSync(path, 'm a=1\nm a=2,b=3\nm\n');
    kit.open();
    await run(replay({ format: 'line_protocol', metrics: 'auto', precision: 'ns', maxSkewMs: 0 }));
    expect(queued()).toBe(8);
    expect(counted('rejected.climate.line_broken')).toBe(1);
  });

  it('waits while the agent is overloaded', async () => {
    writeFileSync(path, `a,b\n${rows(400_000)}`);
    const opened = replay();
    opened.pause();
    for (let turn = 0; turn < 50; turn++) {
      kit.clock.advance(5);
      await nextTurn();
    }
    expect(opened.sourceCounters('climate').readings).toBe(0);
    opened.resume();
    await run(opened);
    expect(queued()).toBe(800_000);
  });

  it('is read no further than the limit while nothing becomes durable', async () => {
    writeFileSync(path, `a,b\n${rows(400_000)}`);
    let submittedBytes = 0;
    const opened = replay(csv, { submit: ({ progress }) => (submittedBytes += progress?.[0]?.bytes ?? 0) });
    while (submittedBytes < unreleasedBytesMax) {
      kit.clock.advance(5);
      await nextTurn();
    }
    // By far enough for all of the file.
    for (let turn = 0; turn < 5_000; turn++) {
      kit.clock.advance(5);
      await nextTurn();
    }
    expect(submittedBytes).toBeLessThan(unreleasedBytesMax + chunkBytesMax);
    await opened.close();
  });
});
