/** What tests do with a bare client again and again. */
import { pingFrame, subscribeFrame, type WireClient } from './wire-client.ts';

/** Subscribes and returns the granted codes. */
export async function subscribe(
  client: WireClient,
  ...filters: Parameters<typeof subscribeFrame> extends [number, ...infer F] ? F : never
) {
  client.send(subscribeFrame(1, ...filters));
  const suback = await client.next();
  return [...(suback?.body.subarray(2) ?? [])];
}

export async function payloads(client: WireClient, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) {
    const frame = await client.next();
    if (frame === undefined) throw new Error('the connection closed');
    if (frame.type !== 3) continue;
    const idBytes = (frame.flags & 6) === 0 ? 0 : 2;
    texts.push(frame.body.toString('utf8', 2 + frame.body.readUInt16BE(0) + idBytes));
  }
  return texts;
}

/** What came before the answer to a ping. */
export async function typesUntilPong(client: WireClient): Promise<number[]> {
  client.send(pingFrame);
  const types: number[] = [];
  for (let frame = await client.next(); frame?.type !== 13; frame = await client.next()) types.push(frame?.type ?? 0);
  return types;
}
