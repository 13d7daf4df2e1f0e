/** The publisher as a process of a benchmark. */
import type { PublishResult } from '../load/publisher.ts';
import { Running } from './running.ts';

const script = new URL('../load/publisher.ts', import.meta.url);

export interface Load {
  readonly connections: number;
  /** Unacked messages a connection. */
  readonly window: number;
  /** Devices that share a connection; default 1. */
  readonly devices?: number;
  readonly seconds?: number;
  /** Instead of `seconds`. */
  readonly readings?: number;
  /** Readings a second; without it as fast as acks allow. */
  readonly rate?: number;
  readonly prefix?: string;
  /** One write for all that the window has room for, instead of one a message. */
  readonly isCoalesced?: boolean;
}

export interface Publishing {
  /** Begins to send; resolves when everything is acked. */
  start(): Promise<PublishResult>;
}

/** Resolves when all connections are accepted. */
export async function connectLoad(port: number, { isCoalesced, ...load }: Load): Promise<Publishing> {
  const args = Object.entries({ port, ...load }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const process = new Running('the publisher', script, isCoalesced === true ? [...args, '--coalesce'] : args);
  await process.line('ready');
  return {
    async start() {
      process.say('go');
      const line = await process.line('result ');
      return JSON.parse(line.slice('result '.length)) as PublishResult;
    },
  };
}
