/** The frames that an MQTT 3.1.1 client sends. */

export function frame(first: number, ...parts: readonly (Buffer | readonly number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length: number[] = [];
  let rest = body.length;
  do {
    const byte = rest & 127;
    rest >>>= 7;
    length.push(rest > 0 ? byte | 128 : byte);
  } while (rest > 0);
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

export interface ConnectOptions {
  readonly clientId?: string;
  readonly isClean?: boolean;
  readonly keepaliveSeconds?: number;
  readonly username?: string;
  readonly password?: string;
  readonly will?: { readonly topic: string; readonly payload: string; readonly qos?: 0 | 1 | 2 };
}

export function connectFrame(options: ConnectOptions = {}): Buffer {
  const { clientId = 'c', isClean = true, keepaliveSeconds = 0, username, password, will } = options;
  const flags =
    (isClean ? 2 : 0) |
    (will === undefined ? 0 : 4 | ((will.qos ?? 0) << 3)) |
    (username === undefined ? 0 : 128) |
    (password === undefined ? 0 : 64);
  return frame(
    0x10,
    text('MQTT'),
    [4, flags, keepaliveSeconds >> 8, keepaliveSeconds & 255],
    text(clientId),
    ...(will === undefined ? [] : [text(will.topic), text(will.payload)]),
    ...(username === undefined ? [] : [text(username)]),
    ...(password === undefined ? [] : [text(password)]),
  );
}

export interface PublishOptions {
  readonly qos?: 0 | 1 | 2;
  readonly id?: number;
  readonly isRetained?: boolean;
  readonly isDuplicate?: boolean;
}

export function publishFrame(topic: string, payload: string | Buffer, options: PublishOptions = {}): Buffer {
  const { qos = 0, id = 1, isRetained = false, isDuplicate = false } = options;
  const first = 0x30 | (qos << 1) | (isRetained ? 1 : 0) | (isDuplicate ? 8 : 0);
  return frame(first, text(topic), qos === 0 ? [] : [id >> 8, id & 255], Buffer.from(payload));
}

export function subscribeFrame(id: number, ...filters: readonly (readonly [filter: string, qos: 0 | 1 | 2])[]): Buffer {
  return frame(0x82, [id >> 8, id & 255], ...filters.flatMap(([filter, qos]) => [text(filter), [qos]]));
}

export function pubackFrame(id: number): Buffer {
  return frame(0x40, [id >> 8, id & 255]);
}

export function pubrelFrame(id: number): Buffer {
  return frame(0x62, [id >> 8, id & 255]);
}

export const pingFrame = frame(0xc0);
export const disconnectFrame = frame(0xe0);
