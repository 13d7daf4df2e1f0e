/** The instants at which an expression is evaluated. */
export interface StepGrid {
  /** Integer ms, ascending; at least one. */
  readonly times: Float64Array;
}

export function gridOf(startMs: number, endMs: number, stepMs: number): StepGrid {
  const count = Math.floor((endMs - startMs) / stepMs) + 1;
  return { times: Float64Array.from({ length: Math.max(0, count) }, (_, index) => startMs + index * stepMs) };
}

export function firstOf({ times }: StepGrid): number {
  return times[0] ?? 0;
}

export function lastOf({ times }: StepGrid): number {
  return times[times.length - 1] ?? 0;
}
