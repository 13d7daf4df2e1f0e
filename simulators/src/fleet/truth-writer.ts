/**
 * The truth file: what was sent, what was acked and what was wrong on purpose, one JSON object a line, so that a verdict does not
 * depend on the memory of anything under test. A message's line is with the operating system before its first byte leaves, so after a
 * SIGKILL nothing can be at the hub that the file does not know. The acks of the last moments may be missing; that only makes
 * the verdict milder.
 *
 *     {"truth":1,"startedMs":…}                                              once per run, first
 *     {"s":"dev-0001","t":1767225600000,"v":{"temperature":21.53},"q":1}     sent, once, before its first transmission
 *     {"a":["dev-0001",1767225600000]}                                       acked
 *     {"w":1767225600123}                                                    wall time of the lines that follow
 *     {"f":{"kind":"spike","device":"dev-0001","from":…,"to":…}}             a fault begins
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { TextWriter } from './text-writer.ts';
import type { Qos } from './wire.ts';

const bufferBytesMax = 64 * 1024;

/** A message as the truth file knows it. */
export interface TruthMessage {
  readonly device: string;
  readonly timeMs: number;
  /** Metric → value, as a JSON object. */
  readonly values: string;
}

export interface TruthWriter {
  /** Takes whole lines; whoever writes here calls `flush`. */
  readonly lines: TextWriter;
  sent(message: TruthMessage, qos: Qos): void;
  acked(message: TruthMessage): void;
  /** What follows happens at this wall time, or later. */
  at(wallMs: number): void;
  /** Hands everything to the operating system. */
  flush(): void;
  close(): void;
}

/** Appends to `path`, or creates it; a line torn by an earlier kill is closed first. Throws `storage_open`, `storage_io`. */
export function openTruth(path: string, startedMs: number): TruthWriter {
  let file: number;
  try {
    file = openSync(path, 'a+');
  } catch (error) {
    throw new FoglineError('storage_open', `cannot write the truth file ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const lines = new TextWriter(2 * bufferBytesMax);
  lines.text(`${endsMidLine(file) ? '\n' : ''}{"truth":1,"startedMs":${startedMs}}\n`);
  let saidMs = Number.NaN;
  const flush = (): void => {
    const { bytes, at } = lines;
    lines.at = 0;
    try {
      for (let from = 0; from < at; ) from += writeSync(file, bytes, from, at - from);
    } catch (error) {
      throw new FoglineError('storage_io', `cannot write the truth file ${path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  };
  const append = (line: string): void => {
    lines.text(line);
    if (lines.at >= bufferBytesMax) flush();
  };
  flush();
  return {
    lines,
    sent: ({ device, timeMs, values }, qos) =>
      append(`{"s":${JSON.stringify(device)},"t":${timeMs},"v":${values},"q":${qos}}\n`),
    acked: ({ device, timeMs }) => append(`{"a":[${JSON.stringify(device)},${timeMs}]}\n`),
    at(wallMs) {
      if (wallMs === saidMs) return;
      saidMs = wallMs;
      append(`{"w":${wallMs}}\n`);
    },
    flush,
    close() {
      flush();
      closeSync(file);
    },
  };
}

function endsMidLine(file: number): boolean {
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
}
