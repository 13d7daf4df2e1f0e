/** A hub that lies: its API, with answers that a test spoils on their way. */
import { createServer } from 'node:http';
import { loopback } from './ports.ts';
import type { Stage } from './stage.ts';

/** What a test may change of an answer of `/api/v1/data`. */
export interface DataAnswer {
  readonly series: { readonly id: number; readonly columns: Record<string, unknown[]> }[];
}

export interface Question {
  /** `data`, `ledger`, `gaps` … */
  readonly resource: string;
  readonly parameters: URLSearchParams;
}

/** Returns the URL of the shim. `spoil` changes the parsed answer in place. */
export async function openHubShim(
  stage: Stage,
  hubUrl: string,
  spoil: (question: Question, answer: Record<string, unknown>) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', hubUrl);
    void fetch(url).then(async (answered) => {
      const answer = (await answered.json()) as Record<string, unknown>;
      if (answered.ok) spoil({ resource: url.pathname.split('/').at(-1) ?? '', parameters: url.searchParams }, answer);
      response.writeHead(answered.status, { connection: 'close' }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, loopback, resolve));
  stage.onClose(() => new Promise((resolve) => void server.close(() => resolve())));
  const address = server.address();
  return `http://${loopback}:${typeof address === 'object' && address !== null ? address.port : 0}`;
}
