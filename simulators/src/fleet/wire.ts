/** The byte-moving end of a sender, as the sender sees it: one connection at a time, no memory, no retries. Types only. */

export type Qos = 0 | 1 | 2;

export interface SessionEvents {
  /** The broker accepted the connection. */
  onOpen(): void;
  /** These publishes are complete: acked by the broker, or at QoS 0 handed to the operating system. */
  onSettled(handles: readonly number[]): void;
  /** The connection is gone, or never came about; called once, nothing follows it. */
  onClosed(reason: string): void;
}

export interface Session {
  /** `handle` comes back in `onSettled`. Only between `onOpen` and `onClosed`. */
  publish(handle: number, topic: string, payload: string, qos: Qos): void;
  /** Disconnects in good order; `onClosed` follows. */
  end(): void;
}

export interface Wire {
  connect(clientId: string, events: SessionEvents): Session;
}
