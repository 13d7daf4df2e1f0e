/** A program that starts lean: it goes on with what it was given, and with the heap that the user asked for. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

/** Starts a service of its own through `handOver`; what it was handed, and the limit of its heap in MiB. */
function launch(nodeOptions: string): { readonly work: unknown; readonly heapMib: number } {
  const folder = mkdtempSync(join(tmpdir(), 'fogline-launch-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const launcher = JSON.stringify(fileURLToPath(new URL('./cli-launch.ts', import.meta.url)));
  const service = `import { getHeapStatistics } from 'node:v8';
    import { takeHandedOver } from ${launcher};
    if (import.meta.main) {
      const heapMib = getHeapStatistics().heap_size_limit / 2 ** 20;
      console.log(JSON.stringify({ work: takeHandedOver(), heapMib }));
    }`;
  const command = `import { enableCompileCache } from 'node:module';
    enableCompileCache(${JSON.stringify(join(folder, 'cache'))});
    const { handOver } = await import(${launcher});
    await import('./service.mjs');
    handOver(new URL('./service.mjs', import.meta.url), { name: 'pi' }, { heapMib: 512 });`;
  writeFileSync(join(folder, 'service.mjs'), service);
  writeFileSync(join(folder, 'command.mjs'), command);
  const env = { ...process.env, NODE_OPTIONS: nodeOptions };
  const { stdout, stderr } = spawnSync(execPath, [join(folder, 'command.mjs')], { env, encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { work: unknown; heapMib: number };
}

it('has a small heap, unless NODE_OPTIONS ask for another', () => {
  const lean = launch('');
  expect(lean.work).toEqual({ name: 'pi' });
  expect(lean.heapMib).toBeLessThan(700);
  expect(launch('--max-old-space-size=1500').heapMib).toBeGreaterThan(1_400);
  expect(launch('--no-warnings --max_old_space_size=1500').heapMib).toBeGreaterThan(1_400);
});
