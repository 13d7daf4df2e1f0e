/** A system under comparison: an edge that takes readings, a link, a hub that stores them, each of processes of their own. */
import type { Usage } from '../kit/process-stats.ts';
import { pause } from '../kit/running.ts';

export type Door = 'mqtt' | 'lines';

/** What is stored at the hub in the end. */
export interface Stored {
  readonly rows: number;
  /** Rows that differ in device or time. */
  readonly distinct: number;
  /** Of all rows, in hundredths. */
  readonly sumHundredths: number;
}

export interface System {
  /** Of the edge, where the load goes. */
  readonly port: number;
  usage(): { readonly edge: Usage; readonly hub: Usage };
  /** Readings at the hub so far; costs next to nothing. */
  arrived(): Promise<number>;
  /** Asks for one aggregate of every series over all there is, where the hub has queries. */
  queryEach?(): Promise<void>;
  /** Counted row by row. */
  stored(): Promise<Stored>;
  close(): Promise<void>;
}

export interface Place {
  /** Of its own, removed by the caller. */
  readonly folder: string;
  /** With its CPU profiles, where Fogline is asked for them. */
  readonly profile: string | undefined;
  readonly door: Door;
  /** A link to the hub; returns the port that the edge connects to. */
  link(hubPort: number): Promise<number>;
}

export interface SystemKind {
  readonly title: string;
  readonly doors: readonly Door[];
  /** Debian packages and their programs, without which it is left out. */
  readonly needs: readonly { readonly program: string; readonly packageName: string }[];
  /** What was durable when the edge acked, as far as its documentation tells. */
  readonly durable: string;
  /** Everything that is not as it comes, in the words of its configuration. */
  readonly configuration: string;
  start(place: Place): Promise<System>;
}

const patienceMs = 20_000;

/** Asks again until it holds. Throws with `what` when that takes too long. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`in vain: ${what}`);
    await pause(20);
  }
}
