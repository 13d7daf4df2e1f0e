/** Ports whose events go through one guard: whatever a timer or the wire sets off fails in one place. */
import type { Clock } from '@fogline/shared/clock';
import type { Actuator } from './actions/action-runner.ts';
import type { Wire } from './uplink/wire.ts';

export type Guard = (work: () => void) => void;

export function guardedClock(clock: Clock, guard: Guard): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (name, delayMs, fire) => clock.after(name, delayMs, () => guard(fire)),
  };
}

export function guardedActuator(actuator: Actuator, guard: Guard): Actuator {
  return {
    carryOut: (call, timeoutMs, end) => actuator.carryOut(call, timeoutMs, (isDone) => guard(() => end(isDone))),
  };
}

export function guardedWire(wire: Wire, guard: Guard): Wire {
  return {
    open: (options, events) =>
      wire.open(options, {
        onOpen: () => guard(() => events.onOpen()),
        onMessage: (topic, payload) => guard(() => events.onMessage(topic, payload)),
        onAck: (reference) => guard(() => events.onAck(reference)),
        onHeard: () => events.onHeard(),
        onClose: (reason) => guard(() => events.onClose(reason)),
      }),
    publish: (topic, payload, isRetained, reference) => wire.publish(topic, payload, isRetained, reference),
    ping: () => wire.ping(),
    close: () => wire.close(),
  };
}
