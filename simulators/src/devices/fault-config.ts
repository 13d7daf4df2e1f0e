/** What the keys of a fault mean together: which kind takes which, and what is missing. */
import type { ConfigContext } from '@fogline/shared/config';
import type { SeededRandom } from '@fogline/shared/random';
import { formatDuration } from '@fogline/shared/units';
import type { Fault } from './faults.ts';
import type { MetricPlan } from './fleet-plan.ts';
import type { FaultDocument, FaultKind } from './fleet-schema.ts';

type Key = 'lasts' | 'metric' | 'size' | 'period' | 'factor' | 'offset' | 'depth' | 'ahead' | 'behind';

interface Rule {
  /** All of these must be given. */
  readonly needs: readonly Key[];
  readonly takes: readonly Key[];
}

const rules: Readonly<Record<FaultKind, Rule>> = {
  spike: { needs: ['metric', 'size'], takes: ['lasts'] },
  stuck: { needs: ['metric', 'lasts'], takes: [] },
  drift: { needs: ['metric', 'size', 'lasts'], takes: [] },
  pattern: { needs: ['metric', 'size', 'period', 'lasts'], takes: [] },
  unit_flip: { needs: ['metric'], takes: ['lasts', 'factor', 'offset'] },
  nan: { needs: ['metric'], takes: ['lasts'] },
  gap: { needs: ['lasts'], takes: ['metric'] },
  duplicate: { needs: [], takes: ['lasts'] },
  reorder: { needs: ['lasts'], takes: ['depth'] },
  clock_skew: { needs: ['lasts'], takes: ['ahead', 'behind'] },
  boot_1970: { needs: ['lasts'], takes: [] },
  offline: { needs: ['lasts'], takes: [] },
  churn: { needs: [], takes: ['lasts'] },
};

const textFaults: readonly FaultKind[] = ['stuck', 'gap', 'nan'];
const depthDefault = 2;

/** `intervalMs`: of the type, which is how long a fault of one reading lasts. */
export function resolveFault(
  raw: FaultDocument,
  type: { readonly intervalMs: number; readonly metrics: readonly MetricPlan[] },
  random: SeededRandom,
  path: readonly (string | number)[],
  context: ConfigContext,
): Fault {
  const key = random.uint32();
  const { kind, every, share, metric } = raw;
  checkKeys(raw, path, context);
  const index = metric === undefined ? -1 : type.metrics.findIndex(({ name }) => name === metric);
  if (metric !== undefined && index < 0) {
    context.error(
      [...path, 'metric'],
      `no metric of this type: it has ${type.metrics.map(({ name }) => name).join(', ')}`,
    );
  } else if (index >= 0 && type.metrics[index]?.signal.states !== undefined && !textFaults.includes(kind)) {
    context.error([...path, 'metric'], `${metric} has states: the kind ${kind} needs numbers`);
  }
  const lastsMs = raw.lasts ?? type.intervalMs;
  if (lastsMs >= every) {
    context.error(path, `lasts ${formatDuration(lastsMs)}, which is not less than every ${formatDuration(every)}`);
  }
  return { kind, key, everyMs: every, lastsMs, share, metric: index, parameters: parametersOf(raw) };
}

function checkKeys(raw: FaultDocument, path: readonly (string | number)[], context: ConfigContext): void {
  const { needs, takes } = rules[raw.kind];
  const all = [...needs, ...takes];
  for (const key of needs) if (raw[key] === undefined) context.error(path, `the kind ${raw.kind} needs ${key}`);
  for (const key of ['lasts', 'metric', 'size', 'period', 'factor', 'offset', 'depth', 'ahead', 'behind'] as const) {
    if (raw[key] === undefined || all.includes(key)) continue;
    context.error(
      [...path, key],
      `the kind ${raw.kind} takes ${all.length === 0 ? 'nothing of the kind' : all.join(', ')}`,
    );
  }
  if (raw.kind === 'clock_skew' && (raw.ahead === undefined) === (raw.behind === undefined)) {
    context.error(path, 'the clock is either ahead or behind');
  }
}

function parametersOf(raw: FaultDocument): Record<string, number> {
  const { size = 0, period = 0, factor = 1.8, offset = 32, depth = depthDefault } = raw;
  switch (raw.kind) {
    case 'spike':
    case 'drift':
      return { size };
    case 'pattern':
      return { size, period };
    case 'unit_flip':
      return { factor, offset };
    case 'reorder':
      return { depth };
    case 'clock_skew':
      return { by: raw.ahead ?? -(raw.behind ?? 0) };
    default:
      return {};
  }
}
