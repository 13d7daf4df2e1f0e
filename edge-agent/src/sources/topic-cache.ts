/**
 * What was found out about topics, bounded by their number and by their length together, for a topic may have 64 KiB. Beyond it all is
 * forgotten and found out anew, which costs time and loses nothing.
 */
const topicsMax = 20_000;
const charactersMax = 4 * 1024 * 1024;

export class TopicCache<Value> {
  readonly #values = new Map<string, Value>();
  #characters = 0;

  has(topic: string): boolean {
    return this.#values.has(topic);
  }

  get(topic: string): Value | undefined {
    return this.#values.get(topic);
  }

  /** Of a topic that it has not. */
  set(topic: string, value: Value): void {
    if (this.#values.size >= topicsMax || this.#characters + topic.length > charactersMax) {
      this.#values.clear();
      this.#characters = 0;
    }
    this.#values.set(topic, value);
    this.#characters += topic.length;
  }
}
