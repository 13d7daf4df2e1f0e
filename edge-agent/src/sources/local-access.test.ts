import { hasCode } from '@fogline/shared/errors';
import { describe, expect, it } from 'vitest';
import { authenticator, checkAccess, type LocalAccess } from './local-access.ts';

const base: LocalAccess = { host: '127.0.0.1', users: {}, anonymous: 'loopback' };

describe('checkAccess', () => {
  it.each(['0.0.0.0', '::', '192.168.1.5', 'gateway.local'])(
    'lets %s listen only when somebody must log in',
    (host) => {
      try {
        checkAccess('MQTT', { ...base, host });
        expect.unreachable();
      } catch (error) {
        expect(hasCode(error, 'config_invalid')).toBe(true);
        expect(String(error)).toMatch(/add "users", or "anonymous: lan", or listen on 127\.0\.0\.1/);
      }
      checkAccess('MQTT', { ...base, host, users: { a: 'secret' }, anonymous: 'nobody' });
      checkAccess('MQTT', { ...base, host, anonymous: 'lan' });
    },
  );

  it('takes loopback as it is, and no empty password', () => {
    for (const host of ['127.0.0.1', '::1', 'localhost']) checkAccess('MQTT', { ...base, host });
    expect(() => checkAccess('MQTT', { ...base, users: { a: '' } })).toThrow(/empty/);
  });
});

describe('authenticator', () => {
  const password = (text: string): Uint8Array => new TextEncoder().encode(text);

  it('knows users by their password, from anywhere', () => {
    const authenticate = authenticator({ ...base, users: { ann: 'right', bob: 'other' }, anonymous: 'nobody' });
    const address = '203.0.113.5';
    expect(authenticate({ username: 'ann', password: password('right'), address })).toEqual({ user: 'ann' });
    for (const [username, text] of [
      ['ann', 'other'],
      ['ann', ''],
      ['eve', 'right'],
      ['eve', ''],
      ['__proto__', ''],
    ] as const) {
      expect(authenticate({ username, password: password(text), address })).toBe('refused');
    }
    expect(authenticate({ username: 'ann', address })).toBe('refused');
    expect(authenticate({ address: '127.0.0.1' })).toBe('refused');
  });

  it.each([
    ['127.0.0.1', true, true],
    ['::1', true, true],
    ['::ffff:127.0.0.1', true, true],
    ['10.1.2.3', false, true],
    ['172.31.0.1', false, true],
    ['172.32.0.1', false, false],
    ['192.168.0.9', false, true],
    ['::ffff:192.168.0.9', false, true],
    ['fe80::1%eth0', false, true],
    ['fd12::1', false, true],
    ['203.0.113.5', false, false],
    ['2001:db8::1', false, false],
    ['', false, false],
  ])('without credentials, %s: loopback %s, lan %s', (address, isLoopback, isLan) => {
    const of = (anonymous: LocalAccess['anonymous']) =>
      authenticator({ ...base, anonymous })({ address }) !== 'refused';
    expect([of('loopback'), of('lan'), of('nobody')]).toEqual([isLoopback, isLan, false]);
  });

  it('refuses a wrong password though anonymous clients may come', () => {
    const authenticate = authenticator({ ...base, users: { ann: 'right' }, anonymous: 'lan' });
    expect(authenticate({ username: 'ann', password: password('wrong'), address: '127.0.0.1' })).toBe('refused');
  });
});
