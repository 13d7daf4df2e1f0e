/** What is seen on a broker, by topic, within bounds whatever is published. */
import { isUtf8 } from 'node:buffer';
import { FieldStats } from './field-stats.ts';

const topicsMax = 2_000;
const fieldsMax = 64;
const depthMax = 4;
const payloadBytesMax = 64 * 1024;
const wordBytesMax = 64;

/** `value`: a plain number, boolean or word. `other`: what no decoder of messages reads. */
export type PayloadKind = 'object' | 'value' | 'other';

export interface TopicSeen {
  readonly topic: string;
  readonly kind: PayloadKind;
  readonly messages: number;
  /** By path, `a.b`; of a plain value under ''. */
  readonly fields: ReadonlyMap<string, FieldStats>;
  /** A payload as it came. */
  readonly sample: string;
}

interface Entry extends TopicSeen {
  kind: PayloadKind;
  messages: number;
  readonly fields: Map<string, FieldStats>;
}

export class Observations {
  readonly #topics = new Map<string, Entry>();
  messages = 0;
  /** Messages on topics beyond those that are remembered. */
  unremembered = 0;

  /** `isRetained`: the broker had kept it, perhaps for long. */
  take(topic: string, payload: Uint8Array, nowMs: number, isRetained = false): void {
    if (topic.startsWith('$')) return;
    this.messages++;
    const atMs = isRetained ? undefined : nowMs;
    let entry = this.#topics.get(topic);
    const value = valueOf(payload);
    const kind = kindOf(value);
    if (entry === undefined) {
      if (this.#topics.size >= topicsMax) {
        this.unremembered++;
        return;
      }
      entry = { topic, kind, messages: 0, fields: new Map(), sample: sampleOf(payload) };
      this.#topics.set(topic, entry);
    }
    entry.messages++;
    if (entry.kind !== kind) entry.kind = 'other';
    if (kind === 'value') addTo(entry.fields, '', value, atMs);
    else if (kind === 'object') {
      for (const element of Array.isArray(value) ? value : [value]) walk(entry.fields, '', element as object, 1, atMs);
    }
  }

  topics(): TopicSeen[] {
    return [...this.#topics.values()].sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }
}

/** The JSON value, or a bare word as text; undefined when it is neither. */
function valueOf(payload: Uint8Array): unknown {
  if (payload.length > payloadBytesMax || !isUtf8(payload)) return undefined;
  const text = Buffer.from(payload).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    // A word, as devices publish `ON`, is no JSON and yet a value.
    return payload.length <= wordBytesMax && /^[^\p{C}]+$/u.test(text.trim()) ? text.trim() : undefined;
  }
}

function kindOf(value: unknown): PayloadKind {
  if (typeof value === 'number' || typeof value === 'boolean') return 'value';
  if (typeof value === 'string') return Buffer.byteLength(value) <= wordBytesMax ? 'value' : 'other';
  const isObject = (element: unknown) => typeof element === 'object' && element !== null && !Array.isArray(element);
  if (Array.isArray(value)) return value.length > 0 && value.every(isObject) ? 'object' : 'other';
  return isObject(value) ? 'object' : 'other';
}

function walk(
  fields: Map<string, FieldStats>,
  prefix: string,
  value: object,
  depth: number,
  atMs: number | undefined,
): void {
  for (const [key, inner] of Object.entries(value)) {
    // A path is written with dots, so a name that holds one cannot be written.
    if (key === '' || key.includes('.') || inner === null) continue;
    const path = `${prefix}${key}`;
    if (typeof inner === 'object' && !Array.isArray(inner) && depth < depthMax) {
      walk(fields, `${path}.`, inner as object, depth + 1, atMs);
    } else addTo(fields, path, inner, atMs);
  }
}

function addTo(fields: Map<string, FieldStats>, path: string, value: unknown, atMs: number | undefined): void {
  let stats = fields.get(path);
  if (stats === undefined) {
    if (fields.size >= fieldsMax) return;
    stats = new FieldStats();
    fields.set(path, stats);
  }
  stats.add(value, atMs);
}

const sampleCharsMax = 120;

function sampleOf(payload: Uint8Array): string {
  const text = Buffer.from(payload.subarray(0, 4 * sampleCharsMax)).toString('utf8');
  return text.length > sampleCharsMax ? `${text.slice(0, sampleCharsMax)}…` : text;
}
