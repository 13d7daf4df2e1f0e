/**
 * All doors of one agent. Those that wait for others open first, those that fetch begin last, so that nothing is fetched for an agent
 * that cannot start.
 */
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import type { ActuatorBroker } from '../actions/local-actuator.ts';
import type { Token } from './batch-port.ts';
import type { DoorPorts, OpenDoor } from './door.ts';
import { type FileOptions, openFile } from './file-source.ts';
import { type HttpListener, type HttpListenOptions, openHttpListener } from './http-listen.ts';
import { type JoinedBroker, type JoinedDoor, joinBroker } from './mqtt-join.ts';
import { type MqttListener, type MqttListenOptions, openMqttListener } from './mqtt-listen.ts';
import type { Observer } from './observe.ts';
import { namingSetting } from './setting.ts';
import type { SourceOptions } from './source-batcher.ts';

/** Which sources are behind which door. */
export interface DoorsConfig {
  readonly sources: readonly SourceOptions[];
  readonly listeners: readonly (MqttListenOptions['listener'] & { readonly sources: readonly string[] })[];
  readonly httpListeners: readonly (HttpListenOptions['listener'] & { readonly sources: readonly string[] })[];
  readonly joins: readonly (JoinedBroker & { readonly source: string })[];
  readonly files: readonly (Pick<FileOptions, 'path' | 'speed' | 'isFollowed'> & { readonly source: string })[];
}

export interface DoorsPorts extends DoorPorts {
  readonly random: Random;
  readonly log: Logger;
  /** Sees every publish to the broker of a source beside it; observe.ts. */
  observe?(via: string, topic: string, payload: Uint8Array, onDurable: () => void): boolean;
  /** Whether it would do anything with some publish now. */
  isObserving?(): boolean;
  isOverloaded(): boolean;
  /** How much was read by counter, as of the last commit. */
  readonly progress: Readonly<Record<string, number>>;
}

export class Doors {
  readonly mqtt: MqttListener[] = [];
  readonly http: HttpListener[] = [];
  readonly joined: JoinedDoor[] = [];
  readonly file: OpenDoor[] = [];
  readonly #bySource = new Map<string, OpenDoor>();

  /** Throws `address_in_use`, `unavailable`, `config_invalid`; what is open by then, `close` closes. */
  async open(config: DoorsConfig, ports: DoorsPorts): Promise<void> {
    const of = (names: readonly string[]): SourceOptions[] => config.sources.filter(({ name }) => names.includes(name));
    const { log } = ports;
    for (const listener of config.listeners) {
      const observer = observerOf(listener.sources, ports);
      const isObserving = (): boolean => ports.isObserving?.() ?? observer !== undefined;
      const own = { listener, sources: of(listener.sources), log: log.child('mqtt'), observer, isObserving };
      const options = { ...ports, ...own };
      const opening = namingSetting(`sources.${listener.sources[0]}.mqtt.listen`, openMqttListener(options));
      this.#add(this.mqtt, await opening, ports);
    }
    for (const listener of config.httpListeners) {
      const options = { ...ports, listener, sources: of(listener.sources), log: log.child('http') };
      const opening = namingSetting(`sources.${listener.sources[0]}.http.listen`, openHttpListener(options));
      this.#add(this.http, await opening, ports);
    }
    for (const broker of config.joins) {
      for (const source of of([broker.source])) {
        const observer = observerOf([broker.source], ports);
        this.#add(this.joined, joinBroker({ ...ports, broker, source, log: log.child('join'), observer }), ports);
      }
    }
    for (const { source: name, ...file } of config.files) {
      for (const source of of([name])) {
        this.#add(this.file, openFile({ ...ports, ...file, source, log: log.child('file') }), ports);
      }
    }
  }

  release(source: string, tokens: readonly Token[]): void {
    this.#bySource.get(source)?.release(source, tokens);
  }

  setOverloaded(isOverloaded: boolean): void {
    for (const door of this.#all()) {
      if (isOverloaded) door.pause();
      else door.resume();
    }
  }

  /** The broker behind a source, in this agent or joined; undefined while it is not open. */
  brokerOf(source: string): ActuatorBroker | undefined {
    return [...this.mqtt, ...this.joined].find(({ sources }) => sources.includes(source));
  }

  /** Of every listener for sensors. */
  urls(): string[] {
    return [...this.mqtt, ...this.http].map(({ url }) => url);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all().map((door) => door.close()));
  }

  #add<Kind extends OpenDoor>(doors: Kind[], door: Kind, ports: DoorsPorts): void {
    doors.push(door);
    for (const source of door.sources) this.#bySource.set(source, door);
    // One that opened before may have filled the buffer meanwhile.
    if (ports.isOverloaded()) door.pause();
  }

  #all(): OpenDoor[] {
    return [...this.mqtt, ...this.http, ...this.joined, ...this.file];
  }
}

function observerOf(sources: readonly string[], ports: DoorsPorts): Observer {
  return (topic, payload, onDurable) => sources.some((via) => ports.observe?.(via, topic, payload, onDurable) === true);
}
