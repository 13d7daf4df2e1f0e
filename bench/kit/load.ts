/** The load generators as processes of a benchmark. */
import type { PublishResult } from '../load/publisher-process.ts';
import { argumentsOf, Running } from './running.ts';

const scripts = {
  mqtt: new URL('../load/publisher.ts', import.meta.url),
  lines: new URL('../load/line-publisher.ts', import.meta.url),
};

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
  /** Values of three data sets instead of one. */
  readonly isThree?: boolean;
  /** So many readings are sent where nobody stores them. */
  readonly astray?: number;
}

export interface Publishing {
  /** Begins to send; resolves when everything is acked. */
  start(): Promise<PublishResult>;
}

/** Resolves when all connections are accepted. */
export async function connectLoad(port: number, { isCoalesced, isThree, ...load }: Load): Promise<Publishing> {
  const flags = [...(isCoalesced === true ? ['--coalesce'] : []), ...(isThree === true ? ['--three'] : [])];
  return await connect(scripts.mqtt, [...argumentsOf({ port, ...load }), ...flags]);
}

export interface LineLoad {
  readonly connections: number;
  /** Of each connection. */
  readonly devices: number;
  /** Lines a request. */
  readonly lines: number;
  readonly seconds: number;
  readonly rate?: number;
  readonly prefix?: string;
  readonly astray?: number;
}

/** Line protocol over HTTP. Resolves when all connections are open. */
export async function connectLines(port: number, load: LineLoad): Promise<Publishing> {
  return await connect(scripts.lines, argumentsOf({ port, ...load }));
}

async function connect(script: URL, args: readonly string[]): Promise<Publishing> {
  const process = new Running('the load', script, args);
  await process.line('ready');
  return {
    async start() {
      process.say('go');
      return await process.result<PublishResult>();
    },
  };
}
