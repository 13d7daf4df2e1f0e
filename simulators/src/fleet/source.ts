/** Where messages come from: a fleet of devices or a file. Types only. */

export interface Message {
  readonly device: string;
  /** Source time of all its readings, integer ms. */
  readonly timeMs: number;
  readonly topic: string;
  readonly payload: string;
  /** The readings as JSON object, metric → value: what the truth file says was sent. */
  readonly values: string;
}

/**
 * Messages in lanes, one lane a connection; the messages of a device are all in one lane, in the order of their times. A
 * source holds nothing back: what was taken and not acked is the lane's to send again.
 */
export interface Source {
  readonly lanes: number;
  /** Device time of the lane's next message; Infinity when it has no more. A time in the past is due at once. */
  dueMs(lane: number): number;
  /** Takes the next message of the lane; undefined when it has no more, or must wait for other lanes to go on. */
  take(lane: number): Message | undefined;
  /** The message is known to have arrived (or, at QoS 0, to have left). */
  settled?(message: Message): void;
}

const capture = '{device}';

/** Puts a device's name into a topic such as `sensors/{device}/climate`. */
export function topicFor(pattern: string, device: string): string {
  return pattern.replaceAll(capture, device);
}
