/** What is at the hub, asked over its API: how many readings, their exact sum, and whether the ledger balances. */
import { pause } from './running.ts';

const patienceMs = 20_000;
/** What counts as progress: more than a few fresh readings beside it. */
const progressMin = 1_000;

interface Held {
  readonly count: number;
  readonly sum: number;
}

export interface SeriesColumns {
  readonly id: number | string;
  readonly columns: Readonly<Record<string, readonly number[]>>;
}

interface DataAnswer {
  readonly series: readonly SeriesColumns[];
  readonly next: string | null;
}

/** All readings of the last day and the next, of every device, from the roll-ups. */
export async function heldAtHub(httpUrl: string, match = 'temperature'): Promise<Held> {
  let count = 0;
  let sum = 0;
  for await (const { columns } of seriesAtHub(httpUrl, { match, every: '1d', agg: 'count,sum' })) {
    for (const each of columns['count'] ?? []) count += each;
    for (const each of columns['sum'] ?? []) sum += each;
  }
  return { count, sum };
}

/** What the hub answers for the last day and the next: columns of one series after the other, those of a page together. */
export async function* seriesAtHub(
  httpUrl: string,
  asked: Readonly<Record<string, string>>,
): AsyncGenerator<SeriesColumns, void> {
  let cursor: string | null = null;
  do {
    const url = new URL('/api/v1/data', httpUrl);
    const range = { from: 'now-1d', to: 'now+1d', limit: '100000' };
    for (const [name, text] of Object.entries({ ...range, ...asked })) url.searchParams.set(name, text);
    if (cursor !== null) url.searchParams.set('cursor', cursor);
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url.pathname}: ${response.status} ${await response.text()}`);
    const page = (await response.json()) as DataAnswer;
    yield* page.series;
    cursor = page.next;
  } while (cursor !== null);
}

/** Readings that this process of the hub has applied; costs it next to nothing to say. */
export async function appliedAtHub(httpUrl: string): Promise<number> {
  const text = await metricsOf(httpUrl);
  const value = /^fogline_hub_ingest_total\{kind="itemsApplied"\} (\S+)$/m.exec(text)?.[1];
  if (value === undefined) throw new Error('the hub does not say how many items it applied');
  return Number(value);
}

async function metricsOf(httpUrl: string): Promise<string> {
  return await (await fetch(`${httpUrl}/metrics`)).text();
}

/** Waits until this process of the hub has applied so many; false when nothing more comes. */
export async function untilApplied(httpUrl: string, readings: number): Promise<boolean> {
  let last = Number.NEGATIVE_INFINITY;
  let changedMs = performance.now();
  for (;;) {
    const applied = await appliedAtHub(httpUrl);
    if (applied >= readings) return true;
    if (applied >= last + progressMin) {
      last = applied;
      changedMs = performance.now();
    }
    if (performance.now() - changedMs > patienceMs) return false;
    await pause(20);
  }
}

/**
 * Readings lost (or, negative, too many) at the hub. Anything but 0 makes the benchmark fail, with what the hub put aside. Throws
 * when none is lost and yet the sum of the values is not the sum of what was sent. No series is in two of the matches.
 */
export async function lossAtHub(
  httpUrl: string,
  sent: number,
  sumHundredths: number,
  matches: readonly string[] = ['temperature'],
): Promise<number> {
  let count = 0;
  let sum = 0;
  for (const match of matches) {
    const held = await heldAtHub(httpUrl, match);
    count += held.count;
    sum += held.sum;
  }
  if (count !== sent) {
    const quarantined = (await metricsOf(httpUrl)).match(/^fogline_hub_quarantined_total.* [1-9]\d*$/gm) ?? [];
    console.error(`${sent - count} of ${sent} readings are not at the hub; ${quarantined.join(', ')}`);
    process.exitCode = 1;
  } else if (Math.abs(sum * 100 - sumHundredths) > 1e-9 * Math.abs(sumHundredths) + 1e-6) {
    throw new Error(`the sum at the hub is ${sum}, sent were ${sumHundredths / 100}`);
  }
  return sent - count;
}
