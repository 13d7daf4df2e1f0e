/**
 * Ports that stay the same over restarts. They lie below the range from which the system takes the ports of outgoing connections:
 * while a killed server is away, a client that keeps knocking there could otherwise be given that very port and hold it.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

export const loopback = '127.0.0.1';
const lowest = 20_000;
const highest = 32_000;
const given = new Set<number>();

/** A free TCP port on loopback that no earlier call in this process returned. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, loopback, () => void server.close(() => resolve(true)));
  });
}
