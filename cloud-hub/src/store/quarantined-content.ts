/** What can be read of a quarantined batch, for whoever investigates. */
import { messageOf } from '@fogline/shared/errors';
import type { Lane } from '@fogline/shared/protocol/limits';
import { type BatchMessage, decodeBatch } from '@fogline/shared/protocol/messages';
import { decodeContent } from './batch-content.ts';
import { hourMs } from './levels.ts';

export interface QuarantinedContent {
  readonly epoch: string;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  /** Why no more can be read; undefined: all of it can. */
  readonly problem?: string;
  readonly items?: number;
  /** Starts of the earliest and the latest event hour; absent without items. */
  readonly firstHourMs?: number;
  readonly lastHourMs?: number;
}

/** The envelope of a batch and what its parts hold, or why it is none. */
export function contentOf(payload: Uint8Array): QuarantinedContent | { readonly problem: string } {
  let message: BatchMessage;
  try {
    message = decodeBatch(payload);
  } catch (error) {
    return { problem: messageOf(error) };
  }
  const { epoch, lane, first, last } = message;
  const envelope = { epoch, lane, first, last };
  try {
    const { hours, items } = decodeContent(message);
    const known = [...hours.keys()].sort((a, b) => a - b);
    const [firstHour, lastHour] = [known[0], known.at(-1)];
    if (firstHour === undefined || lastHour === undefined) return { ...envelope, items };
    return { ...envelope, items, firstHourMs: firstHour * hourMs, lastHourMs: lastHour * hourMs };
  } catch (error) {
    return { ...envelope, problem: messageOf(error) };
  }
}
