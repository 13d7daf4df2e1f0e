import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditEntry, AuditLog, auditLimits } from './audit-log.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-audit-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const clock = new ManualClock(1_000);

function entry(fields: Partial<AuditEntry> = {}): AuditEntry {
  return { who: 'boss', from: '10.0.0.1', what: 'POST /x', target: 'name=a', outcome: 'ok', ...fields };
}

describe('the audit log', () => {
  it('has a change on disk at once, newest first, page by page', () => {
    const log = new AuditLog(folder, clock);
    for (const target of ['a', 'b', 'c']) log.record(entry({ target }));
    // A second reader, as after a crash: nothing was closed.
    const other = new AuditLog(folder, clock);
    const page = other.list({ limit: 2 });
    expect(page.map(({ target }) => target)).toEqual(['c', 'b']);
    expect(other.list({ before: page[1]?.id ?? 0 })).toEqual([
      { id: 1, atMs: 1_000, times: 1, ...entry({ target: 'a' }) },
    ]);
    other.close();
    log.close();
  });

  it('has nothing in it that a terminal would act on, or that looks like a line of its own', () => {
    const log = new AuditLog(folder, clock);
    log.refuse(entry({ target: 'name=\u001b[2Jx\n2026-01-01\tboss\u202e\u2028\u009b1m é' }));
    expect(log.list()[0]?.target).toBe('name=\ufffd[2Jx\ufffd2026-01-01\ufffdboss\ufffd\ufffd\ufffd1m é');
    log.close();
  });

  it('gathers equal refusals in one line, whatever their number', () => {
    const log = new AuditLog(folder, clock);
    for (let n = 0; n < 10_000; n++) log.refuse(entry({ outcome: 'unauthorized' }));
    const other = new AuditLog(folder, clock);
    expect(other.list()).toEqual([]);
    clock.advance(auditLimits.flushMs);
    expect(other.list()).toMatchObject([{ outcome: 'unauthorized', times: 10_000 }]);
    other.close();
    log.close();
  });

  it('refusals from ever new addresses stay bounded and are still counted', () => {
    const log = new AuditLog(':memory:', clock);
    for (let n = 0; n < 5_000; n++) log.refuse(entry({ from: `10.0.${n >> 8}.${n & 255}`, outcome: 'forbidden' }));
    const lines = log.list({ limit: 10_000 });
    expect(lines.length).toBe(auditLimits.gatheredMax + 1);
    expect(lines.reduce((sum, { times }) => sum + times, 0)).toBe(5_000);
    log.close();
  });

  it('refusals push no change out', () => {
    const log = new AuditLog(':memory:', clock);
    log.record(entry({ target: 'precious' }));
    for (let n = 0; n < auditLimits.refusalsMax + 500; n++) {
      log.refuse(entry({ from: String(n), outcome: 'unauthorized' }));
      if (n % auditLimits.gatheredMax === 0) clock.advance(auditLimits.flushMs);
    }
    const lines = log.list({ limit: 1_000_000 });
    expect(lines.length).toBe(auditLimits.refusalsMax + 1);
    expect(lines.at(-1)?.target).toBe('precious');
    log.close();
  });

  it('a damaged log is set aside, and the new one begins with that', () => {
    writeFileSync(join(folder, 'audit.db'), 'x'.repeat(5_000));
    const log = new AuditLog(folder, clock);
    log.record(entry());
    expect(log.list()).toMatchObject([{ target: 'name=a' }, { who: 'hub', what: 'audit log damaged' }]);
    expect(existsSync(join(folder, 'audit.db.damaged'))).toBe(true);
    log.close();
  });

  it('long texts are cut', () => {
    const log = new AuditLog(':memory:', clock);
    log.record(entry({ target: 'y'.repeat(100_000) }));
    expect(log.list()[0]?.target.length).toBe(auditLimits.textMax);
    log.close();
  });
});
