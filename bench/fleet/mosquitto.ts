/** A stock mosquitto in a folder of its own, and what it says that it has received. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@fogline/shared/clock';
import { createMqttWire } from '@fogline/simulators/fleet/mqtt-connection';
import { pause } from '../kit/running.ts';
import { freePort } from '../kit/site.ts';

const receivedTopic = '$SYS/broker/publish/messages/received';
const versionTopic = '$SYS/broker/version';
const patienceMs = 60_000;

export class Mosquitto {
  readonly folder: string;
  readonly port: number;
  /** PUBLISH packets so far; told once a second. */
  received = 0;
  version = '';
  readonly #child: ChildProcess;
  #end = (): void => {};

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
    const config = join(folder, 'mosquitto.conf');
    // What a listener of its own needs, and a counter that is quick enough; everything else is as it comes.
    writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n`);
    const script = `ulimit -n "$(ulimit -Hn)"; exec mosquitto -c ${config}`;
    this.#child = spawn('bash', ['-c', script], { stdio: 'ignore' });
    process.once('exit', () => this.#remove());
  }

  static async start(): Promise<Mosquitto> {
    const broker = new Mosquitto(mkdtempSync(join(tmpdir(), 'fogline-bench-')), await freePort());
    await broker.#watch();
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** Throws when they do not come. */
  async untilReceived(count: number): Promise<void> {
    const deadlineMs = performance.now() + patienceMs;
    while (this.received < count) {
      if (performance.now() > deadlineMs) throw new Error(`the broker has ${this.received} of ${count} messages`);
      await pause(10);
    }
  }

  async stop(): Promise<void> {
    this.#end();
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
    this.#remove();
  }

  /** Listens to its counters, trying until it is up. */
  async #watch(): Promise<void> {
    const wire = createMqttWire({ url: this.url, keepaliveSeconds: 10, clock: systemClock });
    const deadlineMs = performance.now() + patienceMs;
    const connect = (): Promise<boolean> =>
      new Promise((resolve) => {
        const session = wire.connect('bench', {
          onOpen() {
            session.subscribe([receivedTopic, versionTopic]);
            resolve(true);
          },
          onAck: () => {},
          onWritten: () => {},
          onRefused: () => {},
          onMessage: (topic, payload) => {
            if (topic === receivedTopic) this.received = Number(payload);
            else this.version = payload;
          },
          onClosed: () => resolve(false),
        });
        this.#end = () => {
          session.end();
          wire.close();
        };
      });
    while (!(await connect())) {
      if (performance.now() > deadlineMs) throw new Error('mosquitto does not start');
      await pause(50);
    }
    while (this.version === '') await pause(50);
  }

  #remove(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
