/** The operators of a pipeline in the one order in which they are applied (decision 0003). */
import type { PipelineConfig } from '../core-config.ts';
import { Check } from './check.ts';
import { Convert } from './convert.ts';
import { Deadband } from './deadband.ts';
import { Derive } from './derive.ts';
import { HoppingWindow } from './hopping-window.ts';
import { Only } from './only.ts';
import type { Operator, SeriesView } from './operator.ts';
import { Sample } from './sample.ts';
import { SwingingDoor } from './swinging-door.ts';
import { Throttle } from './throttle.ts';
import { TumblingWindow } from './tumbling-window.ts';
import { Where } from './where.ts';

export interface StepDefinition {
  /** The key under which it is configured. */
  readonly name: string;
  readonly config: unknown;
  create(view: SeriesView): Operator;
}

export function stepsOf(config: PipelineConfig): StepDefinition[] {
  const steps: StepDefinition[] = [];
  const add = <T>(name: string, part: T | undefined, create: (part: T, view: SeriesView) => Operator): void => {
    if (part !== undefined) steps.push({ name, config: part, create: (view) => create(part, view) });
  };
  add('convert', config.convert, (part, view) => new Convert(part, view));
  add('check', config.check, (part, view) => new Check(part, view));
  add('derive', config.derive, (part, view) => new Derive(part, view));
  add('where', config.where, (part, view) => new Where(part, view));
  add('only', config.only, (part, view) => new Only(part, view));
  add('deadband', config.deadband, (part, view) => new Deadband(part, view));
  add('swinging_door', config.swingingDoor, (part, view) => new SwingingDoor(part, view));
  add('throttle', config.throttle, (part) => new Throttle(part));
  add('sample', config.sample, (part) => new Sample(part));
  add('window', config.window, (part, view) =>
    part.hopping === undefined ? new TumblingWindow(part) : new HoppingWindow(part, part.hopping, view),
  );
  return steps;
}
