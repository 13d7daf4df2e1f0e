/** Carries out actions on the agent's own brokers and on web servers. */
import type { ActionCall } from './action.ts';
import type { Actuator } from './action-runner.ts';
import type { Webhooks } from './webhook.ts';

/** What is needed of a broker. */
export interface ActuatorBroker {
  /** Somebody has subscribed to this topic. */
  isHeard(topic: string): boolean;
  publish(topic: string, payload: string, how: { readonly qos: 0 | 1 | 2; readonly retain: boolean }): void;
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
    const { topic, payload, qos, retain } = call;
    const broker = this.#brokerOf(call.via);
    // To nobody it would be lost: after a restart of the agent its actuators are not back yet. What is retained waits for them by itself.
    if (broker === undefined || (!retain && !broker.isHeard(topic))) {
      end(false);
      return;
    }
    broker.publish(topic, payload, { qos, retain });
    end(true);
  }
}
