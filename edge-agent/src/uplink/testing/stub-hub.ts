/** The other end of the wire, for tests: a connection that a test opens, feeds, acks and cuts as it likes. */
import {
  decodeHello,
  type EpochAnswer,
  encodeWelcome,
  type Hello,
  type Welcome,
} from '@fogline/shared/protocol/messages';
import { type DownKind, parseTopic, topicOf } from '@fogline/shared/protocol/topics';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import type { Wire, WireEvents, WireOptions } from '../wire.ts';

export interface Published {
  readonly kind: string;
  readonly payload: Uint8Array;
  readonly reference: number;
}

export class StubHub implements Wire {
  /** Of the connection that was opened last; undefined when it was closed. */
  events: WireEvents | undefined;
  opened = 0;
  /** Since the last connection was opened. */
  published: Published[] = [];
  /** On this connection. */
  pings = 0;
  isSilent = false;

  open(_options: WireOptions, events: WireEvents): void {
    this.opened++;
    this.events = events;
    this.published = [];
    this.pings = 0;
  }

  ping(): void {
    this.pings++;
    if (!this.isSilent) this.events?.onHeard();
  }

  publish(topic: string, payload: Uint8Array, _isRetained: boolean, reference: number): void {
    this.published.push({ kind: parseTopic(topic)?.kind ?? '', payload: payload.slice(), reference });
  }

  close(): void {
    this.events = undefined;
  }

  /** The connection breaks, and the agent hears of it. */
  cut(): void {
    const { events } = this;
    this.events = undefined;
    events?.onClose('cut');
  }

  /** The last hello of this connection. */
  hello(): Hello | undefined {
    const last = this.published.findLast(({ kind }) => kind === 'hello');
    return last === undefined ? undefined : decodeHello(last.payload);
  }

  /** Sends what the agent is to take for a message of the hub. */
  say(agent: string, kind: DownKind, payload: Uint8Array): void {
    this.events?.onMessage(topicOf(agent, kind), payload);
  }

  ackAll(): void {
    for (const { reference } of this.published.splice(0)) this.events?.onAck(reference);
  }
}

/** The answer of a hub that holds nothing. */
export function welcomeTo(hello: Hello, more: Partial<Welcome> = {}): Uint8Array {
  const { agent, session, page, pages, current: to } = hello;
  const empty = (): SeqRanges[] => hello.queued.map(() => SeqRanges.empty());
  const epochs = hello.epochs.map(({ epoch }): EpochAnswer => ({ epoch, seriesKnown: 0, held: empty() }));
  return encodeWelcome({
    agent,
    session,
    page,
    pages,
    to,
    serverTimeMs: 0,
    window: 32,
    refused: undefined,
    epochs,
    ...more,
  });
}
