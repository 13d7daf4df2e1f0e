/**
 * The MQTT door of the hub. A PUBACK leaves after `submit` called `done`, which the hub does after its commit (P1), in the order
 * in which an agent published. Two epochs of one agent may be connected at once: after a half-open link the old connection
 * lingers while the new process already speaks, and both are the same agent.
 */
import { openBroker } from '@fogline/shared/broker/broker';
import type { Broker, BrokerClient, BrokerLog, BrokerTls } from '@fogline/shared/broker/broker-port';
import { defaultGateLimits, type GateLimits } from '@fogline/shared/broker/gate-limits';
import type { Clock } from '@fogline/shared/clock';
import { envelopeBytesMax } from '@fogline/shared/protocol/envelope';
import { answerKind, type DownKind, topicOf, type UpKind } from '@fogline/shared/protocol/topics';
import { type AgentIdentity, maySubscribe, parseClientId, upKindOf } from './access.ts';

/** An envelope, its topic and the MQTT header. */
const frameBytesMax = envelopeBytesMax + 1_024;

const agentGateLimits: GateLimits = {
  ...defaultGateLimits,
  connectionsMax: 20_000,
  frameBytesMax,
  // A whole in-flight window of large batches of one agent, and what all agents together may keep waiting for one commit.
  pendingBytesMax: 8 * 1_024 * 1_024,
  pendingBytesTotalMax: 128 * 1_024 * 1_024,
  subscriptionsPerClientMax: 8,
};

export interface AgentBrokerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly tls?: BrokerTls;
  readonly clock: Clock;
  readonly log: BrokerLog;
  /** False: agents are asked to come again later; who is connected stays. */
  isAvailable(): boolean;
  /** True when this token is the agent's and is not revoked. */
  isAgentToken(agent: string, token: string): boolean;
  /** `payload` is valid until this returns. `done` acks. */
  submit(agent: string, kind: UpKind, payload: Uint8Array, done: () => void): void;
  /** Nothing of it is kept, so its ack says only that it came. `payload` is valid until this returns. */
  onAnswer(agent: string, payload: Uint8Array): void;
}

export interface AgentBroker {
  readonly port: number;
  /** QoS 1 to whatever connections this agent has. */
  send(agent: string, kind: DownKind, payload: Uint8Array): void;
  /** The agent listens to messages of this kind. */
  isHeard(agent: string, kind: DownKind): boolean;
  /** Agents with at least one connection. */
  connectedAgents(): string[];
  /** Closes connections whose token is no longer the agent's: it was revoked, or exchanged. */
  dropRevoked(): void;
  connectionCount(): number;
  counters(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

interface Connected extends AgentIdentity {
  readonly token: string;
}

export async function openAgentBroker(options: AgentBrokerOptions): Promise<AgentBroker> {
  const connections = new Map<number, BrokerClient<Connected>>();
  const listeners = new Listeners();
  const broker: Broker = await openBroker<Connected>({
    host: options.host,
    port: options.port,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    limits: agentGateLimits,
    clock: options.clock,
    log: options.log,
    // An agent must learn that its data was not taken, and keep it.
    onForbiddenPublish: 'disconnect',
    authenticate({ clientId, username, password }) {
      const identity = parseClientId(clientId);
      if (identity === undefined || identity.agent !== username || password === undefined) return 'refused';
      if (!options.isAvailable()) return 'unavailable';
      const token = new TextDecoder().decode(password);
      return options.isAgentToken(identity.agent, token) ? { ...identity, token } : 'refused';
    },
    mayPublish: (identity, topic) => upKindOf(identity, topic) !== undefined,
    maySubscribe,
    onPublish(message, done) {
      const kind = upKindOf(message.identity, message.topic);
      // Not reached while mayPublish holds; an unknown kind is acked, because a poison message must not block a queue.
      if (kind === undefined) return done('ok');
      if (kind === answerKind) {
        options.onAnswer(message.identity.agent, message.payload);
        return done('ok');
      }
      options.submit(message.identity.agent, kind, message.payload, () => done('ok'));
    },
    onConnect: (client) => void connections.set(client.connection, client),
    onSubscribed({ connection }, topics) {
      if (connections.has(connection)) listeners.add(connection, topics);
    },
    onDisconnect({ connection }) {
      connections.delete(connection);
      listeners.delete(connection);
    },
  });
  return {
    port: broker.port,
    send: (agent, kind, payload) => broker.publish(topicOf(agent, kind), payload, { qos: 1, retain: false }),
    isHeard: (agent, kind) => listeners.have(topicOf(agent, kind)),
    connectedAgents: () => [...new Set([...connections.values()].map(({ identity }) => identity.agent))],
    dropRevoked() {
      for (const { identity, clientId } of connections.values()) {
        if (!options.isAgentToken(identity.agent, identity.token)) broker.disconnect(clientId);
      }
    },
    connectionCount: () => broker.connectionCount(),
    counters: () => broker.counters(),
    close: () => broker.close(),
  };
}

/** Who has subscribed to which topic: asked for often, and there may be many agents. */
class Listeners {
  readonly #topics = new Map<number, Set<string>>();
  readonly #connections = new Map<string, Set<number>>();

  have(topic: string): boolean {
    return this.#connections.has(topic);
  }

  /** Agents subscribe to whole topics only. */
  add(connection: number, topics: readonly string[]): void {
    const own = this.#topics.get(connection) ?? new Set();
    this.#topics.set(connection, own);
    for (const topic of topics) {
      own.add(topic);
      const connections = this.#connections.get(topic) ?? new Set();
      this.#connections.set(topic, connections.add(connection));
    }
  }

  delete(connection: number): void {
    for (const topic of this.#topics.get(connection) ?? []) {
      const connections = this.#connections.get(topic);
      connections?.delete(connection);
      if (connections?.size === 0) this.#connections.delete(topic);
    }
    this.#topics.delete(connection);
  }
}
