/** A command that runs to its end. It does not outlive the benchmark. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

export interface Ended {
  readonly out: string;
  readonly error: string;
}

export class Command {
  /** Rejects, with its last words, when the exit code is not 0. */
  readonly ended: Promise<Ended>;

  constructor(file: string, args: readonly string[]) {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    const code = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    this.ended = Promise.all([code, text(child.stdout), text(child.stderr)]).then(([how, out, error]) => {
      process.off('exit', kill);
      if (how !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${how}: ${error}${out}`);
      return { out, error };
    });
  }
}
