/**
 * The body of one commit: inputs (the journal), outbox rows, seals, counters and actions, as one MessagePack array after a CRC-32 of
 * it. Blocks inside are immutable; whoever needs one reads the record and takes its bytes. A record whose checksum does not
 * fit throws `storage_corrupt`: damage is never taken for data.
 */
import { crc32 } from 'node:zlib';
import { FoglineError } from '@fogline/shared/errors';
import type { Lane } from '@fogline/shared/protocol/limits';
import type { PartKind } from '@fogline/shared/protocol/messages';
import { partKinds } from '@fogline/shared/protocol/messages';
import { Packr } from 'msgpackr';
import { type Action, type ActionOutcome, outcomes } from '../actions/action.ts';

/** Of one block: it fits into an envelope beside its other fields. One that no envelope can carry would block its lane for ever. */
export const blockBytesMax = 960 * 1024;

const recordVersion = 1;
const packr = new Packr({ useRecords: false });

export interface CommitInput {
  readonly source: string;
  /** Every reading's time came from its payload, so that exact repeats can be told. */
  readonly hasSourceTime: boolean;
  readonly bytes: Uint8Array;
}

export interface CommitOutput {
  readonly lane: Lane;
  readonly kind: PartKind;
  readonly first: number;
  readonly last: number;
  /** Items per event hour, flat. */
  readonly hours: readonly number[];
  /** Index of the input whose block this is, or −1. */
  readonly input: number;
  /** The own block when `input` is −1. */
  readonly bytes: Uint8Array | null;
}

/** A batch sealed in this commit, made of the unsealed rows of its lane within the range. */
export interface CommitSeal {
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  readonly crc: number;
}

export interface CommitRecord {
  readonly epochId: number;
  readonly now: number;
  readonly inputs: readonly CommitInput[];
  readonly outputs: readonly CommitOutput[];
  readonly seals: readonly CommitSeal[];
  /** What was counted since the previous commit, by name. */
  readonly counted: readonly (readonly [name: string, count: number])[];
  /** Decided in this commit, to be carried out after it. */
  readonly actions: readonly Action[];
  /** What became of actions of earlier commits. */
  readonly outcomes: readonly ActionOutcome[];
}

export function encodeCommit(record: CommitRecord): Uint8Array {
  const body = packr.pack([
    recordVersion,
    record.epochId,
    record.now,
    record.inputs.map((input) => [input.source, input.hasSourceTime ? 1 : 0, input.bytes]),
    record.outputs.map((output) => [
      output.lane,
      partKinds.indexOf(output.kind),
      output.first,
      output.last,
      output.hours,
      output.input,
      output.bytes,
    ]),
    record.seals.map((seal) => [seal.lane, seal.first, seal.last, seal.crc]),
    record.counted,
    record.actions,
    record.outcomes.map(([id, outcome]) => [id, outcomes.indexOf(outcome)]),
  ]);
  const bytes = new Uint8Array(4 + body.byteLength);
  new DataView(bytes.buffer).setUint32(0, crc32(body), true);
  bytes.set(body, 4);
  return bytes;
}

type PackedRecord = [
  version: number,
  epochId: number,
  now: number,
  inputs: [string, number, Uint8Array][],
  outputs: [Lane, number, number, number, number[], number, Uint8Array | null][],
  seals: [Lane, number, number, number][],
  counted: [string, number][],
  // Of commits from before there were alarms, absent.
  actions?: Action[],
  outcomes?: [number, number][],
];

export function decodeCommit(bytes: Uint8Array, id: number): CommitRecord {
  const body = bytes.subarray(4);
  if (bytes.byteLength < 5 || new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) !== crc32(body)) {
    throw new FoglineError('storage_corrupt', `commit ${id} does not match its checksum`, { details: { commit: id } });
  }
  const [version, epochId, now, inputs, outputs, seals, counted, actions = [], settled = []] = packr.unpack(
    body,
  ) as PackedRecord;
  if (version !== recordVersion)
    throw new FoglineError('storage_open', `commit ${id} has version ${version}, this build needs ${recordVersion}`);
  return {
    epochId,
    now,
    inputs: inputs.map(([source, hasSourceTime, block]) => ({
      source,
      hasSourceTime: hasSourceTime === 1,
      bytes: block,
    })),
    outputs: outputs.map(([lane, kind, first, last, hours, input, block]) => ({
      lane,
      kind: partKinds[kind] ?? 'readings',
      first,
      last,
      hours,
      input,
      bytes: block,
    })),
    seals: seals.map(([lane, first, last, crc]) => ({ lane, first, last, crc })),
    counted,
    actions,
    outcomes: settled.map(([id, outcome]) => [id, outcomes[outcome] ?? 'done']),
  };
}

/** The block of an output. */
export function blockOf(record: CommitRecord, output: CommitOutput): Uint8Array {
  const bytes = output.input >= 0 ? record.inputs[output.input]?.bytes : output.bytes;
  if (bytes === undefined || bytes === null)
    throw new FoglineError('storage_corrupt', 'a commit names a block that it does not hold');
  return bytes;
}
