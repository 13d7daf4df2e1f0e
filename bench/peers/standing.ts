/** Where Fogline stands against what its speed is meant to be, from the medians of one interleaved run. */
import { percentile } from '../kit/figures.ts';
import { fogline } from './fogline.ts';
import type { FigureName, Result } from './measure.ts';
import { mosquitto } from './mosquitto.ts';
import { nats } from './nats.ts';
import { victoria } from './victoria.ts';

interface Aim {
  readonly scenario: string;
  readonly text: string;
  readonly figure: FigureName;
  /** Limits the quotient of Fogline and this system; without one, Fogline's figure itself. */
  readonly against?: string;
  readonly most?: number;
  readonly least?: number;
}

const cpu = 'CPU edge and hub';
const rate = 'sent and stored at the hub';
const link = 'link, both ways';
const rss = 'RSS edge, peak';
const hubCpu = 'CPU hub, every series queried once';

const aims: readonly Aim[] = [
  ...[mosquitto, nats].flatMap(({ title }): Aim[] => [
    { scenario: 'single', text: 'total CPU ≤ 1/5 of', figure: cpu, against: title, most: 0.2 },
    { scenario: 'single', text: 'readings/s ≥ 3 ×', figure: rate, against: title, least: 3 },
  ]),
  { scenario: 'single', text: 'link ≤ 2.5 B per reading', figure: link, most: 2.5 },
  { scenario: 'batches', text: 'total CPU ≤', figure: cpu, against: victoria.title, most: 1 },
  { scenario: 'batches', text: 'hub CPU ≤ 1/4 of', figure: hubCpu, against: victoria.title, most: 0.25 },
  { scenario: 'batches', text: 'link ≤ 2 B per reading', figure: link, most: 2 },
  ...['single', 'batches', 'lines'].flatMap((scenario): Aim[] => [
    { scenario, text: 'agent RSS ≤ 110 MB', figure: rss, most: 110 },
    { scenario, text: 'nothing lost', figure: 'lost', most: 0 },
    { scenario, text: 'nothing double', figure: 'double', most: 0 },
  ]),
];

export function printStanding(results: ReadonlyMap<string, readonly Result[]>): void {
  console.log('\nFogline against its aims (medians of rounds)');
  for (const { scenario, text, figure, against, most, least } of aims) {
    const samples = (results.get(`${scenario} ${fogline.title}`) ?? []).flatMap((own, round) => {
      if (against === undefined) return [own.figures[figure]];
      const theirs = results.get(`${scenario} ${against}`)?.[round];
      return theirs === undefined ? [] : [own.figures[figure] / theirs.figures[figure]];
    });
    if (samples.length === 0) continue;
    const value = percentile(samples, 0.5);
    const isMet = value <= (most ?? Number.POSITIVE_INFINITY) && value >= (least ?? Number.NEGATIVE_INFINITY);
    const what = `${scenario}: ${text} ${against ?? ''}`.trim();
    console.log(`  ${isMet ? 'met  ' : 'SHORT'} ${what.padEnd(84)} ${value.toPrecision(3)}`);
  }
}
