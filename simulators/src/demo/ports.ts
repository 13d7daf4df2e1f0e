/** Ports of the demo: the usual ones where they are free, any other where not, exactly the asked ones where asked. */
import { createServer } from 'node:net';
import { FoglineError } from '@fogline/shared/errors';

export interface WantedPort {
  /** The option that fixes it. */
  readonly option: string;
  readonly usual: number;
  /** As given on the command line. */
  readonly fixed: number | undefined;
}

export const loopback = '127.0.0.1';

/** The port to listen on; 0 = let the system choose. Throws `address_in_use` when the port that was asked for is taken. */
export async function choosePort({ option, usual, fixed }: WantedPort): Promise<number> {
  if (await isFree(fixed ?? usual)) return fixed ?? usual;
  if (fixed === undefined) return 0;
  throw new FoglineError(
    'address_in_use',
    `port ${fixed} (--${option}) is taken by another process; give another, or leave the option out for a free one`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, loopback, () => void server.close(() => resolve(true)));
  });
}
