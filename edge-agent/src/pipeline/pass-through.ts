import type { PipelineConfig } from '../core-config.ts';

/** A branch without operators: its stream is the source's own columns. A source has at most one. */
export function isPassThrough(config: PipelineConfig): boolean {
  return config.deadband === undefined && config.window === undefined;
}
