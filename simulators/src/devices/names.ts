/** Names and topics of the devices of a type, written without a string each. */
import type { TextWriter } from '../fleet/text-writer.ts';
import type { TopicPattern, TypePlan } from './fleet-plan.ts';

export class Names {
  readonly #type: TypePlan;
  readonly #before: Buffer;
  readonly #after: Buffer;
  readonly #tagValues: readonly (readonly Buffer[])[];
  readonly #texts = new Map<TopicPattern, readonly Buffer[]>();

  constructor(type: TypePlan) {
    this.#type = type;
    this.#before = Buffer.from(type.id.before);
    this.#after = Buffer.from(type.id.after);
    this.#tagValues = type.tags.map(({ values }) => values.map((value) => Buffer.from(value)));
    for (const pattern of [
      type.topic,
      ...type.actuators.flatMap(({ command, state }) => [command, state ?? command]),
    ]) {
      this.#texts.set(
        pattern,
        pattern.texts.map((text) => Buffer.from(text)),
      );
    }
  }

  /** `generation` is that of a device that came in place of another; −1 where devices stay. */
  writeName(out: TextWriter, device: number, generation: number): void {
    out.put(this.#before);
    out.integer(device + 1, this.#type.id.width);
    out.put(this.#after);
    if (generation < 0) return;
    out.put(generationMark);
    out.integer(generation);
  }

  writeTag(out: TextWriter, tag: number, device: number): void {
    const values = this.#tagValues[tag] as readonly Buffer[];
    out.put(values[device % values.length] as Buffer);
  }

  writeTopic(out: TextWriter, pattern: TopicPattern, device: number, generation: number): void {
    const texts = this.#texts.get(pattern) as readonly Buffer[];
    const { captures } = pattern;
    out.put(texts[0] as Buffer);
    for (let i = 0; i < captures.length; i++) {
      const capture = captures[i] as number;
      if (capture < 0) this.writeName(out, device, generation);
      else this.writeTag(out, capture, device);
      out.put(texts[i + 1] as Buffer);
    }
  }
}

const generationMark = Buffer.from('-g');

/** The MQTT filter of all topics of a pattern. */
export function filterOf({ texts, captures }: TopicPattern): string {
  return texts.map((text, index) => (index < captures.length ? `${text}+` : text)).join('');
}

/** Index of the device that a topic of this pattern names; undefined when it names none of this type. */
export function deviceOf(type: TypePlan, { texts, captures }: TopicPattern, topic: string): number | undefined {
  const levels = new RegExp(`^${texts.map(escaped).join('([^/]+)')}$`).exec(topic)?.slice(1);
  if (levels === undefined) return undefined;
  const { before, after } = type.id;
  const name = levels[captures.indexOf(-1)] ?? '';
  const digits = new RegExp(`^${escaped(before)}(\\d{1,7})${escaped(after)}(?:-g\\d+)?$`).exec(name)?.[1];
  const device = Number(digits ?? 0) - 1;
  if (device < 0 || device >= type.count) return undefined;
  const isHere = captures.every((capture, index) => {
    const values = type.tags[capture]?.values;
    return values === undefined || values[device % values.length] === levels[index];
  });
  return isHere ? device : undefined;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
