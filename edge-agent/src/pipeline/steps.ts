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

export function stepsOf(pipeline: PipelineConfig): StepDefinition[] {
  const { only, convert, check, derive = [], where, deadband, swingingDoor, throttleMs, sampleMs } = pipeline;
  const { window, hopping } = pipeline;
  return [
    ...step('only', only, (config, view) => new Only(config, view)),
    ...step('convert', convert, (config, view) => new Convert(config, view)),
    ...step('check', check, (config, view) => new Check(config, view)),
    ...derive.flatMap((one) => step(`derive ${one.metric}`, one, (config, view) => new Derive(config, view))),
    ...step('where', where, (config, view) => new Where(config, view)),
    ...step('deadband', deadband, (config, view) => new Deadband(config, view)),
    ...step('swinging_door', swingingDoor, (config, view) => new SwingingDoor(config, view)),
    ...step('throttle', throttleMs, (config) => new Throttle(config)),
    ...step('sample', sampleMs, (config) => new Sample(config)),
    ...step('window', window, (config) => new TumblingWindow(config)),
    ...step('window', hopping, (config, view) => new HoppingWindow(config, view)),
  ];
}

function step<Config>(
  name: string,
  config: Config | undefined,
  create: (config: Config, view: SeriesView) => Operator,
): StepDefinition[] {
  return config === undefined ? [] : [{ name, config, create: (view) => create(config, view) }];
}
