/** The verdict of `fogline-sim verify`, as a process of its own: nothing of the test can colour it. */
import type { Finding } from '../../src/verify/findings.ts';
import type { Stage } from './stage.ts';

export interface VerdictSummary {
  readonly series: number;
  readonly sent: number;
  readonly acked: number;
  readonly atHub: number;
  readonly buckets: number;
  readonly undecidedBuckets: number;
  readonly lost: number;
  readonly late_dropped: number;
  readonly undeclared: number;
  readonly duplicated: number;
  readonly wrong: number;
  readonly unexpected: number;
  readonly bucket: number;
  readonly declared: number;
  readonly thinned: number;
  readonly isClean: boolean;
}

export interface VerdictOptions {
  readonly truth: readonly string[];
  readonly hubUrl: string;
  readonly stream: string;
  /** Keeps looking at what is not clean for so long. */
  readonly waitMs: number;
}

export interface Verified {
  readonly exitCode: number;
  readonly findings: readonly Finding[];
  readonly summary: VerdictSummary;
}

/** Throws when there is no verdict, a hub that does not answer for instance. */
export async function verify(stage: Stage, { truth, hubUrl, stream, waitMs }: VerdictOptions): Promise<Verified> {
  const where = ['--truth', truth.join(','), '--hub', hubUrl, '--stream', stream];
  const { code, out, error } = await stage.run('sim', ['verify', ...where, '--wait', `${waitMs}ms`, '--json']);
  stage.check();
  const lines = out.split('\n').filter((line) => line !== '');
  const summary = lines.pop();
  if (summary === undefined) throw new Error(`no verdict (exit code ${code}): ${error}`);
  return {
    exitCode: code,
    findings: lines.map((line) => JSON.parse(line) as Finding),
    summary: JSON.parse(summary) as VerdictSummary,
  };
}
