import { hasCode } from '@fogline/shared/errors';
import { SeededRandom } from '@fogline/shared/random';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { expect, it } from 'vitest';
import { openHubDatabase } from '../store/schema.ts';
import { AgentRegistry } from './agents.ts';
import { CredentialWatch } from './credential-watch.ts';
import { ApiTokens } from './tokens.ts';

const db = () => openHubDatabase(':memory:');
const failsWith = (code: 'usage' | 'not_found', work: () => unknown): void => {
  try {
    work();
  } catch (error) {
    expect(hasCode(error, code), String(error)).toBe(true);
    return;
  }
  expect.unreachable(`expected ${code}`);
};

it('an agent is authentic with its own token only, from creation until rotation or revocation', () => {
  const file = db();
  const registry = new AgentRegistry(file, new ManualClock(), new SeededRandom(1));
  const token = registry.create('gw1');
  const other = registry.create('gw2');
  expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(registry.isAuthentic('gw1', token)).toBe(true);
  expect(registry.isAuthentic('gw1', other)).toBe(false);
  expect(registry.isAuthentic('gw1', '')).toBe(false);
  expect(registry.isAuthentic('gw3', token)).toBe(false);
  const rotated = registry.rotate('gw1');
  expect(registry.isAuthentic('gw1', token)).toBe(false);
  expect(registry.isAuthentic('gw1', rotated)).toBe(true);
  registry.revoke('gw1');
  expect(registry.isAuthentic('gw1', rotated)).toBe(false);
  const again = registry.create('gw1');
  expect(registry.isAuthentic('gw1', again)).toBe(true);
});

it('an agent that was only heard of has no credential, and none is found in the database', () => {
  const file = db();
  file.exec("INSERT INTO agents (name, created) VALUES ('heard', 0)");
  const registry = new AgentRegistry(file, new ManualClock());
  expect(registry.isAuthentic('heard', '')).toBe(false);
  const token = registry.create('heard');
  expect(registry.isAuthentic('heard', token)).toBe(true);
  expect(Buffer.from(file.serialize()).includes(token)).toBe(false);
});

it('agents need a good name, are made once, and must exist to be changed', () => {
  const registry = new AgentRegistry(db(), new ManualClock());
  registry.create('gw1');
  failsWith('usage', () => registry.create('gw1'));
  for (const bad of ['', 'a/b', '#', '+', '-x', 'x'.repeat(65)]) failsWith('usage', () => registry.create(bad));
  failsWith('not_found', () => registry.rotate('gw9'));
  failsWith('not_found', () => registry.revoke('gw9'));
});

it('an API token brings its name and scopes until it is revoked; its name may then be used anew', () => {
  const file = db();
  const tokens = new ApiTokens(file, new ManualClock(5000), new SeededRandom(2));
  expect(tokens.any()).toBe(false);
  const token = tokens.create('grafana', { scopes: ['read'], sites: ['oslo'] });
  expect(tokens.any()).toBe(true);
  expect(tokens.verify(token)).toEqual({ name: 'grafana', scopes: ['read'], sites: ['oslo'] });
  expect(tokens.verify(`${token}x`)).toBeUndefined();
  expect(tokens.verify('')).toBeUndefined();
  for (const [name, scopes, sites] of [
    ['grafana', ['read'], undefined],
    ['a b', ['read'], undefined],
    ['other', ['read'], []],
    ['other', ['read'], ['a b']],
    ['other', ['read', 'admin'], ['oslo']],
  ] as const)
    failsWith('usage', () => tokens.create(name, { scopes, sites }));
  expect(new ApiTokens(file, new ManualClock()).verify(token)?.name).toBe('grafana');
  tokens.revoke('grafana');
  failsWith('not_found', () => tokens.revoke('grafana'));
  expect(tokens.verify(token)).toBeUndefined();
  expect(tokens.any()).toBe(false);
  expect(tokens.list()).toEqual([
    { name: 'grafana', scopes: ['read'], sites: ['oslo'], createdMs: 5000, revokedMs: 5000 },
  ]);
  const again = tokens.create('grafana', { scopes: ['admin'], sites: undefined });
  expect(tokens.verify(again)).toEqual({ name: 'grafana', scopes: ['admin'], sites: undefined });
  expect(tokens.verify(token)).toBeUndefined();
});

it('the first token is made once: a hub that had one, in force or not, gets no other', () => {
  const file = db();
  const tokens = new ApiTokens(file, new ManualClock());
  const first = tokens.createFirst();
  expect(tokens.verify(first ?? '')).toEqual({ name: 'admin', scopes: ['admin'], sites: undefined });
  expect(tokens.createFirst()).toBeUndefined();
  tokens.revoke('admin');
  expect(new ApiTokens(file, new ManualClock()).createFirst()).toBeUndefined();
});

it('a change of credentials is noticed, whoever made it, and nothing else is', () => {
  const file = db();
  const clock = new ManualClock();
  const tokens = new ApiTokens(file, clock);
  const registry = new AgentRegistry(file, clock);
  let changes = 0;
  const watch = new CredentialWatch(file, clock, () => changes++);
  const steps = [
    () => registry.create('gw1'),
    () => registry.setSite('gw1', 'oslo'),
    () => registry.rotate('gw1'),
    () => registry.revoke('gw1'),
    () => tokens.create('a', { scopes: ['read'], sites: undefined }),
    () => tokens.revoke('a'),
  ];
  for (const [index, step] of steps.entries()) {
    step();
    watch.poll();
    watch.poll();
    expect(changes).toBe(index + 1);
  }
  file.exec("INSERT INTO agents (name, created) VALUES ('heard', 0)");
  clock.advance(10_000);
  expect(changes).toBe(steps.length);
  failsWith('usage', () => registry.setSite('gw1', 'a b'));
  failsWith('not_found', () => registry.setSite('gw9', 'oslo'));
  tokens.create('b', { scopes: ['read'], sites: undefined });
  clock.advance(1_000);
  expect(changes).toBe(steps.length + 1);
  watch.stop();
});
