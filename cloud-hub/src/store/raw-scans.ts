/**
 * Which agents' batches are being scanned. A scan goes on over many turns of the event loop and remembers how far it has come by the numbers of
 * batches; one that is merged meanwhile would be missed, so merging leaves such an agent alone until its next round.
 */
export class RawScans {
  readonly #open = new Map<number, number>();

  isOpen(agent: number): boolean {
    return this.#open.has(agent);
  }

  begin(agent: number): void {
    this.#open.set(agent, (this.#open.get(agent) ?? 0) + 1);
  }

  end(agent: number): void {
    const left = (this.#open.get(agent) ?? 0) - 1;
    if (left > 0) this.#open.set(agent, left);
    else this.#open.delete(agent);
  }
}
