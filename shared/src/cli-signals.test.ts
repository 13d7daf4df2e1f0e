import { expect, it } from 'vitest';
import { runUntilSignal } from './cli-signals.ts';
import { ManualClock } from './testing/manual-clock.ts';

function ports() {
  const clock = new ManualClock();
  const listeners = new Set<() => void>();
  const exits: number[] = [];
  return {
    clock,
    exits,
    /** Returns how many heard it. */
    signal: () => {
      for (const listener of listeners) listener();
      return listeners.size;
    },
    on: (listener: () => void) => void listeners.add(listener),
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
});

it('takes a repetition for the same even when everything has stopped by then', async () => {
  const world = ports();
  const done = runUntilSignal(async () => ({ stop: async () => undefined }), world);
  world.signal();
  await done;
  expect(world.signal()).toBe(1);
  expect(world.exits).toEqual([]);
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
});

it('passes a failed start on', async () => {
  const world = ports();
  await expect(runUntilSignal(() => Promise.reject(new Error('port taken')), world)).rejects.toThrow('port taken');
});
