/**
 * An agent's connection to the simulated hub as the bytes of MQTT, both ways, counted; after a given byte of a given direction the connection is
 * cut: that byte still arrives, the next does not, and what was under way is lost. The broker's part is played here: CONNECT, SUBSCRIBE,
 * PUBLISH at QoS 1 and their answers, the will of a connection that broke.
 */
import type { WireEvents, WireOptions } from '@fogline/edge-agent/uplink/wire';
import { FrameCutter, packetType, type Sender } from '@fogline/shared/broker/frame-cutter';
import { connectFrame, frame, publishFrame, subscribeFrame } from '@fogline/shared/broker/testing/wire-client';
import { type DownKind, isUpKind, parseTopic, topicOf, type UpKind } from '@fogline/shared/protocol/topics';
import type { AgentLink, HubSide, LinkPorts } from '../simulation/sim-link.ts';

export type Direction = 'up' | 'down';

export interface CutPoint {
  readonly direction: Direction;
  /** 1 = after the first byte of the session. */
  readonly afterBytes: number;
}

const frameBytesMax = 2 * 1024 * 1024;
const latencyMs = 1;

interface Connection {
  readonly options: WireOptions;
  readonly events: WireEvents;
  isAlive: boolean;
  isSubscribed: boolean;
  hasConnected: boolean;
  readonly up: FrameCutter;
  readonly down: FrameCutter;
  readonly references: Map<number, number>;
  nextId: number;
}

export class ByteLink implements AgentLink {
  isDown = false;
  onPublish: ((kind: UpKind, payload: Uint8Array) => void) | undefined;
  /** Bytes that arrived, over all connections. */
  readonly bytes: Record<Direction, number> = { up: 0, down: 0 };
  /** Where in `bytes.down` each PUBACK ends. */
  readonly pubackEnds: number[] = [];
  connections = 0;
  readonly #agent: string;
  readonly #hub: HubSide;
  readonly #ports: LinkPorts;
  #cutAt: CutPoint | undefined;
  #connection: Connection | undefined;

  constructor(agent: string, hub: HubSide, ports: LinkPorts, cutAt: CutPoint | undefined) {
    this.#agent = agent;
    this.#hub = hub;
    this.#ports = ports;
    this.#cutAt = cutAt;
  }

