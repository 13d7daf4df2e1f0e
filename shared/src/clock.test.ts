import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { systemClock } from './clock.ts';

it('a time-out that is late because the process was away does not overtake the answer that came in time', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const client = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  const [peer] = (await once(server, 'connection')) as [Socket];
  await once(client, 'connect');
  const { promise: outcome, resolve } = Promise.withResolvers<string>();
  client.once('data', () => {
    timeout.cancel();
    resolve('answered');
  });
  const timeout = systemClock.after('answer', 100, () => resolve('timed out'));
  // The bytes are with the operating system at once; this process reads them when it is no longer busy.
  peer.write('x');
  const busyUntilMs = performance.now() + 400;
  while (performance.now() < busyUntilMs);
  expect(await outcome).toBe('answered');
  client.destroy();
  server.close();
});

it('a late timer fires all the same, and can be cancelled until it does', async () => {
  const fired: string[] = [];
  const ended = new Promise<void>((resolve) => {
    systemClock.after('one', 1, () => {
      fired.push('one');
      two.cancel();
      setImmediate(resolve);
    });
  });
  const two = systemClock.after('two', 2, () => void fired.push('two'));
  const busyUntilMs = performance.now() + 300;
  while (performance.now() < busyUntilMs);
  await ended;
  expect(fired).toEqual(['one']);
});
