import { describe, expect, it } from 'vitest';
import { type AccessPolicy, type Caller, checkExposure, decideAccess, isRefusal } from './access.ts';

const tokens: Readonly<Record<string, Caller>> = {
  reader: { name: 'reader', scopes: ['read'], sites: undefined },
  osloer: { name: 'osloer', scopes: ['read'], sites: ['oslo'] },
  writer: { name: 'writer', scopes: ['write'], sites: undefined },
  boss: { name: 'boss', scopes: ['admin'], sites: undefined },
};

function outcomeOf(
  isLoopback: boolean,
  request: { scope: 'read' | 'write' | 'command' | 'admin' | 'public'; isHubWide?: boolean } & {
    authorization?: string | undefined;
    host?: string | undefined;
    origin?: string | undefined;
  },
): string {
  const policy: AccessPolicy = { isLoopback, callerOf: (token) => tokens[token] };
  const whole = { isHubWide: false, authorization: undefined, host: undefined, origin: undefined, ...request };
  const decision = decideAccess(policy, whole);
  return isRefusal(decision) ? decision.refused : decision.name;
}

describe('access', () => {
  it.each([
    // listener, scope, token, host → who passes, or why not
    [true, 'read', undefined, 'localhost:8080', 'local'],
    [true, 'read', undefined, '127.0.0.1:8080', 'local'],
    [true, 'read', undefined, '[::1]:8080', 'local'],
    [true, 'write', undefined, 'localhost', 'local'],
    [true, 'command', undefined, 'localhost', 'local'],
    [true, 'admin', undefined, 'localhost', 'unauthorized'],
    [true, 'admin', 'Bearer boss', 'localhost', 'boss'],
    [true, 'read', undefined, 'evil.example:8080', 'host_not_allowed'],
    [true, 'public', undefined, 'evil.example', 'host_not_allowed'],
    [true, 'read', undefined, '127.0.0.1.evil.example', 'host_not_allowed'],
    [true, 'read', undefined, undefined, 'host_not_allowed'],
    [true, 'read', 'Bearer reader', 'hub.example', 'reader'],
    [true, 'read', 'Bearer revoked', 'localhost', 'unauthorized'],
    [true, 'read', 'Basic cmVhZGVy', 'localhost', 'unauthorized'],
    [false, 'public', undefined, 'hub.example', 'nobody'],
    [false, 'read', undefined, 'localhost', 'unauthorized'],
    [false, 'read', 'Bearer reader', 'hub.example', 'reader'],
    [false, 'read', 'bearer  reader', 'hub.example', 'reader'],
    [false, 'read', 'Bearer revoked', 'hub.example', 'unauthorized'],
    [false, 'read', 'Bearer writer', 'hub.example', 'forbidden'],
    [false, 'write', 'Bearer reader', 'hub.example', 'forbidden'],
    [false, 'command', 'Bearer writer', 'hub.example', 'forbidden'],
    [false, 'read', 'Bearer boss', 'hub.example', 'boss'],
    [false, 'admin', 'Bearer writer', 'hub.example', 'forbidden'],
  ] as const)('loopback %s, scope %s, %s at %s: %s', (isLoopback, scope, authorization, host, outcome) => {
    expect(outcomeOf(isLoopback, { scope, authorization, host })).toBe(outcome);
  });

  it('what tells of the whole hub is closed to a token of some sites', () => {
    const asked = { scope: 'read', host: 'hub.example' } as const;
    expect(outcomeOf(false, { ...asked, authorization: 'Bearer osloer' })).toBe('osloer');
    expect(outcomeOf(false, { ...asked, authorization: 'Bearer osloer', isHubWide: true })).toBe('forbidden');
    expect(outcomeOf(false, { ...asked, authorization: 'Bearer reader', isHubWide: true })).toBe('reader');
  });

  it.each([
    [true, 'localhost:8080', undefined, 'http://localhost:8080', 'local'],
    [true, 'localhost:8080', undefined, 'http://localhost:3000', 'forbidden'],
    [true, 'localhost:8080', undefined, 'https://evil.example', 'forbidden'],
    [true, 'localhost:8080', undefined, 'null', 'forbidden'],
    [true, 'localhost:8080', 'Bearer reader', 'https://evil.example', 'forbidden'],
    [false, 'hub.example', 'Bearer reader', 'https://hub.example', 'reader'],
    [false, 'Hub.example', 'Bearer reader', 'https://hub.example', 'reader'],
    [false, 'hub.example', 'Bearer reader', 'https://hub.example.evil', 'forbidden'],
  ] as const)(
    'loopback %s, at %s with %s from a page of %s: %s',
    (isLoopback, host, authorization, origin, outcome) => {
      expect(outcomeOf(isLoopback, { scope: 'read', host, authorization, origin })).toBe(outcome);
    },
  );
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
