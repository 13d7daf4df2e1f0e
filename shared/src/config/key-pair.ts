/** Certificates and private keys in configurations: read, and known to belong together before anything listens. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { ConfigContext } from '../config.ts';
import { messageOf } from '../errors.ts';
import type { FileReference, Secret } from './fields.ts';
import type { ConfigPath } from './places.ts';

export interface KeyPair {
  /** PEM texts. */
  readonly key: string;
  readonly cert: string;
}

/** Reads `tls: { key, cert }` at `path`; reports what cannot be read, is no PEM, or does not belong together. */
export function readKeyPair(
  { key: keyWritten, cert: certWritten }: { readonly key: Secret; readonly cert: FileReference },
  path: ConfigPath,
  context: ConfigContext,
): KeyPair {
  const key = context.secret([...path, 'key'], keyWritten);
  const cert = context.text([...path, 'cert'], certWritten);
  const privateKey = key === '' ? undefined : keyOf(key, [...path, 'key'], context);
  const certificate = cert === '' ? undefined : certificateOf(cert, [...path, 'cert'], context);
  if (privateKey !== undefined && certificate?.checkPrivateKey(privateKey) === false) {
    const why = `does not belong to the certificate of ${nameOf(certificate)}: the first in "cert" must be its own`;
    context.error([...path, 'key'], why);
  }
  return { key, cert };
}

/** Reads certificates to trust. */
export function readAuthority(reference: FileReference, path: ConfigPath, context: ConfigContext): string {
  const text = context.text(path, reference);
  if (text !== '') certificateOf(text, path, context);
  return text;
}

function keyOf(text: string, path: ConfigPath, context: ConfigContext): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch (error) {
    const isEncrypted = /ENCRYPTED/.test(text);
    const why = isEncrypted ? 'is encrypted: store it without a passphrase' : `is no private key: ${messageOf(error)}`;
    context.error(path, why);
    return undefined;
  }
}

function certificateOf(text: string, path: ConfigPath, context: ConfigContext): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch (error) {
    context.error(path, `is no certificate: ${messageOf(error)}`);
    return undefined;
  }
}

function nameOf({ subject }: X509Certificate): string {
  return JSON.stringify(/^CN=(.*)$/m.exec(subject)?.[1] ?? subject);
}
