/** What the operating system says a process has used: Linux, /proc. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Usage {
  /** User and system time since the start. */
  readonly cpuSeconds: number;
  /** Bytes that were sent to the storage layer (pages made dirty), fsynced or not. */
  readonly writtenBytes: number;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

export function usageOf(pid: number): Usage {
  const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, 'utf8');
  // The name of the program may hold spaces and brackets; what follows its last bracket is numbers.
  const stat = read('stat');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Its own, and those of children that have ended.
  const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
  const status = read('status');
  return {
    cpuSeconds: ticks / ticksPerSecond,
    writtenBytes: numberAfter('write_bytes:', read('io')),
    rssBytes: numberAfter('VmRSS:', status) * 1024,
    peakRssBytes: numberAfter('VmHWM:', status) * 1024,
  };
}

/** Of several processes together. */
export function sumOf(usages: readonly Usage[]): Usage {
  const total = (of: (usage: Usage) => number): number => usages.reduce((sum, usage) => sum + of(usage), 0);
  return {
    cpuSeconds: total((usage) => usage.cpuSeconds),
    writtenBytes: total((usage) => usage.writtenBytes),
    rssBytes: total((usage) => usage.rssBytes),
    peakRssBytes: total((usage) => usage.peakRssBytes),
  };
}

export function differenceOf(before: Usage, after: Usage): Pick<Usage, 'cpuSeconds' | 'writtenBytes'> {
  return {
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    writtenBytes: after.writtenBytes - before.writtenBytes,
  };
}

function numberAfter(name: string, text: string): number {
  const at = text.indexOf(name);
  if (at < 0) throw new Error(`no ${name} in what /proc says`);
  return Number.parseInt(text.slice(at + name.length), 10);
}
