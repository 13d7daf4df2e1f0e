import { describe, expect, it } from 'vitest';
import { FoglineError } from './errors.ts';
import { createLogger, silentLogger } from './log.ts';

function capture(options: { isPretty?: boolean; level?: 'debug' | 'info' | 'warn' | 'error' } = {}) {
  const lines: string[] = [];
  const log = createLogger({ name: 'agent', isPretty: false, ...options, write: (line) => lines.push(line) });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('JSON lines', () => {
  it('carry time, level, dotted name, message and fields', () => {
    const { log, parsed } = capture();
    log.child('uplink').child('session').warn({ retryInMs: 250 }, 'lost the hub');
    const [line] = parsed();
    expect(line).toMatchObject({
      level: 'warn',
      name: 'agent.uplink.session',
      message: 'lost the hub',
      retryInMs: 250,
    });
    expect(line!['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('leave out what is below the level', () => {
    const { log, lines } = capture({ level: 'warn' });
    log.debug({}, 'a');
    log.info({}, 'b');
    log.error({}, 'c');
    expect(lines).toHaveLength(1);
  });

  it('show operating errors as code and message, bugs with their stack, causes nested', () => {
    const { log, parsed } = capture();
    const cause = new Error('EIO');
    log.error({ error: new FoglineError('storage_io', 'commit failed', { cause }) }, 'stopping');
    const [line] = parsed();
    expect(line!['error']).toEqual({
      code: 'storage_io',
      message: 'commit failed',
      cause: { message: 'EIO', stack: cause.stack },
    });
  });

  it('survive bigints and cause cycles', () => {
    const { log, parsed } = capture();
    const loop = new Error('loop');
    loop.cause = loop;
    log.info({ count: 5n, loop }, 'odd');
    expect(parsed()[0]).toMatchObject({ count: '5', loop: { message: 'loop' } });
  });
});

it('never lets a credential reach a line', () => {
  const { log, lines } = capture();
  log.info({ token: 's3cret-a', uplink: { password: 's3cret-b', url: 'mqtt://hub' } }, 'connecting');
  expect(lines.join('')).not.toContain('s3cret');
  expect(lines.join('')).toContain('mqtt://hub');
});

it('prints one readable line on a terminal', () => {
  const { log, lines } = capture({ isPretty: true });
  log.info({ port: 1883, url: 'mqtt://a', note: 'two words' }, 'listening');
  log.info({}, 'ready');
  expect(lines[0]).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} info {2}agent: listening · port=1883 url=mqtt:\/\/a note="two words"\n$/,
  );
  expect(lines[1]).toMatch(/ready\n$/);
});

it('has a logger that says nothing', () => {
  silentLogger.child('x').error({}, 'unheard');
  expect(silentLogger.child('x')).toBe(silentLogger);
});
