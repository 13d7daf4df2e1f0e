import type { LookupAddress } from 'node:dns';
import { describe, expect, it } from 'vitest';
import { guardedLookup, refusalOf } from './address-guard.ts';

const insideOnly = [
  '127.0.0.1',
  '127.255.255.254',
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '::1',
  'fd12:3456::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '0:0:0:0:0:ffff:10.0.0.1',
];
const never = [
  '0.0.0.0',
  '0.1.2.3',
  '169.254.169.254',
  '169.254.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '198.18.0.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b:1::1',
  '2002:7f00:1::',
  '2001:0:7f00:1::',
  '2001:db8::1',
  '100::1',
  '4000::1',
  'localhost',
  '',
];
const outside = ['1.1.1.1', '93.184.216.34', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:1.1.1.1'];

describe('an address', () => {
  it.each(insideOnly)('%s is reached only where private addresses are allowed', (address) => {
    expect(refusalOf(address, false)).toContain('allow_private');
    expect(refusalOf(address, true)).toBeUndefined();
  });

  it.each(never)('%s is never reached', (address) => {
    expect(refusalOf(address, false)).toBeDefined();
    expect(refusalOf(address, true)).toBeDefined();
  });

  it.each(outside)('%s may be reached', (address) => {
    expect(refusalOf(address, false)).toBeUndefined();
  });
});

/** What the lookup of a socket says of a name with these addresses, by call. */
function lookUp(answers: readonly (readonly string[])[], all: boolean): Promise<unknown> & { calls(): number } {
  let calls = 0;
  const resolve = (_name: string, _options: object, callback: (error: null, found: LookupAddress[]) => void): void => {
    const found = answers[calls++] ?? [];
    callback(
      null,
      found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  const asked = new Promise((settle) => {
    guardedLookup(false, resolve as never)('name.example', { all }, (error, address) =>
      settle(error === null ? address : error.message),
    );
  });
  return Object.assign(asked, { calls: () => calls });
}

describe('a name', () => {
  it('is refused when any of its addresses is', async () => {
    expect(await lookUp([['1.1.1.1', '127.0.0.1']], true)).toContain('name.example is 127.0.0.1');
    expect(await lookUp([['fe80::1']], false)).toContain('name.example is fe80::1');
    expect(await lookUp([[]], true)).toContain('no address');
  });

  it('is asked for once, so that no second answer can differ', async () => {
    const asked = lookUp([['1.1.1.1'], ['127.0.0.1']], true);
    expect(await asked).toEqual([{ address: '1.1.1.1', family: 4 }]);
    expect(asked.calls()).toBe(1);
    expect(await lookUp([['1.1.1.1']], false)).toBe('1.1.1.1');
  });
});
