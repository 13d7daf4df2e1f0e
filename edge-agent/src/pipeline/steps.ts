/** The operators of a pipeline in the one order in which they are applied (decision 0003). */
import type { PipelineConfig } from '../core-config.ts';
import { Deadband } from './deadband.ts';
import type { Operator, SeriesView } from './operator.ts';
import { TumblingWindow } from './tumbling-window.ts';

export interface StepDefinition {
  /** The key under which it is configured. */
  readonly name: string;
  readonly config: unknown;
  create(view: SeriesView): Operator;
}

export function stepsOf({ deadband, window }: PipelineConfig): StepDefinition[] {
  const steps: StepDefinition[] = [];
  if (deadband !== undefined)
    steps.push({ name: 'deadband', config: deadband, create: (view) => new Deadband(deadband, view) });
  if (window !== undefined) steps.push({ name: 'window', config: window, create: () => new TumblingWindow(window) });
  return steps;
}
