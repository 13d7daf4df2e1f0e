/**
 * The HTTP door of the agent: InfluxDB writes (`/write`, `/api/v2/write`) and payloads of any other format posted to the paths of their
 * sources. 204 leaves when the readings are durable (P1). What could not be taken is told by 400, after the commit of what was; what
 * may still be taken later, by 503 with Retry-After. A crash loses what was not answered; its senders send it again.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type HttpTls, openHttpServer } from '@fogline/shared/http-server';
import type { Logger } from '@fogline/shared/log';
import { hasLines } from '../decoders/create-decoder.ts';
import type { Precision } from '../decoders/decoder.ts';
import { Door, type DoorPorts, type OpenDoor } from './door.ts';
import { HttpAccess } from './http-access.ts';
import { Answers, type Asked, type Refusal } from './http-answer.ts';
import { type BodyProblem, BodyReader, passBy } from './http-body.ts';
import { type ApiVersion, precisionOf, Refusals, writeTopic } from './influx-api.ts';
import { checkAccess, type LocalAccess } from './local-access.ts';
import { messageOf, type SourceBatcher, type SourceOptions } from './source-batcher.ts';

export interface HttpDoorLimits {
  readonly connectionsMax: number;
  /** Requests whose body is being received or whose readings wait for their commit; beyond it 503. */
  readonly requestsMax: number;
  /** Bodies that are being received or decoded, together; beyond it 503. */
  readonly bodiesBytesMax: number;
  /** JSON and plain values, which are decoded at once: of one body. Lines and rows have that of the configuration. */
  readonly payloadBytesMax: number;
  readonly headersMs: number;
  /** For a whole request to arrive; beyond it the connection is closed. */
  readonly requestMs: number;
  readonly idleMs: number;
  /** Who waits longer for a commit gets 503; it is below the 5 s after which Telegraf gives up. */
  readonly answerMs: number;
}

const defaultHttpLimits: HttpDoorLimits = {
  connectionsMax: 256,
  requestsMax: 256,
  bodiesBytesMax: 64 * 1024 * 1024,
  payloadBytesMax: 1024 * 1024,
  headersMs: 5_000,
  requestMs: 30_000,
  idleMs: 60_000,
  answerMs: 4_000,
};

/** What Retry-After says: while the buffer is full, and while many come at once. */
const retryAfterS = { overloaded: 5, busy: 1 } as const;

export interface HttpListenOptions extends DoorPorts {
  readonly listener: LocalAccess & {
    readonly port: number;
    readonly tokens: readonly string[];
    readonly bodyBytesMax: number;
    readonly tls?: HttpTls;
  };
  readonly sources: readonly SourceOptions[];
  readonly log: Logger;
  readonly limits?: Partial<HttpDoorLimits>;
}

export interface HttpListener extends OpenDoor {
  readonly port: number;
  readonly url: string;
}

/** @throws FoglineError config_invalid, address_in_use, unavailable. */
export async function openHttpListener(options: HttpListenOptions): Promise<HttpListener> {
  const { listener } = options;
  checkAccess('HTTP', listener, listener.tokens);
  const limits = { ...defaultHttpLimits, ...options.limits };
  const door = new HttpDoor(options, limits);
  const server = await openHttpServer(listener, limits, (request, response) => {
    door.handle(request, response).catch((error: unknown) => {
      options.log.error({ error, url: request.url }, 'a request failed');
      response.destroy();
    });
  });
  return {
    port: server.port,
    url: server.url,
    sources: door.names,
    release: (source, tokens) => door.release(source, tokens),
    pause: () => door.pause(),
    resume: () => door.resume(),
    counters: () => door.counters(),
    sourceCounters: (source) => door.sourceCounters(source),
    async close() {
      door.close();
      await server.close();
    },
  };
}

/** A request on its way: what it wants. */
interface Call extends Asked {
  readonly request: IncomingMessage;
  readonly topic: string;
  readonly query: URLSearchParams;
}

const overloaded: Refusal = {
  status: 503,
  message: 'the buffer is full of what must be kept',
  retryAfterS: retryAfterS.overloaded,
};