  open(options: WireOptions, events: WireEvents): void {
    const connection: Connection = {
      options,
      events,
      isAlive: true,
      isSubscribed: false,
      hasConnected: false,
      up: new FrameCutter(frameBytesMax),
      down: new FrameCutter(frameBytesMax, 'server'),
      references: new Map(),
      nextId: 1,
    };
    this.#connection = connection;
    this.connections++;
    if (this.isDown || !this.#hub.isUp) {
      this.#ports.clock.after('byte-link.refuse', latencyMs, () => this.#break(connection, 'refused'));
      return;
    }
    const { clientId, username, password, will } = options;
    const willText = Buffer.from(will.payload).toString('latin1');
    this.#send(
      connection,
      'up',
      connectFrame({ clientId, username, password, will: { topic: will.topic, payload: willText, qos: 1 } }),
    );
  }

  publish(topic: string, payload: Uint8Array, isRetained: boolean, reference: number): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const id = connection.nextId++;
    connection.references.set(id, reference);
    this.#send(connection, 'up', publishFrame(topic, Buffer.from(payload), { qos: 1, id, isRetained }));
  }

  ping(): void {
    if (this.#connection !== undefined) this.#send(this.#connection, 'up', frame(packetType.pingreq << 4));
  }

  close(): void {
    const connection = this.#connection;
    if (connection !== undefined) this.#break(connection, undefined);
  }

  deliver(kind: DownKind, payload: Uint8Array): void {
    const connection = this.#connection;
    if (connection?.isSubscribed !== true) return;
    const id = connection.nextId++;
    this.#send(connection, 'down', publishFrame(topicOf(this.#agent, kind), Buffer.from(payload), { qos: 1, id }));
  }

  cut(): void {
    if (this.#connection !== undefined) this.#break(this.#connection, 'cut');
  }

  takeDown(): void {
    this.isDown = true;
    this.cut();
  }

  /** The sessions that are cut here never go silent. */
  stall(): void {
    this.cut();
  }

  #send(connection: Connection, direction: Direction, bytes: Buffer): void {
    this.#ports.clock.after(`byte-link.${direction}`, latencyMs, () => this.#arrive(connection, direction, bytes));
  }

  #arrive(connection: Connection, direction: Direction, bytes: Buffer): void {
    if (!connection.isAlive) return;
    const cutAt = this.#cutAt;
    const left = cutAt?.direction === direction ? cutAt.afterBytes - this.bytes[direction] : Number.POSITIVE_INFINITY;
    const arriving = bytes.subarray(0, left);
    this.bytes[direction] += arriving.length;
    const cutter = connection[direction];
    cutter.feed(arriving);
    for (let status = cutter.peek(); status !== 'more'; status = cutter.peek()) {
      if (status !== 'frame') throw new Error(`the ${sides[direction]} sent what is no MQTT: ${status}`);
      const type = (cutter.buffer[cutter.start] ?? 0) >> 4;
      const body = Buffer.from(cutter.buffer.subarray(cutter.bodyStart, cutter.end));
      cutter.consume();
      if (direction === 'up') this.#atHub(connection, type, body);
      else this.#atAgent(connection, type, body);
      if (!connection.isAlive) return;
    }
    if (arriving.length < left) return;
    this.#cutAt = undefined;
    this.#break(connection, 'cut');
  }

  #atHub(connection: Connection, type: number, body: Buffer): void {
    switch (type) {
      case packetType.connect:
        connection.hasConnected = true;
        return this.#send(connection, 'down', frame(0x20, [0, 0]));
      case packetType.subscribe:
        connection.isSubscribed = true;
        return this.#send(connection, 'down', frame(0x90, body.subarray(0, 2), [1, 1]));
      case packetType.publish: {
        const { topic, id, payload } = partsOf(body);
        const kind = parseTopic(topic)?.kind ?? '';
        if (!isUpKind(kind)) throw new Error(`the agent published to ${topic}`);
        this.#hub.submit(this.#agent, kind, payload, () => {
          if (!connection.isAlive) return;
          this.#send(connection, 'down', frame(0x40, [id >> 8, id & 255]));
        });
        return;
      }
      case packetType.puback:
        return;
      case packetType.pingreq:
        return this.#send(connection, 'down', frame(pingresp << 4));
      default:
        throw new Error(`the agent sent a packet of type ${type}`);
    }
  }

  #atAgent(connection: Connection, type: number, body: Buffer): void {
    switch (type) {
      case packetType.connack:
        return this.#send(connection, 'up', subscribeFrame(0xffff, ...connection.options.subscribe.map(asQos1)));
      case packetType.suback:
        return connection.events.onOpen();
      case packetType.puback: {
        this.pubackEnds.push(this.bytes.down);
        const reference = connection.references.get(body.readUInt16BE(0));
        if (reference !== undefined) connection.events.onAck(reference);
        return;
      }
      case packetType.publish: {
        const { topic, id, payload } = partsOf(body);
        this.#send(connection, 'up', frame(0x40, [id >> 8, id & 255]));
        return connection.events.onMessage(topic, payload);
      }
      case pingresp:
        return connection.events.onHeard();
      default:
        throw new Error(`the hub sent a packet of type ${type}`);
    }
  }

  /** `reason` undefined: the agent itself closed it, and wants to hear nothing more. */
  #break(connection: Connection, reason: string | undefined): void {
    if (!connection.isAlive) return;
    connection.isAlive = false;
    if (this.#connection === connection) this.#connection = undefined;
    if (connection.hasConnected && this.#hub.isUp)
      this.#hub.submit(this.#agent, 'status', connection.options.will.payload, () => undefined);
    if (reason !== undefined) connection.events.onClose(reason);
  }
}

const pingresp = 13;
const sides: Readonly<Record<Direction, Sender>> = { up: 'client', down: 'server' };

function asQos1(filter: string): readonly [string, 1] {
  return [filter, 1];
}

function partsOf(body: Buffer): { topic: string; id: number; payload: Buffer } {
  const topicEnd = 2 + body.readUInt16BE(0);
  return {
    topic: body.toString('utf8', 2, topicEnd),
    id: body.readUInt16BE(topicEnd),
    payload: body.subarray(topicEnd + 2),
  };
}
