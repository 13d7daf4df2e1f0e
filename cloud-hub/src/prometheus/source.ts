/** Where samples come from: the port between the evaluation and the store. */
import type { Sampling } from '@fogline/shared/reading';
import type { Labels } from './labels.ts';
import type { Matchers } from './matchers.ts';

/** One series over time. `times` (integer ms) ascend and are distinct. */
export interface Samples {
  readonly labels: Labels;
  readonly times: Float64Array;
  readonly values: Float64Array;
  /** How long a sample stands for an instant query. */
  readonly lookBackMs: number;
  /** Anything but `all`: readings were left out upstream. */
  readonly sampling: Sampling;
}

/** Label sets are distinct; a series without samples may be left out. Yields where others may run. Throws when it is too much. */
export interface SampleSource {
  /** All samples with `afterMs < time ≤ untilMs`; others may be among them. */
  range(matchers: Matchers, afterMs: number, untilMs: number): Generator<void, readonly Samples[]>;
  /** Of each series what is the latest sample at one of `times` (ascending), as far back as it stands. Others may be left out. */
  latest(matchers: Matchers, times: Float64Array): Generator<void, readonly Samples[]>;
}
