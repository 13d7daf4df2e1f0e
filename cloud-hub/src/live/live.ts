/** The room as the rest of the hub sees it. */
import type { Clock } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import { type FeedOptions, LiveFeed } from './feed.ts';
import { Sessions } from './sessions.ts';
import { WebSockets } from './web-socket.ts';

export interface Live {
  readonly feed: LiveFeed;
  readonly sessions: Sessions;
  readonly sockets: WebSockets;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'error'>;
  /** Tokens were revoked, or agents moved: whoever it concerns is sent away. */
  credentialsChanged(haveSitesChanged: boolean): void;
  close(): void;
}

export function openLive(options: FeedOptions): Live {
  const { clock, log } = options;
  const feed = new LiveFeed(options);
  const sessions = new Sessions();
  const sockets = new WebSockets(clock);
  return {
    feed,
    sessions,
    sockets,
    clock,
    log,
    credentialsChanged(haveSitesChanged) {
      if (haveSitesChanged) feed.sitesChanged();
      sessions.recheck(haveSitesChanged);
    },
    close() {
      sessions.closeAll('the hub is stopping');
      sockets.close();
    },
  };
}
