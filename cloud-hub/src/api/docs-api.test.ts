/** docs/api.md: its commands work as pasted, in one shell, and answer as the page shows. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ApiFixture, openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';

const page = readFileSync(fileURLToPath(new URL('../../../docs/api.md', import.meta.url)), 'utf8');
/** Commands, and what stands behind them. */
const examples = [...page.matchAll(/```sh\n([\s\S]*?)```\n+(?:```(?:text|json|csv)\n([\s\S]*?)```)?/g)].map(
  ([, commands = '', answer]) => ({ commands, answer }),
);

const minute = 60_000;
const start = Date.UTC(2026, 2, 27);
const now = Date.UTC(2026, 2, 29, 12);
const folder = mkdtempSync(join(tmpdir(), 'docs-api-'));
let fixture: ApiFixture;
let hub = '';

/** An attic that warms and cools, what a deadband keeps of it, and a meter that was exchanged at eleven. */
beforeAll(async () => {
  fixture = openApiFixture(now);
  const sender = fixture.agent('cellar-pi', [
    definition({ device: 'attic' }),
    definition({ device: 'attic', stream: 'calm', sampling: 'held', holdMs: 60 * minute }),
    definition({ device: 'meter', metric: 'energy', unit: 'kWh' }),
  ]);
  for (let timeMs = start, index = 0; timeMs < now; timeMs += 10 * minute, index++) {
    const value = 20 + Math.round(10 * Math.sin(index / 20)) / 2;
    const calm = index % 5 === 0 ? [{ series: 1, timeMs, value }] : [];
    const isExchanged = timeMs >= now - 60 * minute;
    const energy = { series: 2, timeMs, value: isExchanged ? (timeMs - now) / minute / 10 + 6 : 100 + index };
    sender.send([{ series: 0, timeMs, value }, ...calm, energy]);
  }
  await fixture.api.app.listen({ host: '127.0.0.1', port: 0 });
  hub = `http://127.0.0.1:${(fixture.api.app.server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await fixture.api.close();
  rmSync(folder, { recursive: true });
});

it('the page has its examples', () => {
  expect(examples.length).toBe(10);
});

it.each(examples)('$commands', async ({ commands, answer }) => {
  const script = `set -euo pipefail\nhub=${hub}\n${commands.replace(/^hub=.*\n/m, '')}`;
  const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: folder });
  expect(stdout.replaceAll('\r', '')).toBe(answer);
});
