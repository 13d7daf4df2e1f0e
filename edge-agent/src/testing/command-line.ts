/** Runs a command of `fogline-agent` in this process, for tests. */
import { runCli } from '@fogline/shared/cli';
import { program } from '../program.ts';

export interface Answer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function fogline(...argv: readonly string[]): Promise<Answer> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(program, argv, { env: {}, out: (line) => out.push(line), err: (line) => err.push(line) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}
