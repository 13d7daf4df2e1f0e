/**
 * When a link does what: a script of steps, or a random schedule from a seed. A script is one step a line or separated by `;`:
 *
 *     at 5s cut              at 8s stall 3s          every 10s±3s cut fin
 *     at 0s delay 200ms      at 1m rate 10kB         at 20s half-open
 *     at 30s refuse 2s       after 1000B up cut      at 2m clear
 *     at 5s slice 1B         inside 3 puback cut     inside 2+1B publish up cut fin
 *
 * `cut` resets unless it says `fin`; `inside 3 puback` is the third PUBACK, of which half arrives, or as many bytes as stand after `+`; it goes
 * `down` unless it says `up`. `clear` ends delay, rate and slices. `#` begins a comment.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import type { SeededRandom } from '@fogline/shared/random';
import { type Parsed, parseDurationMs, parseSizeBytes } from '@fogline/shared/units';
import type { Link } from './link.ts';
import type { CutMode, Direction, PacketCut } from './link-weather.ts';
import { isPacketName, packetNames } from './packet-hold.ts';

export type Action =
  | { readonly do: 'cut'; readonly mode: CutMode }
  | { readonly do: 'stall' | 'refuse' | 'delay'; readonly ms: number }
  | { readonly do: 'rate'; readonly bytesPerSecond: number }
  | { readonly do: 'slice'; readonly bytes: number }
  | { readonly do: 'cut inside'; readonly direction: Direction; readonly cut: PacketCut }
  | { readonly do: 'half-open' | 'clear' };

export type Step =
  | { readonly when: 'at'; readonly ms: number; readonly action: Action }
  | { readonly when: 'every'; readonly ms: number; readonly jitterMs: number; readonly action: Action }
  | { readonly when: 'after'; readonly bytes: number; readonly direction: Direction; readonly mode: CutMode }
  | { readonly when: 'inside'; readonly direction: Direction; readonly cut: PacketCut };

/** Throws `usage` naming the step and what to write instead. */
export function parseScript(text: string): Step[] {
  return text
    .split(/[;\n]/)
    .map((step) => step.replace(/#.*$/, '').trim())
    .filter((step) => step !== '')
    .map(parseStep);
}

function parseStep(step: string): Step {
  const [when = '', at = '', ...words] = step.split(/\s+/);
  if (when === 'at') return { when, ms: read(step, parseDurationMs(at)), action: parseAction(step, words) };
  if (when === 'every') {
    const [period = '', jitter] = at.split('±');
    const ms = read(step, parseDurationMs(period));
    const jitterMs = jitter === undefined ? 0 : read(step, parseDurationMs(jitter));
    if (ms === 0 || jitterMs > ms) throw wrong(step, 'the period must be longer than 0 and than its jitter');
    return { when, ms, jitterMs, action: parseAction(step, words) };
  }
  if (when === 'after') {
    const [direction, ...rest] = words;
    if (direction !== 'up' && direction !== 'down') throw wrong(step, 'after a number of bytes comes up or down');
    const action = parseAction(step, rest);
    if (action.do !== 'cut') throw wrong(step, 'only cut can follow a number of bytes');
    return { when, bytes: read(step, parseSizeBytes(at)), direction, mode: action.mode };
  }
  if (when === 'inside') return parseInside(step, at, words);
  throw wrong(step, 'a step begins with at, every, after or inside');
}

function parseInside(step: string, at: string, [packet = '', ...words]: readonly string[]): Step {
  const [nth = '', plus] = at.split('+');
  if (!/^[1-9]\d{0,8}$/.test(nth)) throw wrong(step, 'inside comes with a number: 1 is the next');
  if (!isPacketName(packet)) throw wrong(step, `packets are ${packetNames.join(', ')}`);
  const direction = words[0] === 'up' || words[0] === 'down' ? words[0] : 'down';
  const action = parseAction(step, words[0] === direction ? words.slice(1) : words);
  if (action.do !== 'cut') throw wrong(step, 'only cut can happen inside a packet');
  const bytes = plus === undefined ? undefined : read(step, parseSizeBytes(plus));
  return { when: 'inside', direction, cut: { packet, nth: Number(nth), bytes, mode: action.mode } };
}

function parseAction(step: string, words: readonly string[]): Action {
  const [verb = '', argument, ...surplus] = words;
  if (surplus.length > 0) throw wrong(step, `"${surplus.join(' ')}" is too much`);
  switch (verb) {
    case 'cut':
      if (argument !== undefined && argument !== 'rst' && argument !== 'fin') throw wrong(step, 'cut rst or cut fin');
      return { do: verb, mode: argument ?? 'rst' };
    case 'stall':
    case 'refuse':
    case 'delay':
      return { do: verb, ms: read(step, parseDurationMs(argument ?? '')) };
    case 'rate': {
      const bytesPerSecond = read(step, parseSizeBytes((argument ?? '').replace(/\/s$/, '')));
      if (bytesPerSecond === 0) throw wrong(step, 'a rate of 0 is a stall: write stall');
      return { do: verb, bytesPerSecond };
    }
    case 'slice': {
      const bytes = read(step, parseSizeBytes(argument ?? ''));
      if (bytes === 0) throw wrong(step, 'a slice has at least one byte');
      return { do: verb, bytes };
    }
    case 'half-open':
    case 'clear':
      if (argument !== undefined) throw wrong(step, `"${argument}" is too much`);
      return { do: verb };
    default:
      throw wrong(step, 'known are cut, stall, refuse, delay, rate, slice, half-open, clear');
  }
}

function read(step: string, parsed: Parsed): number {
  if ('problem' in parsed) throw wrong(step, parsed.problem);
  return parsed.value;
}

function wrong(step: string, what: string): FoglineError {
  return new FoglineError('usage', `link script: "${step}": ${what}`);
}

export function perform(link: Link, action: Action): void {
  switch (action.do) {
    case 'cut':
      return link.cut(action.mode);
    case 'stall':
      return link.stall(action.ms);
    case 'refuse':
      return link.refuse(action.ms);
    case 'delay':
      return link.setDelay(action.ms);
    case 'rate':
      return link.setRate(action.bytesPerSecond);
    case 'slice':
      return link.setSlices(action.bytes);
    case 'cut inside':
      return link.cutInside(action.direction, action.cut);
    case 'half-open':
      return link.halfOpen();
    case 'clear':
      link.setDelay(0);
      link.setSlices(Infinity);
      return link.setRate(Infinity);
  }
}

export interface Schedule {
  stop(): void;
}

/** Runs the steps from now on. `random` decides jitter only. */
export function runScript(
  link: Link,
  steps: readonly Step[],
  clock: Clock,
  random: SeededRandom,
  onAction: (action: Action) => void,
): Schedule {
  const timers = new Set<Timer>();
  let isStopped = false;
  const later = (ms: number, fire: () => void): void => {
    const timer = clock.after('link script', ms, () => {
      timers.delete(timer);
      if (!isStopped) fire();
    });
    timers.add(timer);
  };
  const act = (action: Action): void => {
    onAction(action);
    perform(link, action);
  };
  const repeat = (step: Extract<Step, { when: 'every' }>, own: SeededRandom): void => {
    later(step.ms + (own.unit() * 2 - 1) * step.jitterMs, () => {
      act(step.action);
      repeat(step, own);
    });
  };
  for (const step of steps) {
    if (step.when === 'at') later(step.ms, () => act(step.action));
    else if (step.when === 'every') repeat(step, random.fork());
    else if (step.when === 'inside') link.cutInside(step.direction, step.cut);
    else link.cutAfter(step.direction, step.bytes, step.mode);
  }
  return stopping(timers, () => {
    isStopped = true;
  });
}

/** An endless schedule of faults, each followed by a quiet spell long enough for the two sides to get some work done. */
export function runRandomFaults(
  link: Link,
  clock: Clock,
  random: SeededRandom,
  onAction: (action: Action) => void,
): Schedule {
  const timers = new Set<Timer>();
  let isStopped = false;
  const next = (): void => {
    timers.clear();
    timers.add(
      clock.after('link faults', 200 + random.below(6_000), () => {
        if (isStopped) return;
        const action = randomAction(random);
        onAction(action);
        perform(link, action);
        next();
      }),
    );
  };
  next();
  return stopping(timers, () => {
    isStopped = true;
  });
}

export function randomAction(random: SeededRandom): Action {
  switch (random.below(11)) {
    case 0:
    case 1:
      return { do: 'cut', mode: 'rst' };
    case 2:
      return { do: 'cut', mode: 'fin' };
    case 3:
      return { do: 'stall', ms: 50 + random.below(3_000) };
    case 4:
      return { do: 'refuse', ms: 50 + random.below(2_000) };
    case 5:
      return { do: 'delay', ms: random.below(150) };
    case 6:
      return { do: 'half-open' };
    case 7:
      return { do: 'slice', bytes: 1 + random.below(64) };
    case 8:
      return cutInside('down', 'puback', random);
    case 9:
      return cutInside('up', 'publish', random);
    default:
      return { do: 'clear' };
  }
}

function cutInside(direction: Direction, packet: PacketCut['packet'], random: SeededRandom): Action {
  const cut = {
    packet,
    nth: 1 + random.below(20),
    bytes: 1 + random.below(packet === 'puback' ? 3 : 200),
    mode: 'rst',
  } as const;
  return { do: 'cut inside', direction, cut };
}

function stopping(timers: ReadonlySet<Timer>, mark: () => void): Schedule {
  return {
    stop() {
      mark();
      for (const timer of timers) timer.cancel();
    },
  };
}
