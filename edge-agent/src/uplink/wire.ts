/**
 * The wire port: one connection at a time to the hub's broker, QoS 1 publishes and their acks. Nothing is remembered
 * behind it: no queue that outlives the connection, no resend, no reconnect. Events of a connection that was closed
 * are never delivered.
 */

export interface WireOptions {
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
  readonly subscribe: readonly string[];
  /** Published retained by the broker when the connection dies. */
  readonly will: { readonly topic: string; readonly payload: Uint8Array };
}

export interface WireEvents {
  /** Connected and subscribed. */
  onOpen(): void;
  onMessage(topic: string, payload: Uint8Array): void;
  /** The broker acknowledged the publish with this reference. */
  onAck(reference: number): void;
  /** Anything came from the other end, also before `onOpen`; messages and acks need not be told here as well. */
  onHeard(): void;
  onClose(reason: string): void;
}

export interface Wire {
  open(options: WireOptions, events: WireEvents): void;
  /** Publishes at QoS 1 on the open connection, in order of the calls. */
  publish(topic: string, payload: Uint8Array, isRetained: boolean, reference: number): void;
  /** Asks the broker for a sign of life: `onHeard` follows, or nothing. */
  ping(): void;
  /** Closes at once; no event follows. */
  close(): void;
}
