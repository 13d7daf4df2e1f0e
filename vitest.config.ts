/** `vitest run` is `npm test`; `--mode long` runs the suites named *.long.test.ts instead (minutes, not seconds). */
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The suites that take minutes begin first, so that no core is idle while the last of them runs. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = ['/test/simulation/', '/test/chaos/', '/test/'].findIndex((part) => moduleId.includes(part));
      return place === -1 ? 3 : place;
    };
    return files.toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig(({ mode }) => ({
  test: {
    environment: 'node',
    include: [mode === 'long' ? '**/*.long.test.ts' : '**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', ...(mode === 'long' ? [] : ['**/*.long.test.ts'])],
    // By default one core is kept free, which on two cores leaves one file at a time; the machine is the tests' alone.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
    // Generous on purpose: tests wait for events, never for time, and the machine may be busy. A hang still ends.
    testTimeout: mode === 'long' ? 30 * 60_000 : 60_000,
    hookTimeout: 60_000,
    allowOnly: false,
    passWithNoTests: false,
  },
}));
