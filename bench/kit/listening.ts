/** Programs that do not say when they are ready. */
import { connect } from 'node:net';
import { pause } from './running.ts';

const patienceMs = 20_000;

/** Waits until something accepts connections on a port of loopback. */
export async function untilListening(port: number): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!(await accepts(port))) {
    if (performance.now() > deadlineMs) throw new Error(`nothing listens on port ${port}`);
    await pause(20);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
