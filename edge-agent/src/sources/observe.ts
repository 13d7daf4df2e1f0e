/**
 * Lets somebody see the publishes of a broker beside the sources. The sender of one that was waited for is acked when both have made it
 * durable.
 */
import type { Arrival, Verdict } from './mqtt-intake.ts';

/** True when the message was waited for; then `onDurable` is called once. The payload is a view, valid until it returns. */
export type Observer = (topic: string, payload: Uint8Array, onDurable: () => void) => boolean;

type Receive = (message: Arrival, done: (verdict: Verdict) => void) => void;

export function observed(observer: Observer | undefined, receive: Receive): Receive {
  if (observer === undefined) return receive;
  return (message, done) => {
    let verdict: Verdict | undefined;
    let isAnswer = false;
    let isDurable = false;
    const settle = (): void => {
      if (verdict !== undefined && (!isAnswer || isDurable)) done(verdict);
    };
    isAnswer = observer(message.topic, message.payload, () => {
      isDurable = true;
      // Who published with QoS 0 was let go before.
      if (message.qos > 0) settle();
    });
    if (message.qos === 0) receive(message, done);
    else
      receive(message, (given) => {
        verdict = given;
        settle();
      });
  };
}
