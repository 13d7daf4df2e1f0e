/** Actions that were decided and of which no outcome is recorded. Rebuilt by a replay; every state of it is as a commit left it. */
import { Packr } from 'msgpackr';
import type { OperatorState } from '../pipeline/branch.ts';
import type { Action } from './action.ts';

const packr = new Packr({ useRecords: false });
/** Of its state among those of the operators. */
export const pendingKey = 'actions';

export class PendingActions {
  readonly #actions = new Map<number, Action>();

  /** In the order in which they were decided. */
  values(): Iterable<Action> {
    return this.#actions.values();
  }

  get count(): number {
    return this.#actions.size;
  }

  add(actions: readonly Action[]): void {
    for (const action of actions) this.#actions.set(action.id, action);
  }

  /** Undefined when it is settled already. */
  settle(id: number): Action | undefined {
    const action = this.#actions.get(id);
    this.#actions.delete(id);
    return action;
  }

  save(): OperatorState {
    return { key: pendingKey, state: packr.pack([...this.#actions.values()]) };
  }

  restore(states: readonly OperatorState[]): void {
    const stored = states.find(({ key }) => key === pendingKey);
    if (stored !== undefined) this.add(packr.unpack(stored.state) as Action[]);
  }
}
