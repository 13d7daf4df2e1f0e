/** Bearer secrets: 256 random bits as base64url. Their entropy is why a plain SHA-256 is enough to store. */
import { createHash } from 'node:crypto';
import type { Random } from '@fogline/shared/random';

export function newSecret(random: Random): string {
  return Buffer.from(random.bytes(32)).toString('base64url');
}

export function hashSecret(secret: string): Uint8Array {
  return createHash('sha256').update(secret, 'utf8').digest();
}
