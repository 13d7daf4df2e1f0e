/**
 * An MQTT 3.1.1 broker: aedes behind the frame gate. The only file that imports aedes.
 *
 * Guarantees those of broker-port.ts: an ack leaves only after the consumer's `done`, in order of arrival per connection; one
 * QoS 2 message reaches the consumer once, however often it is redelivered, on this connection or on the next of
 * its persistent session. Nothing in here survives the process; a client whose publish was not acked sends it again.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes, type Client } from 'aedes';
import { FoglineError, invariant, messageOf } from '../errors.ts';
import { topicMatches } from '../topic-filter.ts';
import { BrokerCounts } from './broker-counts.ts';
import type { Broker, BrokerClient, BrokerOptions } from './broker-port.ts';
import { ConnectPace } from './connect-pace.ts';
import { FastLane } from './fast-lane.ts';
import type { PendingBudget } from './frame-gate.ts';
import { type CloseReason, GateStream } from './gate-stream.ts';
import { type Connection, type HookPacket, PublishIntake, PublishRefused, principalOf } from './publish-intake.ts';
import { Sessions } from './sessions.ts';

/** Not in its types. */
type AedesInternals = Aedes & { unregisterClient(client: Client): void };

/** Handshakes that begin in one turn of the event loop. */
const connectsPerTurnMax = 32;
/** Of CONNACK. */
const returnCodes = { identifierRejected: 2, serverUnavailable: 3, notAuthorized: 5 } as const;

/** @throws FoglineError address_in_use, or unavailable when the address cannot be listened on for another reason. */
export async function openBroker<Identity>(options: BrokerOptions<Identity>): Promise<Broker> {
  const broker = new AedesBroker(options);
  await broker.open();
  return broker;
}

class AedesBroker<Identity> implements Broker {
  readonly #options: BrokerOptions<Identity>;
  readonly #counts: BrokerCounts;
  readonly #budget: PendingBudget;
  readonly #pace = new ConnectPace(connectsPerTurnMax);
  readonly #sessions: Sessions;
  readonly #intake: PublishIntake<Identity>;
  readonly #lane: FastLane<Identity> | undefined;
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<Connection<Identity>>();
  readonly #byStream = new WeakMap<object, Connection<Identity>>();
  #nextConnection = 1;
  #isClosing = false;

  constructor(options: BrokerOptions<Identity>) {
    this.#options = options;
    const { limits } = options;
    this.#budget = { bytesMax: limits.pendingBytesTotalMax, bytes: 0, waiting: new Set() };
    this.#counts = new BrokerCounts(options.log);
    this.#intake = new PublishIntake(options, this.#counts);
    this.#sessions = new Sessions(limits, (reason) => this.#counts.add(reason));
    const { mayPublish, lane } = options;
    this.#lane =
      lane === undefined
        ? undefined
        : new FastLane<Identity>({ taker: lane, mayPublish, isHeard: (topic) => this.isHeard(topic) });
    this.#aedes = this.#createAedes();
    this.#server = this.#createServer();
  }

