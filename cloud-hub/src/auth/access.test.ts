import { describe, expect, it } from 'vitest';
import { type AccessPolicy, checkExposure, decideAccess } from './access.ts';

const tokens: Readonly<Record<string, readonly string[]>> = { reader: ['read'], writer: ['write'], boss: ['admin'] };

function policy(isLoopback: boolean): AccessPolicy {
  return {
    isLoopback,
    callerOf: (token) => (tokens[token] === undefined ? undefined : { name: token, scopes: tokens[token] }),
  };
}

describe('access', () => {
  it.each([
    // listener, scope, token, host → outcome
    [true, 'read', undefined, 'localhost:8080', 'pass'],
    [true, 'read', undefined, '127.0.0.1:8080', 'pass'],
    [true, 'read', undefined, '[::1]:8080', 'pass'],
    [true, 'admin', undefined, 'localhost', 'pass'],
    [true, 'read', undefined, 'evil.example:8080', 'host_not_allowed'],
    [true, 'public', undefined, 'evil.example', 'host_not_allowed'],
    [true, 'read', undefined, '127.0.0.1.evil.example', 'host_not_allowed'],
    [true, 'read', undefined, undefined, 'host_not_allowed'],
    [true, 'read', 'Bearer reader', 'hub.example', 'pass'],
    [true, 'read', 'Bearer revoked', 'localhost', 'unauthorized'],
    [true, 'read', 'Basic cmVhZGVy', 'localhost', 'unauthorized'],
    [false, 'public', undefined, 'hub.example', 'pass'],
    [false, 'read', undefined, 'localhost', 'unauthorized'],
    [false, 'read', 'Bearer reader', 'hub.example', 'pass'],
    [false, 'read', 'bearer  reader', 'hub.example', 'pass'],
    [false, 'read', 'Bearer revoked', 'hub.example', 'unauthorized'],
    [false, 'read', 'Bearer writer', 'hub.example', 'forbidden'],
    [false, 'write', 'Bearer reader', 'hub.example', 'forbidden'],
    [false, 'read', 'Bearer boss', 'hub.example', 'pass'],
    [false, 'admin', 'Bearer writer', 'hub.example', 'forbidden'],
  ] as const)('loopback %s, scope %s, %s at %s: %s', (isLoopback, scope, authorization, host, outcome) => {
    const decision = decideAccess(policy(isLoopback), { scope, authorization, host });
    expect(decision === 'pass' ? decision : decision.refused).toBe(outcome);
  });
});

describe('exposure', () => {
  const listener = { name: 'http.listen', host: '0.0.0.0', hasCredential: false, fix: 'fogline-hub token add NAME' };

  it('nothing listens beyond loopback until a credential exists', () => {
    expect(() => checkExposure(listener)).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        message:
          'http.listen is to listen on 0.0.0.0, beyond this machine, but there is no credential yet: run "fogline-hub token add NAME" first, or listen on 127.0.0.1',
      }),
    );
    for (const host of ['::', '192.168.1.2', 'hub.example', '128.0.0.1'])
      expect(() => checkExposure({ ...listener, host })).toThrow('credential');
  });

  it('loopback needs none, and with one it may be anywhere', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
      expect(() => checkExposure({ ...listener, host })).not.toThrow();
    expect(() => checkExposure({ ...listener, hasCredential: true })).not.toThrow();
  });
});