class HttpDoor {
  readonly #door: Door;
  readonly #access: HttpAccess;
  readonly #bodies: BodyReader;
  readonly #limits: HttpDoorLimits;
  readonly #ports: DoorPorts;
  readonly #answers = new Answers();
  /** By source. */
  readonly #payloadBytesMax: ReadonlyMap<string, number>;
  /** Connections that have asked for something. */
  readonly #connected = new Set<Socket>();
  #requests = 0;
  /** Requests whose readings wait for their commit. */
  #waiting = 0;
  #isPaused = false;

  constructor(options: HttpListenOptions, limits: HttpDoorLimits) {
    const { bodyBytesMax, tokens } = options.listener;
    this.#limits = limits;
    this.#ports = options;
    this.#access = new HttpAccess(options.listener, tokens);
    this.#bodies = new BodyReader({ bodyBytesMax, bodiesBytesMax: Math.max(limits.bodiesBytesMax, 2 * bodyBytesMax) });
    const bounded = options.sources.map((source) => {
      const wholeBytesMax = Math.min(bodyBytesMax, limits.payloadBytesMax);
      return { ...source, payloadBytesMax: hasLines(source.parse) ? bodyBytesMax : wholeBytesMax };
    });
    this.#payloadBytesMax = new Map(bounded.map(({ name, payloadBytesMax }) => [name, payloadBytesMax]));
    this.#door = new Door(bounded, options);
  }

  get names(): readonly string[] {
    return this.#door.names;
  }

  release(source: string, tokens: readonly number[]): void {
    this.#door.release(source, tokens);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  sourceCounters(name: string): ReturnType<SourceBatcher['counters']> {
    return this.#door.source(name).counters();
  }

  counters(): Readonly<Record<string, number>> {
    return this.#answers.counts();
  }

  close(): void {
    this.#door.close();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Somebody who leaves is no error of ours.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    this.#greet(request.socket);
    const call = callOf(request, response);
    if (this.#handleService(call)) return;
    const found = this.#barred(call) ?? this.#lead(call);
    if (found === 'query' || 'status' in found) {
      passBy(request);
      if (found !== 'query') return this.#answers.refuse(call, found);
      // Telegraf makes its database before it writes.
      return this.#answers.json(response, 200, { results: [{ statement_id: 0 }] });
    }
    this.#requests++;
    response.on('close', () => this.#requests--);
    await this.#take(call, found.source, found.precision);
  }

  #greet(socket: Socket): void {
    if (this.#connected.has(socket)) return;
    this.#connected.add(socket);
    socket.once('close', () => this.#connected.delete(socket));
  }

  /** What is asked without a credential; true when it was answered. */
  #handleService({ request, response, topic }: Call): boolean {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    if (topic === 'ping') this.#answers.taken(response);
    else if (topic === 'health') {
      const message = this.#isPaused ? overloaded.message : 'ready for writes';
      const health = { name: 'fogline', status: this.#isPaused ? 'fail' : 'pass', message, checks: [] };
      this.#answers.json(response, this.#isPaused ? 503 : 200, health);
    } else return false;
    return true;
  }

  /** Why a client may not ask for anything. */
  #barred({ request, query }: Call): Refusal | undefined {
    switch (this.#access.admit(request, query)) {
      case 'welcome':
        return undefined;
      case 'unauthorized':
        return { status: 401, message: 'send the token, or user and password, of this listener' };
      case 'forbidden':
        return { status: 403, message: 'without a credential, local programs may write, and no web page' };
    }
  }

  /** Where a request leads, or why it is not even read. */
  #lead(call: Call): { source: SourceBatcher; precision: Precision | 'as configured' } | Refusal | 'query' {
    const { request, topic, query, version } = call;
    if (topic === 'query') return 'query';
    const source = this.#door.route(topic);
    if (source === undefined) {
      // 4xx would make Telegraf drop what it has before somebody sees that a parser is missing here.
      return version === undefined
        ? { status: 404, message: `no source has this path; here are ${this.#door.names.join(', ')}` }
        : { status: 501, message: 'no source on this listener reads line protocol' };
    }
    if (request.method !== 'POST') return { status: 405, message: 'this path takes POST' };
    const precision = precisionOf(version === undefined ? null : query.get('precision'));
    if (precision === undefined) return { status: 400, message: 'precision is ns, us, ms, s, m or h' };
    if (this.#isPaused) return overloaded;
    if (this.#requests >= this.#limits.requestsMax) {
      return { status: 503, message: 'too many requests at once', retryAfterS: retryAfterS.busy };
    }
    return { source, precision };
  }

  async #take(call: Call, source: SourceBatcher, precision: Precision | 'as configured'): Promise<void> {
    const body = await this.#bodies.read(call.request);
    if ('problem' in body) return this.#refuseBody(call, source, body.problem);
    if (body.bytes.length > (this.#payloadBytesMax.get(source.name) ?? 0)) {
      this.#bodies.release(body.bytes);
      return this.#refuseBody(call, source, 'too_large');
    }
    const refusals = new Refusals();
    const readings = await this.#decode(source, call.topic, body.bytes, precision, refusals);
    this.#bodies.release(body.bytes);
    if (readings === undefined) return this.#answers.refuse(call, overloaded);
    this.#awaitCommit(call, source, () => {
      if (refusals.count === 0) this.#answers.taken(call.response);
      else this.#answers.refuse(call, { status: 400, message: refusals.message(readings) });
    });
  }

