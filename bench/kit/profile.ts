/** Where CPU profiles that Node wrote (`--cpu-prof`) say the time went: functions by self time. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** Prints the heaviest functions of all profiles of a folder; what waited for events counts as nothing. */
export function printProfile(title: string, folder: string, shown: number): void {
  const self = new Map<string, number>();
  for (const file of readdirSync(folder)) {
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile;
    const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
    profile.samples.forEach((id, index) => {
      const name = names.get(id) ?? '?';
      self.set(name, (self.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0));
    });
  }
  self.delete('(idle)');
  const total = [...self.values()].reduce((sum, micros) => sum + micros, 0);
  console.log(`\n${title}: self time of ${(total / 1e6).toFixed(1)} s busy`);
  for (const [name, micros] of [...self].sort((a, b) => b[1] - a[1]).slice(0, shown)) {
    console.log(`  ${((micros / total) * 100).toFixed(1).padStart(5)} %  ${name}`);
  }
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  return url === '' ? name : `${name}  ${url.split('/').slice(-3).join('/')}:${lineNumber + 1}`;
}
