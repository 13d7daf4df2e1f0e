import { expect, it } from 'vitest';
import { runUntilSignal } from './cli-signals.ts';
import { ManualClock } from './testing/manual-clock.ts';

function ports() {
  const clock = new ManualClock();
  const listeners = new Set<() => void>();
  const exits: number[] = [];
  return {
    clock,
    listeners,
    exits,
    signal: () => {
      for (const listener of listeners) listener();
    },
    on: (listener: () => void) => void listeners.add(listener),
    off: (listener: () => void) => void listeners.delete(listener),
    exit: (code: number) => void exits.push(code),
  };
}

it('stops once on the first signal, takes an immediate repetition for the same, and exits at once on a later one', async () => {
  const world = ports();
  const stop = Promise.withResolvers<void>();
  let stops = 0;
  const done = runUntilSignal(async () => {
    return {
      stop: async () => {
        stops++;
        await stop.promise;
      },
    };
  }, world);
  await Promise.resolve();
  world.signal();
  world.clock.advance(999);
  world.signal();
  expect(world.exits).toEqual([]);
  world.clock.advance(1);
  world.signal();
  expect(world.exits).toEqual([1]);
  stop.resolve();
  await done;
  expect(stops).toBe(1);
  expect(world.listeners.size).toBe(0);
});

it('tells a start that still runs to give up, and takes giving up for an orderly end', async () => {
  const world = ports();
  const done = runUntilSignal(async (stopping) => {
    const { promise, reject } = Promise.withResolvers<never>();
    stopping.addEventListener('abort', () => reject(stopping.reason as Error));
    return await promise;
  }, world);
  world.signal();
  await expect(done).resolves.toBeUndefined();
  expect(world.listeners.size).toBe(0);
});

it('stops a service that failed and passes the failure on', async () => {
  const world = ports();
  let stops = 0;
  const failed = Promise.reject(new Error('commit failed'));
  const running = { failed, stop: async () => void stops++ };
  await expect(runUntilSignal(async () => running, world)).rejects.toThrow('commit failed');
  expect(stops).toBe(1);
});

it('stops a service whose work is done', async () => {
  const world = ports();
  let stops = 0;
  await runUntilSignal(async () => ({ finished: Promise.resolve(), stop: async () => void stops++ }), world);
  expect(stops).toBe(1);
  expect(world.listeners.size).toBe(0);
});

it('passes a failed start on', async () => {
  const world = ports();
  await expect(runUntilSignal(() => Promise.reject(new Error('port taken')), world)).rejects.toThrow('port taken');
  expect(world.listeners.size).toBe(0);
});
