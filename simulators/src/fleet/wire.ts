/** The byte-moving end of a sender, as the sender sees it: one connection at a time, no memory, no retries. Types only. */

export type Qos = 0 | 1 | 2;

export interface SessionEvents {
  /** The other side accepted the connection. */
  onOpen(): void;
  /** The publish with this packet id is complete. */
  onAck(packetId: number): void;
  /** Everything up to the write with this mark is with the operating system; over HTTP, with the server. */
  onWritten(mark: number): void;
  /** Everything up to the write with this mark is not wanted, and will not be: over HTTP. */
  onRefused(mark: number, reason: string): void;
  /** A message of a topic that was subscribed to. */
  onMessage(topic: string, payload: string): void;
  /** The connection is gone, or never came about; called once, nothing follows it. */
  onClosed(reason: string): void;
}

export interface Session {
  /** Whole messages in the wire's framing. `mark` comes back in `onWritten`. Only between `onOpen` and `onClosed`. */
  write(bytes: Buffer, mark: number): void;
  subscribe(filters: readonly string[]): void;
  /** Disconnects in good order; `onClosed` follows. */
  end(): void;
}

export interface Wire {
  /** What a message looks like: an MQTT packet, or a line. */
  readonly framing: 'mqtt' | 'lines';
  connect(clientId: string, events: SessionEvents): Session;
  close(): void;
}
