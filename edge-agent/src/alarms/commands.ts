/**
 * What is not a function of the readings reaches alarms as text readings of the reserved source `control`, journaled as all inputs are:
 * device, tags and metric name the alarm, the text is the command. `started` and `clock_step` are of the agent as a whole.
 */

/** A source or pipeline of this name is refused. */
export const controlSource = 'control';

export type Command =
  | { readonly kind: 'acknowledge' }
  /** The actuator did what this action asked for. */
  | { readonly kind: 'confirm'; readonly action: number }
  | { readonly kind: 'started' }
  /** The wall clock was set by so much. */
  | { readonly kind: 'clock_step'; readonly stepMs: number };

export function commandText(command: Command): string {
  if (command.kind === 'confirm') return `confirm ${command.action}`;
  if (command.kind === 'clock_step') return `clock_step ${command.stepMs}`;
  return command.kind;
}

/** Reads what `commandText` wrote; undefined for anything else, which a source of this name may have left in an old journal. */
export function parseCommand(text: string): Command | undefined {
  const [kind, argument] = text.split(' ');
  if (kind === 'acknowledge' || kind === 'started') return { kind };
  const number = Number(argument);
  if (!Number.isFinite(number)) return undefined;
  if (kind === 'confirm') return { kind, action: number };
  if (kind === 'clock_step') return { kind, stepMs: number };
  return undefined;
}
