/** The named limits of one MQTT listener (P6). Bytes and counts are maxima; the policy at each limit is in its comment. */

export interface GateLimits {
  /** Beyond it a new TCP connection is closed at once. */
  readonly connectionsMax: number;
  /** A whole frame before CONNECT was accepted; larger: closed from the fixed header alone. */
  readonly connectFrameBytesMax: number;
  /** A whole frame afterwards; larger: closed from the fixed header alone. */
  readonly frameBytesMax: number;
  /** A connection that has not sent a whole CONNECT by then is closed. */
  readonly connectTimeoutMs: number;
  /** Inbound PUBLISH frames of one connection not yet acked and delivered; beyond it the socket is paused. */
  readonly pendingBytesMax: number;
  /** The same over all connections of the listener; beyond it each socket that sends QoS 1 or 2 is paused. */
  readonly pendingBytesTotalMax: number;
  /** Sustained PUBLISH rate of one connection; beyond it the socket is paused, nothing is dropped. 0 = no limit. */
  readonly messagesPerSecondMax: number;
  /** How many messages may come at once before the rate limit bites. */
  readonly messageBurstMax: number;
  /** Unsent bytes to one client; beyond it the client is disconnected. */
  readonly outboundBytesMax: number;
  /** A client that takes nothing for so long while bytes wait for it is disconnected. */
  readonly drainTimeoutMs: number;
  /** QoS 2 packet ids of one session that were received and not released; beyond it the client is disconnected. */
  readonly unreleasedMax: number;
  /** Filters of one client; beyond it a SUBSCRIBE gets failure code 0x80. */
  readonly subscriptionsPerClientMax: number;
  /** Sessions of clean=false clients; beyond it the one that is offline for longest is forgotten. */
  readonly sessionsMax: number;
  /** Messages and bytes queued for one offline session; beyond either, new ones are dropped. */
  readonly offlineMessagesMax: number;
  readonly offlineBytesMax: number;
  /** Retained topics and bytes; beyond either, a message is delivered but not retained. */
  readonly retainedTopicsMax: number;
  readonly retainedBytesMax: number;
}

export const defaultGateLimits: GateLimits = {
  connectionsMax: 1_000,
  connectFrameBytesMax: 1_024,
  frameBytesMax: 256 * 1_024,
  connectTimeoutMs: 10_000,
  pendingBytesMax: 1_024 * 1_024,
  pendingBytesTotalMax: 16 * 1_024 * 1_024,
  messagesPerSecondMax: 0,
  messageBurstMax: 1_000,
  outboundBytesMax: 4 * 1_024 * 1_024,
  drainTimeoutMs: 1_500,
  unreleasedMax: 4_096,
  subscriptionsPerClientMax: 100,
  sessionsMax: 1_000,
  offlineMessagesMax: 1_000,
  offlineBytesMax: 1_024 * 1_024,
  retainedTopicsMax: 10_000,
  retainedBytesMax: 16 * 1_024 * 1_024,
};
