/** `vitest run` is `npm test`; `--mode long` runs the suites named *.long.test.ts instead (minutes, not seconds). */
import { defineConfig } from 'vitest/config';

export default defineConfig(({ mode }) => ({
  test: {
    environment: 'node',
    include: [mode === 'long' ? '**/*.long.test.ts' : '**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', ...(mode === 'long' ? [] : ['**/*.long.test.ts'])],
    // Generous on purpose: tests wait for events, never for time, and the machine may be busy. A hang still ends.
    testTimeout: mode === 'long' ? 30 * 60_000 : 60_000,
    hookTimeout: 60_000,
    allowOnly: false,
    passWithNoTests: false,
  },
}));
