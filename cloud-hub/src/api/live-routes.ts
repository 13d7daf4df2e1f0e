/** `/api/v1/stream` and `/api/v1/ws`: what was just committed. */
import { hasCode } from '@fogline/shared/errors';
import { z } from 'zod';
import { serveEvents } from '../live/events.ts';
import { serveSocket } from '../live/socket-session.ts';
import { subprotocol } from '../live/web-socket.ts';
import { matchParam } from './params.ts';
import { HttpError } from './problems.ts';
import { defineStream } from './route.ts';

const eventStream = defineStream({
  url: '/api/v1/stream',
  scope: 'read',
  summary:
    'Server-sent events: the current values, then what is committed. Goes on after Last-Event-ID where it can, and says `reset` where it cannot.',
  answers: { contentType: 'text/event-stream' },
  query: z.object({ match: matchParam }),
  async open({ caller, services: { live } }, { match = [] }, exchange) {
    const { lastEventId: lastId } = exchange;
    const request = { match, sites: caller.sites, lastId, mayStay: () => exchange.mayStay() };
    await withinRoom(() => serveEvents(live, request, exchange.events()));
  },
});

const webSocket = defineStream({
  url: '/api/v1/ws',
  scope: 'read',
  summary:
    'A WebSocket: send {"subscribe": "NAME", "match": "…"}; answers as the stream does, but what a slow client missed is told as current values with a count.',
  answers: { contentType: 'websocket' },
  query: z.object({}),
  async open({ caller, services: { live } }, _query, exchange) {
    const { upgrade } = exchange;
    if (upgrade === undefined) {
      throw new HttpError('upgrade_required', 'this address speaks WebSocket; for HTTP there is /api/v1/stream', {
        upgrade: 'websocket',
      });
    }
    await withinRoom(() => live.sessions.checkRoom());
    exchange.take();
    const { request, socket: connection, head } = upgrade;
    live.sockets.accept(request, connection, head, (port) =>
      serveSocket(live, { sites: caller.sites, mayStay: () => exchange.mayStay() }, port),
    );
  },
});

export const liveRoutes = [eventStream, webSocket];

async function withinRoom(work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (hasCode(error, 'limit_exceeded')) throw new HttpError('unavailable', error.message, { 'retry-after': '5' });
    throw error;
  }
}

/** Browsers cannot send the Authorization header with a WebSocket, so the token may come as a second subprotocol. */
export function authorizationOf(authorization: string | undefined, protocols: string | undefined): string | undefined {
  if (authorization !== undefined || protocols === undefined) return authorization;
  const offered = protocols.split(',').map((name) => name.trim());
  const token = offered.find((name) => name.startsWith('fogline.bearer.'))?.slice('fogline.bearer.'.length);
  return token === undefined || !offered.includes(subprotocol) ? undefined : `Bearer ${token}`;
}
