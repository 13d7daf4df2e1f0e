/** The JSON body of a request: bounded, and only of a type that no web page can send to another site without asking it first. */
import type { IncomingMessage } from 'node:http';

const bodyBytesMax = 16 * 1024;

export type JsonBody = { readonly value: unknown } | { readonly status: number; readonly problem: string };

export async function readJsonBody(request: IncomingMessage): Promise<JsonBody> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type))
    return { status: 415, problem: 'send "Content-Type: application/json"' };
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) return { status: 413, problem: `a body has at most ${bodyBytesMax} bytes` };
    chunks.push(chunk);
  }
  try {
    return { value: JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown };
  } catch {
    return { status: 400, problem: 'the body is not JSON' };
  }
}
