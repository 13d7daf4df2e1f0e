/** Why something that arrived became no reading. Every one is counted; none is silent. */
export const rejectionReasons = {
  junk_json: 'The payload is no JSON text in UTF-8.',
  not_object: 'The payload is JSON, but not an object.',
  payload_too_large: 'The payload is larger than the decoder takes.',
  no_known_field: 'Not one configured field is in the payload.',
  field_missing:
    'One configured field is absent or null; the others were taken. Not a loss: a device need not send all.',
  wrong_type: 'A field is not of the configured type. A number in quotes is a text.',
  not_finite: 'A number is beyond what float64 can hold.',
  time_missing: 'The configured time field is absent or null.',
  time_invalid: 'The time is not of the configured form.',
  time_future: 'The time is further ahead of the clock than max_skew.',
  time_before_2000:
    'The time lies before the year 2000: almost always seconds taken for milliseconds, or an unset clock.',
  text_too_long: 'A text is longer than a state may be.',
  topic_unmatched: 'The topic belongs to no source; it was passed on to local subscribers only.',
  series_limit: 'The source has as many series as it may have; this one would be one more.',
  metric_name_invalid: 'The name of a field, taken for a metric, is empty, too long, or holds control characters.',
  device_name_invalid: 'A device name or tag is empty, too long, or holds control characters or broken UTF-8.',
  qos0_dropped_overload: 'A QoS 0 message came while the agent was overloaded.',
} as const;

export type RejectionReason = keyof typeof rejectionReasons;

/** Nothing is wrong with these messages: counted, but no sample is worth keeping. */
const harmless: ReadonlySet<RejectionReason> = new Set(['field_missing']);

/** `payload` is a view, valid until this returns; undefined when the reason is harmless. */
export type RejectionReport = (reason: RejectionReason, topic: string, payload: Uint8Array | undefined) => void;

const nothing = new Uint8Array(0);

/** Counts by reason since the start, and reports each rejection with the message it is about. */
export class Rejections {
  readonly #counts = new Map<RejectionReason, number>();
  readonly #report: RejectionReport | undefined;
  #topic = '';
  #payload: Uint8Array = nothing;

  constructor(report?: RejectionReport) {
    this.#report = report;
  }

  /** The message that is looked at from now on. */
  about(topic: string, payload: Uint8Array): void {
    this.#topic = topic;
    this.#payload = payload;
  }

  add(reason: RejectionReason): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    this.#report?.(reason, this.#topic, harmless.has(reason) ? undefined : this.#payload);
  }

  get(reason: RejectionReason): number {
    return this.#counts.get(reason) ?? 0;
  }

  toObject(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
