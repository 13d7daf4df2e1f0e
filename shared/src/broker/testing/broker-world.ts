/** A broker on a free loopback port whose consumer is the test: it sees every publish and answers when it wants. */
import type { Clock } from '../../clock.ts';
import { systemClock } from '../../clock.ts';
import { openBroker } from '../broker.ts';
import type { Broker, BrokerClient, BrokerOptions, InboundPublish, PublishVerdict } from '../broker-port.ts';
import type { LaneTaker } from '../fast-lane.ts';
import { defaultGateLimits, type GateLimits } from '../gate-limits.ts';

export interface Received extends Omit<InboundPublish<string>, 'payload'> {
  readonly payload: Buffer;
  readonly done: (verdict: PublishVerdict) => void;
}

export interface World {
  readonly broker: Broker;
  readonly received: Received[];
  readonly logged: { readonly details: object; readonly message: string }[];
  readonly connected: BrokerClient<string>[];
  readonly disconnected: BrokerClient<string>[];
  /** Whether publishes are answered at once; else the test answers. */
  isAutomatic: boolean;
  /** Resolves when so many publishes came since the start. */
  receivedAtLeast(count: number): Promise<void>;
  /** Resolves once the condition holds; it is asked again after everything that happens in the broker. */
  until(condition: () => boolean): Promise<void>;
}

export interface WorldOptions extends Partial<BrokerOptions<string>> {
  readonly gate?: Partial<GateLimits>;
  readonly manualClock?: Clock;
  /** Publishes that may pass the broker by do; the world sees them all the same. Default: unless `onPublish` is to see them. */
  readonly hasLane?: boolean;
}

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const { gate, manualClock, hasLane = options.onPublish === undefined, ...overrides } = options;
  const waiting: { condition: () => boolean; resolve: () => void }[] = [];
  const changed = (): void => {
    const met = waiting.filter(({ condition }) => condition());
    for (const entry of met) {
      waiting.splice(waiting.indexOf(entry), 1);
      entry.resolve();
    }
  };
  const world: Omit<World, 'broker'> & { isAutomatic: boolean } = {
    received: [],
    logged: [],
    connected: [],
    disconnected: [],
    isAutomatic: true,
    receivedAtLeast: (count) => world.until(() => world.received.length >= count),
    until: (condition) => {
      if (condition()) return Promise.resolve();
      return new Promise((resolve) => waiting.push({ condition, resolve }));
    },
  };
  const note = (details: object, message: string): void => {
    world.logged.push({ details, message });
  };
  const receive = (message: Received): void => {
    world.received.push(message);
    if (world.isAutomatic) message.done('ok');
    changed();
  };
  const taker = (topic: string): LaneTaker => ({
    isOpen: true,
    take(bytes, start, end, settle, ticket) {
      const payload = Buffer.from(bytes.subarray(start, end));
      const qos = settle === undefined ? 0 : 1;
      const sender = { identity: 'lane', clientId: 'lane', connection: 0 };
      const flags = { retain: false, isDuplicateFlag: false, isWill: false };
      receive({ topic, payload, qos, ...sender, ...flags, done: () => settle?.(ticket) });
    },
  });
  const broker = await openBroker<string>({
    host: '127.0.0.1',
    port: 0,
    limits: { ...defaultGateLimits, ...gate },
    clock: manualClock ?? systemClock,
    log: { info: note, warn: note, error: note },
    onForbiddenPublish: 'drop',
    authenticate: ({ username }) => username ?? 'anonymous',
    mayPublish: () => true,
    maySubscribe: () => true,
    onConnect: (client) => {
      world.connected.push(client);
      changed();
    },
    onDisconnect: (client) => {
      world.disconnected.push(client);
      changed();
    },
    onPublish: (message, done) => receive({ ...message, payload: Buffer.from(message.payload), done }),
    ...(hasLane ? { lane: taker } : {}),
    ...overrides,
  });
  return Object.assign(world, { broker });
}
