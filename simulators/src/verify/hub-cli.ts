/** Where the hub is, and with which token: for every command that asks it. */
import { readFileSync } from 'node:fs';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import type { HubAddress } from '@fogline/shared/hub-client';

export const hubOptions = {
  hub: { type: 'text', placeholder: 'URL', default: 'http://127.0.0.1:8080', help: "the hub's API" },
  'token-file': {
    type: 'text',
    placeholder: 'FILE',
    help: 'file with a token for the API; beyond loopback the hub asks for one',
  },
} as const;

/** Throws `usage`. */
export function hubOf(options: { readonly hub: string; readonly 'token-file': string | undefined }): HubAddress {
  const { hub, 'token-file': file } = options;
  if (!/^https?:\/\//.test(hub) || !URL.canParse(hub)) {
    throw new FoglineError('usage', `--hub: "${hub}" is not a URL such as http://127.0.0.1:8080`);
  }
  if (file === undefined) return { url: hub };
  try {
    return { url: hub, token: readFileSync(file, 'utf8').trim() };
  } catch (error) {
    throw new FoglineError('usage', `--token-file: cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
}
