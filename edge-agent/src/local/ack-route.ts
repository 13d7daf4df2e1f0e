/** `POST /alarms/ack`: acknowledges an alarm. The answer leaves once the acknowledgement is durable. */
import { type HttpReply, json, problem } from '@fogline/shared/http-server';
import { didYouMean } from '@fogline/shared/suggest';
import type { AlarmDesk } from '../alarms/desk.ts';

export function acknowledgeRoute(desk: AlarmDesk, alarms: readonly string[]): (body: unknown) => Promise<HttpReply> {
  return async (body) => {
    const { alarm, device, ...more } = (typeof body === 'object' && body !== null ? body : {}) as Record<
      string,
      unknown
    >;
    const isSound = typeof alarm === 'string' && (device === undefined || typeof device === 'string');
    if (!isSound || Object.keys(more).length > 0)
      return problem(400, 'Bad request', 'send {"alarm": "NAME"} or {"alarm": "NAME", "device": "NAME"}');
    if (!alarms.includes(alarm))
      return problem(404, 'Not found', `no alarm is called "${alarm}"${didYouMean(alarm, alarms)}`);
    const devices = await new Promise<string[]>((resolve) => {
      let left = 0;
      const acknowledged = desk.acknowledge(alarm, device, () => {
        left--;
        if (left === 0) resolve(acknowledged);
      });
      left += acknowledged.length;
      if (acknowledged.length === 0) resolve([]);
    });
    if (devices.length > 0) return json({ acknowledged: devices });
    const where = device === undefined ? 'anywhere' : `on "${device}"`;
    return problem(409, 'Conflict', `"${alarm}" is not active ${where}`);
  };
}
