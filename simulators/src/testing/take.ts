/** What a source gives, as plain objects. */
import { Outgoing, type Source } from '../fleet/source.ts';
import { TextWriter } from '../fleet/text-writer.ts';

export interface Taken {
  /** Number of the device. */
  readonly device: number;
  readonly name: string;
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly timeMs: number;
  readonly position: number;
  /** Lines of the truth file that came with it, parsed. */
  readonly truth: readonly Record<string, unknown>[];
}

const outgoing = { mqtt: new Outgoing('mqtt', new TextWriter()), lines: new Outgoing('lines', new TextWriter()) };

/** Takes the next message of a lane; undefined when there is none. */
export function takeFrom(source: Source, lane: number, framing: 'mqtt' | 'lines' = 'mqtt'): Taken | undefined {
  const out = outgoing[framing];
  out.frames.at = 0;
  out.packetId = 7;
  if (!source.take(lane, out)) return undefined;
  const { device, timeMs, position, qos, frames } = out;
  const name = new TextWriter();
  source.writeName(name, device, position);
  const lines = out.truth?.take().split('\n') ?? [];
  const truth = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>);
  const bytes = Buffer.from(frames.bytes.subarray(0, frames.at));
  const message = framing === 'mqtt' ? messageOf(bytes) : { topic: '', payload: bytes.toString().trimEnd() };
  return { device, name: name.take(), ...message, qos, timeMs, position, truth };
}

/** All messages of all lanes, lane by lane. */
export function drain(source: Source, framing: 'mqtt' | 'lines' = 'mqtt'): Taken[] {
  const messages: Taken[] = [];
  for (let lane = 0; lane < source.lanes; lane++) {
    for (let one = takeFrom(source, lane, framing); one !== undefined; one = takeFrom(source, lane, framing)) {
      messages.push(one);
    }
  }
  return messages;
}

/** A reader of its own of one PUBLISH: fixed header, topic, packet id, payload. */
export function messageOf(frame: Buffer): { topic: string; payload: string } {
  let at = 1;
  while ((frame[at] ?? 0) >= 0x80) at++;
  const topicEnd = at + 3 + frame.readUInt16BE(at + 1);
  const qos = ((frame[0] ?? 0) >> 1) & 3;
  return {
    topic: frame.toString('utf8', at + 3, topicEnd),
    payload: frame.toString('utf8', topicEnd + (qos > 0 ? 2 : 0)),
  };
}
