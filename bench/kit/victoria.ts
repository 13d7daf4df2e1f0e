/** victoria-metrics as a process of a benchmark. */
import { untilListening } from './listening.ts';
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
    return await (await this.answer(path)).text();
  }

  /** Its body not read yet. Throws what it refuses. */
  async answer(path: string): Promise<Response> {
    const response = await fetch(`${this.url}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  /** What was sent can be asked for. */
  async flush(): Promise<void> {
    await this.get('/internal/force_flush');
  }

  /** Writes everything to disk, unless it is killed. */
  async stop(signal?: 'SIGKILL'): Promise<void> {
    await this.running.stop(signal);
  }
}
