/** Carries out actions on the brokers of the agent, its own and those that it joined, and on web servers. */
import type { ActionCall } from './action.ts';
import type { Actuator } from './action-runner.ts';
import type { Webhooks } from './webhook.ts';

export interface CommandHow {
  readonly qos: 0 | 1 | 2;
  readonly isRetained: boolean;
  readonly timeoutMs: number;
}

/** What is needed of a broker. */
export interface ActuatorBroker {
  /**
   * Publishes once, and calls `end` once, at once or within the time: true when the broker has it, and has, as far as it tells, somebody to
   * give it to. False does not say that nobody got it.
   */
  command(topic: string, payload: string, how: CommandHow, end: (isDone: boolean) => void): void;
}

export class LocalActuator implements Actuator {
  readonly #brokerOf: (via: string) => ActuatorBroker | undefined;
  readonly #webhooks: Webhooks;

  /** `brokerOf`: the broker of a source, while it is open. */
  constructor(brokerOf: (via: string) => ActuatorBroker | undefined, webhooks: Webhooks) {
    this.#brokerOf = brokerOf;
    this.#webhooks = webhooks;
  }

  carryOut(call: ActionCall, timeoutMs: number, end: (isDone: boolean) => void): void {
    if (call.kind === 'webhook') {
      this.#webhooks.post(call.url, call.payload, timeoutMs, end);
      return;
    }
    const { topic, payload, qos, retain: isRetained } = call;
    const broker = this.#brokerOf(call.via);
    if (broker === undefined) end(false);
    else broker.command(topic, payload, { qos, isRetained, timeoutMs }, end);
  }
}
