import { FoglineError, hasCode } from '@fogline/shared/errors';

/** The same, but when the address is taken the error says with which setting to choose another. */
export async function namingSetting<T>(setting: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (!hasCode(error, 'address_in_use')) throw error;
    const message = `${error.message}; stop that, or choose another with ${setting}`;
    throw new FoglineError('address_in_use', message, { cause: error });
  }
}
