/** Everyone who watches, so that they can be counted, sent away when they may no longer stay, and told when the hub stops. */
import { FoglineError } from '@fogline/shared/errors';

/** Half of what the listener takes: questions must get through beside them. */
const sessionsMax = 500;

export interface Session {
  /** Asked again whenever credentials change. */
  mayStay(): boolean;
  /** It sees some sites only. */
  readonly isOfSites: boolean;
  close(reason: string): void;
}

export class Sessions {
  readonly #open = new Set<Session>();

  get count(): number {
    return this.#open.size;
  }

  /** Throws `limit_exceeded`. */
  checkRoom(): void {
    if (this.#open.size >= sessionsMax)
      throw new FoglineError('limit_exceeded', `sessionsMax: ${sessionsMax} streams are open already; close some`);
  }

  /** Returns how to leave. Throws as `checkRoom`. */
  join(session: Session): () => void {
    this.checkRoom();
    this.#open.add(session);
    return () => void this.#open.delete(session);
  }

  /** `haveSitesChanged`: what a caller of some sites may see is another now. */
  recheck(haveSitesChanged: boolean): void {
    for (const session of this.#open) {
      if (!session.mayStay()) session.close('the token was revoked');
      else if (haveSitesChanged && session.isOfSites) session.close('agents moved to other sites; come back');
    }
  }

  closeAll(reason: string): void {
    for (const session of this.#open) session.close(reason);
  }
}
