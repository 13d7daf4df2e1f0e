/**
 * The truth file: what was sent and what was acked, one JSON object a line, so that a verdict does not depend on the memory of
 * anything under test. A message's line is with the operating system before its first byte leaves, so after a SIGKILL nothing
 * can be at the hub that the file does not know. The acks of the last moments may be missing; that only makes the
 * verdict milder.
 *
 *     {"truth":1,"startedMs":…}                                              once per run, first
 *     {"s":"dev-0001","t":1767225600000,"v":{"temperature":21.53},"q":1}     sent, once, before its first transmission
 *     {"a":["dev-0001",1767225600000]}                                       acked
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import type { Message } from './source.ts';
import type { Qos } from './wire.ts';

const bufferCharactersMax = 64 * 1024;

export interface TruthWriter {
  sent(message: Message, qos: Qos): void;
  acked(message: Message): void;
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
  let buffer = `${endsMidLine(file) ? '\n' : ''}{"truth":1,"startedMs":${startedMs}}\n`;
  const flush = (): void => {
    if (buffer === '') return;
    const bytes = Buffer.from(buffer);
    buffer = '';
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    } catch (error) {
      throw new FoglineError('storage_io', `cannot write the truth file ${path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  };
  const append = (line: string): void => {
    buffer += line;
    if (buffer.length >= bufferCharactersMax) flush();
  };
  flush();
  return {
    sent: (message, qos) =>
      append(`{"s":${JSON.stringify(message.device)},"t":${message.timeMs},"v":${message.values},"q":${qos}}\n`),
    acked: (message) => append(`{"a":[${JSON.stringify(message.device)},${message.timeMs}]}\n`),
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
