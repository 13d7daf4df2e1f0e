import type { PipelineConfig } from '../core-config.ts';
import { stepsOf } from './steps.ts';

/** A branch of a source without operators: its stream is the source's own columns. A source has at most one. */
export function isPassThrough(config: PipelineConfig): boolean {
  return config.isFromPipeline !== true && stepsOf(config).length === 0;
}
