/** Who may use a local listener: users with a password, or nobody known from this machine or from private networks. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIPv6 } from 'node:net';
import { FoglineError } from '@fogline/shared/errors';
import { isLoopback } from '@fogline/shared/loopback';

export interface LocalAccess {
  readonly host: string;
  /** Password by user name. */
  readonly users: Readonly<Record<string, string>>;
  /** Who may come without a password: nobody, this machine, private networks, or whoever TLS let in by a certificate. */
  readonly anonymous: 'nobody' | 'loopback' | 'lan' | 'certified';
}

export interface LocalIdentity {
  /** Undefined for a client without credentials. */
  readonly user: string | undefined;
}

/** @throws FoglineError config_invalid when a listener that others can reach would let everybody in. */
export function checkAccess(
  what: string,
  { host, users, anonymous }: LocalAccess,
  tokens: readonly string[] = [],
): void {
  const isOpen = Object.keys(users).length > 0 || tokens.length > 0 || anonymous === 'lan' || anonymous === 'certified';
  if (!isLoopback(host) && !isOpen) {
    throw new FoglineError(
      'config_invalid',
      `${what} on ${host} is reachable from other machines: add "users", or "anonymous: lan", or listen on 127.0.0.1`,
      { details: { host } },
    );
  }
  for (const [user, password] of Object.entries(users)) {
    if (password !== '') continue;
    throw new FoglineError('config_invalid', `the password of ${what} user "${user}" is empty: set one`, {
      details: { user },
    });
  }
}

export type Authenticator = (client: {
  readonly username?: string;
  readonly password?: Uint8Array;
  readonly address: string;
}) => LocalIdentity | 'refused';

export function authenticator({ users, anonymous }: LocalAccess): Authenticator {
  const digests = new Map(Object.entries(users).map(([user, password]) => [user, digestOf(Buffer.from(password))]));
  return ({ username, password, address }) => {
    if (username !== undefined) {
      // The digest of nothing stands in for an unknown user, so that both take the same time.
      const known = digests.get(username);
      const isSame = timingSafeEqual(digestOf(password ?? Buffer.alloc(0)), known ?? nothing);
      return isSame && known !== undefined ? { user: username } : 'refused';
    }
    return isWelcome(anonymous, address) ? { user: undefined } : 'refused';
  };
}

function isWelcome(anonymous: LocalAccess['anonymous'], address: string): boolean {
  switch (anonymous) {
    case 'nobody':
      return false;
    case 'loopback':
      return isThisMachine(address);
    case 'lan':
      return isPrivate(address);
    case 'certified':
      return true;
  }
}

const nothing = digestOf(Buffer.alloc(0));

function digestOf(secret: Uint8Array): Buffer {
  return createHash('sha256').update(secret).digest();
}

const thisMachine = new BlockList();
thisMachine.addSubnet('127.0.0.0', 8, 'ipv4');
thisMachine.addAddress('::1', 'ipv6');

/** Loopback, RFC 1918, link-local, unique local. */
const privateNetworks = new BlockList();
for (const [network, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
] as const) {
  privateNetworks.addSubnet(network, bits, 'ipv4');
}
privateNetworks.addAddress('::1', 'ipv6');
privateNetworks.addSubnet('fe80::', 10, 'ipv6');
privateNetworks.addSubnet('fc00::', 7, 'ipv6');

function isThisMachine(address: string): boolean {
  return isIn(thisMachine, address);
}

function isPrivate(address: string): boolean {
  return isIn(privateNetworks, address);
}

function isIn(networks: BlockList, address: string): boolean {
  const [plain = ''] = address.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  if (mapped !== undefined) return networks.check(mapped, 'ipv4');
  return plain !== '' && networks.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
}
