/** victoria-metrics as a process of a benchmark. */
import { untilListening } from '../peers/system.ts';
import { Running } from './running.ts';
import { freePort } from './site.ts';

/** What its documentation leaves to the user; the rest is as it comes. */
export const victoriaFlags = ['-retentionPeriod=10y', '-selfScrapeInterval=0s', '-loggerLevel=ERROR'] as const;

export class Victoria {
  readonly running: Running;
  readonly port: number;

  private constructor(running: Running, port: number) {
    this.running = running;
    this.port = port;
  }

  static async start(folder: string): Promise<Victoria> {
    const port = await freePort();
    const running = new Running('victoria-metrics', 'victoria-metrics', [
      ...victoriaFlags,
      `-storageDataPath=${folder}`,
      `-httpListenAddr=127.0.0.1:${port}`,
    ]);
    await untilListening(port);
    return new Victoria(running, port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Throws what it refuses. */
  async post(path: string, body: string): Promise<void> {
    const response = await fetch(`${this.url}${path}`, { method: 'POST', body });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  }

  async get(path: string): Promise<string> {
    const response = await fetch(`${this.url}${path}`);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return text;
  }

  /** What was sent can be asked for. */
  async flush(): Promise<void> {
    await this.get('/internal/force_flush');
  }

  /** Writes everything to disk. */
  async stop(): Promise<void> {
    await this.running.stop();
  }
}
