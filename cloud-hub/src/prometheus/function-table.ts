/** Every function of PromQL: its arguments and result where the hub has it, else why it is refused. */

export type ValueType = 'scalar' | 'vector' | 'matrix' | 'string';

export interface Signature {
  readonly args: readonly ValueType[];
  /** How many of the last `args` may be left out. */
  readonly optional: number;
  /** The last of `args` may be repeated. */
  readonly isVariadic: boolean;
  readonly returns: ValueType;
}

const define = (
  args: string,
  options: { optional?: number; isVariadic?: boolean; returns?: ValueType } = {},
): Signature => ({
  args: args === '' ? [] : (args.split(' ') as ValueType[]),
  optional: options.optional ?? 0,
  isVariadic: options.isVariadic ?? false,
  returns: options.returns ?? 'vector',
});

const each = (names: string, signature: Signature): [string, Signature][] =>
  names.split(' ').map((name) => [name, signature]);

const supported: ReadonlyMap<string, Signature> = new Map([
  ...each(
    'rate irate increase delta idelta deriv changes resets avg_over_time min_over_time max_over_time sum_over_time count_over_time last_over_time first_over_time stddev_over_time stdvar_over_time present_over_time absent_over_time',
    define('matrix'),
  ),
  ...each('quantile_over_time', define('scalar matrix')),
  ...each('predict_linear', define('matrix scalar')),
  ...each(
    'abs ceil floor exp sqrt ln log2 log10 sgn sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh deg rad timestamp absent sort sort_desc',
    define('vector'),
  ),
  ...each('scalar', define('vector', { returns: 'scalar' })),
  ...each('round', define('vector scalar', { optional: 1 })),
  ...each('clamp', define('vector scalar scalar')),
  ...each('clamp_min clamp_max', define('vector scalar')),
  ...each(
    'minute hour day_of_week day_of_month day_of_year days_in_month month year',
    define('vector', { optional: 1 }),
  ),
  ...each('vector', define('scalar')),
  ...each('time pi', define('', { returns: 'scalar' })),
  ...each('label_replace', define('vector string string string string')),
  ...each('label_join', define('vector string string string', { isVariadic: true })),
]);

const histogramRefusal = 'the hub keeps no histograms; percentiles of readings come from quantile_over_time';
const experimental = 'it is experimental in Prometheus and not supported here';

const refused: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/^histogram_/, histogramRefusal],
  [/^(double_exponential_smoothing|holt_winters)$/, 'smooth with avg_over_time'],
  [/^info$/, 'labels of a series are on the series itself'],
  [/^(mad_over_time|ts_of_\w+|sort_by_label\w*|start|end|step|range|start_timestamp)$/, experimental],
];

export const functionNames: readonly string[] = [...supported.keys()];

export function signatureOf(name: string): Signature | undefined {
  return supported.get(name);
}

/** Why PromQL's function `name` is not here. */
export function refusalOf(name: string): string {
  return refused.find(([pattern]) => pattern.test(name))?.[1] ?? 'it is not supported';
}
