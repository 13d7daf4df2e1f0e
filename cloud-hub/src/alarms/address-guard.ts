/**
 * Which addresses a webhook may reach. Asked for every address that a connection could be made to, at the moment it is made: a name is
 * resolved once, by the lookup of the socket itself, and refused when any of its addresses is, so nothing can be rebound in between.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { FoglineError } from '@fogline/shared/errors';

/** Reachable from this machine or its network only: allowed where the configuration says so. */
const inside = blockList([
  ['127.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['::1', 128, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
]);

/** Never: metadata services, link-local, unspecified, multicast, reserved and broadcast addresses (IANA special-purpose registries). */
const never = blockList([
  ['0.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['100.100.100.200', 32, 'ipv4'],
  ['168.63.129.16', 32, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  ['fd00:ec2::', 32, 'ipv6'],
  ['fd20:ce::', 32, 'ipv6'],
  ['2001::', 23, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
]);

/** What is neither inside nor global unicast is link-local, multicast, unspecified, a translation of IPv4, or not given out. */
const globalUnicast = blockList([['2000::', 3, 'ipv6']]);

/** Why this address may not be reached; undefined when it may. */
export function refusalOf(address: string, allowsPrivate: boolean): string | undefined {
  const family = isIP(address);
  if (family === 0) return 'it is no address';
  const mapped = mappedIpv4(address);
  if (mapped !== undefined) return refusalOf(mapped, allowsPrivate);
  const name = family === 4 ? 'ipv4' : 'ipv6';
  if (never.check(address, name)) return 'it is link-local, reserved or a metadata service';
  if (inside.check(address, name))
    return allowsPrivate ? undefined : 'it is loopback or private: set allow_private if that is meant';
  if (family === 6 && !globalUnicast.check(address, name)) return 'it is no public address';
  return undefined;
}

/** As sockets take it, without the brackets of IPv6. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** As `refusalOf`, of an address; names are asked for when they are resolved. */
export function refusalOfHost(host: string, allowsPrivate: boolean): string | undefined {
  return isIP(host) === 0 ? undefined : refusalOf(host, allowsPrivate);
}

/** A lookup for sockets that gives only addresses which may be reached. */
export function guardedLookup(allowsPrivate: boolean, resolve: typeof lookup = lookup): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error !== null) return callback(error, '');
      for (const { address } of addresses) {
        const why = refusalOf(address, allowsPrivate);
        if (why !== undefined) return callback(refusal(`${hostname} is ${address}: ${why}`), '');
      }
      const [first] = addresses;
      if (first === undefined) return callback(refusal(`${hostname} has no address`), '');
      if (options.all === true) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}

function refusal(message: string): FoglineError {
  return new FoglineError('forbidden', message);
}

/** `::ffff:127.0.0.1`, however it is written. */
function mappedIpv4(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  // The canonical form of a URL is the shortest one, in hexadecimal, without a zone.
  const { hostname } = new URL(`http://[${address.replace(/%.*$/, '')}]/`);
  const match = /^\[::ffff:([\da-f]{1,4}):([\da-f]{1,4})\]$/.exec(hostname);
  if (match === null) return undefined;
  const [high, low] = [Number.parseInt(match[1] ?? '', 16), Number.parseInt(match[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function blockList(ranges: readonly (readonly [net: string, prefix: number, family: 'ipv4' | 'ipv6'])[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix, family] of ranges) list.addSubnet(net, prefix, family);
  return list;
}