  #createAedes(): Aedes {
    const { limits } = this.#options;
    const aedes = new Aedes({
      // A bounded queue per message bus would stall or overflow; the gate's budget is the bound.
      concurrency: 0,
      drainTimeout: limits.drainTimeoutMs,
      maxInflightInbound: 0,
      persistence: this.#sessions,
      preConnect: (client, packet, callback) => {
        const connection = this.#connectionOf(client);
        connection.isWithoutId = packet.clientId === '';
        connection.clientId = packet.clientId;
        callback(null, true);
      },
      authenticate: (client, username, password, callback) => {
        const returnCode = this.#authenticate(client, username, password);
        if (returnCode === undefined) callback(null, true);
        else callback(Object.assign(new Error(), { returnCode }), null);
      },
      authorizePublish: (client, packet, callback) => {
        const session = client === null ? undefined : this.#sessions.of(client);
        if (client === null || session === undefined || this.#isClosing) callback(new PublishRefused());
        else this.#intake.receive(this.#connectionOf(client), session, packet, callback);
      },
      authorizeSubscribe: (client, subscription, callback) => {
        callback(null, this.#maySubscribe(client, subscription.topic) ? subscription : null);
      },
      published: (packet, client, callback) => {
        if (client !== null) this.#settle(client, packet);
        callback(null);
      },
    });
    aedes.on('client', (client) => {
      // It vanished while its CONNECT was on the way; aedes would keep it for ever, because its close came first.
      if (this.#connectionOf(client).stream.destroyed) (aedes as AedesInternals).unregisterClient(client);
    });
    aedes.on('clientReady', (client) => this.#ready(client));
    aedes.on('subscribe', (subscriptions, client) => {
      const connection = this.#connectionOf(client);
      const filters = subscriptions.filter(({ qos }) => qos <= 2).map(({ topic }) => topic);
      if (filters.length > 0) this.#options.onSubscribed?.(this.#describe(connection), filters);
    });
    aedes.on('unsubscribe', (filters, client) => {
      const session = this.#sessions.of(client);
      for (const filter of filters) session?.granted.delete(filter);
      this.#lane?.subscriptionsChanged();
    });
    (aedes as NodeJS.EventEmitter).on('error', (error: unknown) => {
      this.#counts.add('broker_error');
      this.#options.log.error({ error: messageOf(error) }, 'the MQTT broker reports an error');
    });
    return aedes;
  }

  #createServer(): Server {
    const { limits, tls } = this.#options;
    const server =
      tls === undefined
        ? createServer((socket) => this.#accept(socket))
        : createTlsServer(
            {
              key: tls.key,
              cert: tls.cert,
              minVersion: 'TLSv1.2',
              handshakeTimeout: limits.connectTimeoutMs,
              ...(tls.ca === undefined ? {} : { ca: tls.ca, requestCert: true, rejectUnauthorized: true }),
            },
            (socket) => this.#accept(socket),
          );
    server.maxConnections = limits.connectionsMax;
    server.on('drop', () => this.#counts.add('connections_max'));
    server.on('tlsClientError', (_error: Error, socket: Socket) => {
      this.#counts.add('tls_handshake_failed');
      socket.destroy();
    });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => socket.destroy());
    });
    return server;
  }

  async open(): Promise<void> {
    const { host, port } = this.#options;
    await this.#aedes.listen();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => {
        const isTaken = cause.code === 'EADDRINUSE';
        this.#aedes.close();
        const message = isTaken
          ? `MQTT port ${port} on ${host} is taken by another process`
          : `cannot listen for MQTT on ${host}:${port}: ${messageOf(cause)}`;
        reject(
          new FoglineError(isTaken ? 'address_in_use' : 'unavailable', message, { cause, details: { host, port } }),
        );
      });
      this.#server.listen(port, host, resolve);
    });
    this.#server.removeAllListeners('error');
    this.#server.on('error', (error) => {
      this.#counts.add('accept_failed');
      this.#options.log.error({ error: messageOf(error) }, 'the MQTT listener reports an error');
    });
  }

  get port(): number {
    return this.#listening().port;
  }

  get address(): string {
    return this.#listening().address;
  }

  publish(topic: string, payload: Uint8Array | string, { qos, retain }: { qos: 0 | 1 | 2; retain: boolean }): void {
    const bytes =
      typeof payload === 'string'
        ? Buffer.from(payload)
        : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    this.#aedes.publish({ cmd: 'publish', topic, payload: bytes, qos, retain, dup: false }, (error) => {
      if (error !== undefined && error !== null) this.#counts.add('own_publish_failed');
    });
  }

  isHeard(topic: string): boolean {
    if (this.#sessions.isAwaited(topic)) return true;
    for (const { session, stream } of this.#connections) {
      if (session === undefined || stream.destroyed) continue;
      for (const filter of session.granted) if (topicMatches(filter, topic)) return true;
    }
    return false;
  }

  disconnect(clientId: string): void {
    for (const connection of this.#connections) {
      if (connection.clientId === clientId) connection.stream.destroy();
    }
  }

  connectionCount(): number {
    return this.#connections.size;
  }

  counters(): Readonly<Record<string, number>> {
    const taken = this.#lane?.taken ?? 0;
    return { ...this.#counts.toObject(), ...(taken === 0 ? {} : { fast_lane: taken }) };
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const isClosed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    await new Promise<void>((resolve) => {
      this.#aedes.close(() => resolve());
    });
    for (const connection of this.#connections) connection.stream.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await isClosed;
  }

  #listening(): AddressInfo {
    const address = this.#server.address();
    invariant(address !== null && typeof address === 'object', 'the broker is not listening');
    return address;
  }

  #accept(socket: Socket): void {
    // The listener counts sockets; a connection may outlive its socket while what it published is held.
    if (this.#connections.size >= this.#options.limits.connectionsMax) {
      this.#counts.add('connections_max');
      socket.destroy();
      return;
    }
    const address = socket.remoteAddress ?? '';
    const stream: GateStream = new GateStream({
      socket,
      limits: this.#options.limits,
      budget: this.#budget,
      pace: this.#pace,
      clock: this.#options.clock,
      attach: () => {
        this.#aedes.handle(stream);
      },
      paused: (by) => this.#counts.add(by === 'rate' ? 'paused_by_rate' : 'paused_by_pending_bytes'),
      closed: (reason, error) => this.#closed(connection, reason, error),
    });
    const connection: Connection<Identity> = {
      id: this.#nextConnection++,
      stream,
      address,
      clientId: '',
      principal: undefined,
      session: undefined,
      isReady: false,
      isWithoutId: false,
    };
    this.#byStream.set(stream, connection);
    this.#connections.add(connection);
  }

  /** Undefined when the client may connect, else the return code of its CONNACK. */
  #authenticate(client: Client, username: string | undefined, password: Buffer | undefined): number | undefined {
    const connection = this.#connectionOf(client);
    // It left while its CONNECT was on the way; a session begun now would have no end.
    if (connection.stream.destroyed) return returnCodes.notAuthorized;
    if (connection.isWithoutId && !client.clean) {
      this.#counts.add('client_id_missing');
      return returnCodes.identifierRejected;
    }
    const identity = this.#options.authenticate({
      clientId: connection.clientId,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      address: connection.address,
    });
    if (identity === 'unavailable') {
      this.#counts.add('unavailable');
      return returnCodes.serverUnavailable;
    }
    if (identity === 'refused') {
      this.#counts.add('auth_refused');
      this.#counts.logOnce('auth_refused', connection, 'an MQTT client was refused');
      return returnCodes.notAuthorized;
    }
    connection.principal = { identity };
    connection.clientId = client.id;
    connection.session = this.#sessions.begin(client, client.clean, username);
    if (connection.session.granted.size > 0) this.#lane?.subscriptionsChanged();
    return undefined;
  }

  #ready(client: Client): void {
    const connection = this.#connectionOf(client);
    if (connection.stream.destroyed) return;
    connection.isReady = true;
    this.#options.onConnect?.(this.#describe(connection));
    connection.stream.accept(this.#lane?.of(principalOf(connection).identity));
  }

  #closed(connection: Connection<Identity>, reason: CloseReason, error: Error | undefined): void {
    this.#connections.delete(connection);
    if (!this.#isClosing) this.#countClose(connection, reason, error);
    if (connection.session !== undefined) {
      this.#sessions.end(connection.session);
      if (connection.session.granted.size > 0) this.#lane?.subscriptionsChanged();
    }
    if (connection.isReady) this.#options.onDisconnect?.(this.#describe(connection));
  }

  #countClose(connection: Connection<Identity>, reason: CloseReason, error: Error | undefined): void {
    if (reason !== 'closed') {
      this.#counts.add(reason);
      this.#counts.logOnce(reason, connection, 'an MQTT connection was closed', error);
    } else if (error?.message === 'drain timeout') {
      this.#counts.add('slow_reader');
      this.#counts.logOnce('slow_reader', connection, 'an MQTT client that does not read was disconnected');
    } else if (error !== undefined && !(error instanceof PublishRefused)) {
      this.#counts.add('protocol_error');
      this.#counts.logOnce('protocol_error', connection, 'an MQTT connection was closed', error);
    }
  }

  #maySubscribe(client: Client, filter: string): boolean {
    const connection = this.#connectionOf(client);
    const session = this.#sessions.of(client);
    if (session === undefined) return false;
    const isAllowed = !filter.startsWith('$') && this.#options.maySubscribe(principalOf(connection).identity, filter);
    const isRoom = session.granted.has(filter) || session.granted.size < this.#options.limits.subscriptionsPerClientMax;
    if (isAllowed && isRoom) {
      session.granted.add(filter);
      this.#lane?.subscriptionsChanged();
      return true;
    }
    this.#sessions.revoke(session, filter);
    const reason = isAllowed ? 'subscriptions_max' : 'forbidden_subscribe';
    this.#counts.add(reason);
    this.#counts.logOnce(reason, connection, `a subscription to ${filter} was refused`);
    return false;
  }

  #settle(client: Client, packet: HookPacket): void {
    if (packet.length !== undefined) this.#connectionOf(client).stream.settle(packet.length);
  }

  #connectionOf(client: Client): Connection<Identity> {
    const connection = this.#byStream.get(client.conn);
    invariant(connection !== undefined, 'a client of the broker came through no gate');
    return connection;
  }

  #describe(connection: Connection<Identity>): BrokerClient<Identity> {
    const { clientId, id } = connection;
    return { identity: principalOf(connection).identity, clientId, connection: id };
  }
}
