/** Why something that arrived became no reading. Every one is counted; none is silent. */
export const rejectionReasons = {
  junk_json: 'The payload is no JSON text in UTF-8.',
  not_object: 'The payload, or an element of its list, is JSON, but not an object.',
  not_list: 'What `each` names is absent or no list.',
  line_broken: 'A line is no InfluxDB line protocol.',
  line_too_long: 'A line is longer than the decoder takes.',
  row_broken: 'A CSV row has another number of cells than there are columns, or a quote that does not end.',
  header_broken: 'The header of a CSV payload lacks a configured column, names one twice, or has too many.',
  payload_too_large: 'The payload is larger than the decoder takes.',
  junk_gzip: 'The body of a request does not inflate.',
  no_known_field: 'Not one configured field is in the payload.',
  field_missing:
    'One configured field is absent or null; the others were taken. Not a loss: a device need not send all.',
  missing_marker: 'A field holds a value that stands for none, as configured in `missing`.',
  wrong_type: 'A field is not of the configured type, or not of the type it had before. A number in quotes is a text.',
  not_finite: 'A number is beyond what float64 can hold, or an integer beyond 64 bits.',
  time_missing: 'The configured time field is absent or null.',
  time_invalid: 'The time is not of the configured form.',
  time_future: 'The time is further ahead of the clock than max_skew.',
  time_before_2000:
    'The time lies before the year 2000: almost always seconds taken for milliseconds, or an unset clock.',
  text_too_long: 'A text is longer than a state may be.',
  not_utf8: 'A text is no UTF-8.',
  topic_unmatched: 'The topic belongs to no source; it was passed on to local subscribers only.',
  series_limit: 'The source has as many series as it may have; this one would be one more.',
  too_many_tags: 'A line has more tags than a series may have.',
  metric_name_invalid: 'The name of a field, taken for a metric, is empty, too long, or holds control characters.',
  device_missing: 'The configured field of the device or of a tag is absent.',
  device_name_invalid: 'A device name or tag is empty, too long, or holds control characters or broken UTF-8.',
  retained_without_time: 'A retained message, which may be of any age, tells no time.',
  qos0_dropped_overload: 'A QoS 0 message came while the agent was overloaded.',
} as const;

export type RejectionReason = keyof typeof rejectionReasons;

/** Nothing is wrong with these messages: counted, but no sample is worth keeping. */
const harmless: ReadonlySet<RejectionReason> = new Set(['field_missing', 'missing_marker']);

/** `payload` is a view, valid until this returns; undefined when the reason is harmless. */
export type RejectionReport = (reason: RejectionReason, topic: string, payload: Uint8Array | undefined) => void;

const nothing = new Uint8Array(0);

/** Counts by reason since the start, and reports each rejection with the message, or the part of it, that it is about. */
export class Rejections {
  /** Hears of what is not harmless, for as long as it is set. `line` counts from 1; 0 = the message as a whole. */
  watcher: ((reason: RejectionReason, line: number) => void) | undefined;
  readonly #counts = new Map<RejectionReason, number>();
  readonly #report: RejectionReport | undefined;
  #topic = '';
  #part: Uint8Array = nothing;
  #line = 0;

  constructor(report?: RejectionReport) {
    this.#report = report;
  }

  /** The message that is looked at from now on. */
  about(topic: string, payload: Uint8Array): void {
    this.#topic = topic;
    this.#part = payload;
    this.#line = 0;
  }

  add(reason: RejectionReason): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    const isHarmless = harmless.has(reason);
    if (!isHarmless) this.watcher?.(reason, this.#line);
    this.#report?.(reason, this.#topic, isHarmless ? undefined : this.#part);
  }

  /** As `add`, for one line of the message. */
  addLine(reason: RejectionReason, line: number, part: Uint8Array): void {
    const [whole, before] = [this.#part, this.#line];
    this.#part = part;
    this.#line = line;
    this.add(reason);
    this.#part = whole;
    this.#line = before;
  }

  get(reason: RejectionReason): number {
    return this.#counts.get(reason) ?? 0;
  }

  toObject(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
