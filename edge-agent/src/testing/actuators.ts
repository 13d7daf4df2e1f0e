/** Actuators for tests. */
import type { ActionCall } from '../actions/action.ts';
import type { Actuator } from '../actions/action-runner.ts';

/** Nobody listens, ever. */
export const nobody: Actuator = { carryOut: (_call, _timeoutMs, end) => end(false) };

/** Listens or not, as a test likes, and remembers what it was told. */
export class FakeActuator implements Actuator {
  isListening = true;
  readonly calls: { readonly at: number; readonly call: ActionCall }[] = [];
  onCall: ((call: ActionCall) => void) | undefined;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  carryOut(call: ActionCall, _timeoutMs: number, end: (isDone: boolean) => void): void {
    if (!this.isListening) {
      end(false);
      return;
    }
    this.calls.push({ at: this.#now(), call });
    end(true);
    this.onCall?.(call);
  }

  /** `topic payload` of what was published, in order. */
  get published(): string[] {
    return this.calls.flatMap(({ call }) => (call.kind === 'publish' ? [`${call.topic} ${call.payload}`] : []));
  }
}
