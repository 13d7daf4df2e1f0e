/**
 * All doors of one agent. Those that wait for others open first, those that fetch begin last, so that nothing is fetched for an agent
 * that cannot start.
 */
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import type { Token } from './batch-port.ts';
import type { LinkOptions } from './broker-link.ts';
import type { DoorPorts, OpenDoor } from './door.ts';
import { replayFile } from './file-replay.ts';
import { type HttpListener, type HttpListenOptions, openHttpListener } from './http-listen.ts';
import { joinBroker } from './mqtt-join.ts';
import { type MqttListener, type MqttListenOptions, openMqttListener } from './mqtt-listen.ts';
import type { SourceOptions } from './source-batcher.ts';

/** Which sources are behind which door. */
export interface DoorsConfig {
  readonly sources: readonly SourceOptions[];
  readonly listeners: readonly (MqttListenOptions['listener'] & { readonly sources: readonly string[] })[];
  readonly httpListeners: readonly (HttpListenOptions['listener'] & { readonly sources: readonly string[] })[];
  readonly joins: readonly (Omit<LinkOptions, 'filters'> & { readonly source: string })[];
  readonly files: readonly { readonly source: string; readonly path: string }[];
}

export interface DoorsPorts extends DoorPorts {
  readonly random: Random;
  readonly log: Logger;
  isOverloaded(): boolean;
  /** How much was read under this name, as of the last commit. */
  progressOf(name: string): number;
}

export class Doors {
  readonly mqtt: MqttListener[] = [];
  readonly http: HttpListener[] = [];
  readonly joined: OpenDoor[] = [];
  readonly file: OpenDoor[] = [];
  readonly #bySource = new Map<string, OpenDoor>();

  /** Throws `address_in_use`, `unavailable`, `config_invalid`; what is open by then, `close` closes. */
  async open(config: DoorsConfig, ports: DoorsPorts): Promise<void> {
    const of = (names: readonly string[]): SourceOptions[] => config.sources.filter(({ name }) => names.includes(name));
    const { log } = ports;
    for (const listener of config.listeners) {
      const options = { ...ports, listener, sources: of(listener.sources), log: log.child('mqtt') };
      this.#add(this.mqtt, await openMqttListener(options), ports);
    }
    for (const listener of config.httpListeners) {
      const options = { ...ports, listener, sources: of(listener.sources), log: log.child('http') };
      this.#add(this.http, await openHttpListener(options), ports);
    }
    for (const broker of config.joins) {
      for (const source of of([broker.source])) {
        this.#add(this.joined, joinBroker({ ...ports, broker, source, log: log.child('join') }), ports);
      }
    }
    for (const { source: name, path } of config.files) {
      for (const source of of([name])) {
        this.#add(this.file, replayFile({ ...ports, path, source, log: log.child('file') }), ports);
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