  #refuseBody(call: Call, source: SourceBatcher, problem: BodyProblem): void {
    if (problem === 'gone') return void call.response.destroy();
    const refusal = bodyRefusals[problem];
    if (problem === 'too_large') source.drop(call.topic, nothing, 'payload_too_large');
    if (problem === 'junk_gzip') source.drop(call.topic, nothing, 'junk_gzip');
    this.#answers.refuse(call, refusal);
  }

  /**
   * Decodes part by part, and lets others have their turn between them. Undefined when the agent became overloaded meanwhile: what
   * was taken by then is a repeat when it comes again.
   */
  async #decode(
    source: SourceBatcher,
    topic: string,
    bytes: Buffer,
    precision: Precision | 'as configured',
    refusals: Refusals,
  ): Promise<number | undefined> {
    const message = messageOf(bytes, this.#ports.clock.now(), precision === 'as configured' ? undefined : precision);
    let readings = 0;
    for (;;) {
      if (this.#isPaused || this.#door.isClosed) return undefined;
      const before = source.readings;
      source.rejections.watcher = (reason, line) => refusals.add(reason, line);
      const isDone = source.takePart(topic, message);
      source.rejections.watcher = undefined;
      readings += source.readings - before;
      if (isDone) return readings;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #awaitCommit(call: Call, source: SourceBatcher, answer: () => void): void {
    let isLate = false;
    const timer = this.#ports.clock.after('http answer', this.#limits.answerMs, () => {
      isLate = true;
      this.#answers.refuse(call, { ...overloaded, message: 'the commit takes long' });
    });
    this.#waiting++;
    const token = this.#door.await(source, () => {
      this.#waiting--;
      timer.cancel();
      if (!isLate) answer();
    });
    source.finish(token);
    // A connection sends its next request after the answer.
    if (this.#waiting >= this.#connected.size) this.#door.hurry();
    else this.#door.gather(source);
  }
}

const nothing = Buffer.alloc(0);

const bodyRefusals: Readonly<Record<Exclude<BodyProblem, 'gone'>, Refusal>> = {
  too_large: { status: 413, message: 'the body is larger than body_max of this source: send less at once' },
  junk_gzip: { status: 400, message: 'the body is no gzip' },
  unknown_encoding: { status: 415, message: 'the encodings are gzip and identity' },
  busy: { status: 503, message: 'too many bytes at once', retryAfterS: retryAfterS.busy },
};

const apiPaths: ReadonlyMap<string, readonly [topic: string, version: ApiVersion]> = new Map([
  ['write', [writeTopic, 1]],
  ['api/v2/write', [writeTopic, 2]],
  ['query', ['query', 1]],
]);

function callOf(request: IncomingMessage, response: ServerResponse): Call {
  const target = request.url ?? '/';
  const at = target.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : target.slice(at + 1));
  const path = (at < 0 ? target : target.slice(0, at)).replace(/^\/+|\/+$/g, '');
  const [topic, version] = apiPaths.get(path) ?? [topicOf(path), undefined];
  return { request, response, version, topic, query };
}

/** '' for a path that is no text, which belongs to nobody. */
function topicOf(path: string): string {
  try {
    const levels = path.split('/').map((level) => decodeURIComponent(level));
    return levels.some((level) => level.includes('/')) ? '' : levels.join('/');
  } catch (error) {
    if (error instanceof URIError) return '';
    throw error;
  }
}
