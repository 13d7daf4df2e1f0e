/** Where messages come from: a fleet of devices or a file; and where they are put together. */
import { FrameWriter } from './mqtt-frames.ts';
import type { TextWriter } from './text-writer.ts';
import type { Qos, Wire } from './wire.ts';

/**
 * Messages in lanes, one lane a connection; the messages of a device are all in one lane, in the order of their positions. A
 * source holds nothing back: what was taken and not acked is the lane's to send again.
 */
export interface Source {
  readonly lanes: number;
  /** Devices are numbers from 0. */
  readonly devices: number;
  nameOf(device: number): string;
  /** Device time of the lane's next message; Infinity when it has no more. A time in the past is due at once. */
  dueMs(lane: number): number;
  /** Writes the next message of the lane into `out`; false when it has no more, or must wait for other lanes to go on. */
  take(lane: number, out: Outgoing): boolean;
  /** Writes the name that the device had at a position, as within quotes of JSON. */
  writeName(out: TextWriter, device: number, position: number): void;
  /** The message is known to have arrived (or, at QoS 0, to have left); in the order of a lane's messages. */
  settled?(device: number, position: number): void;
  /** Topic filters that the lane's connection subscribes to. */
  subscriptions?(lane: number): readonly string[];
  onMessage?(topic: string, payload: string, deviceNowMs: number): void;
}

/** One message on its way from a source to a lane: bytes, and what the lane must remember. One object serves all messages. */
export class Outgoing {
  /** Messages in the framing of the wire, one after the other. */
  readonly frames = new FrameWriter();
  /** Topics are written only where the wire has them. */
  readonly hasTopic: boolean;
  /** Lines of the truth file; undefined = nobody wants them. */
  readonly truth: TextWriter | undefined;
  /** Set by the lane before the message is taken. */
  packetId = 0;
  device = 0;
  /** Place in the schedule of the device, in ms: ascending, other than the time that the device tells. */
  position = 0;
  /** The time that the device tells. */
  timeMs = 0;
  qos: Qos = 0;
  /** Is in the truth file, and its ack will be. */
  isReading = true;

  constructor(framing: Wire['framing'], truth: TextWriter | undefined) {
    this.hasTopic = framing === 'mqtt';
    this.truth = truth;
  }

  /** Then the topic, where there is one. */
  begin(qos: Qos): void {
    this.qos = qos;
    if (this.hasTopic) this.frames.beginPublish(qos);
  }

  /** Then the payload. */
  payload(): void {
    if (this.hasTopic) this.frames.endTopic(this.packetId);
  }

  end(): void {
    if (this.hasTopic) this.frames.endPublish();
    else this.frames.byte(0x0a);
  }
}
