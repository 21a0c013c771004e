/** The part of the limits (limits.ts) that is about faults of the driver of sessions; all of it local to a node. */

/** When an endpoint is given up, and how soon another takes its place. */
export const DRIVER_LIMITS = {
  /** Exceptions of the QUIC library in a row, and for how long, without a good turn of an established session. */
  faultsMax: 8,
  faultsMs: 5_000,
  /** The socket takes nothing: so many errors in a row, for so long. */
  socketErrorsMax: 16,
  socketErrorsMs: 5_000,
  /** How often the loop is looked at, and at how many looks in a row nothing of what was due may be done. */
  checkMs: 1_000,
  stalledChecksMax: 4,
  /** Pauses before another endpoint is opened: doubled from fault to fault, from the first after one that lasted. */
  retryMsMin: 200,
  retryMsMax: 60_000,
  /**
   * How long the reserve driver carries the sessions before the first one is tried again; after a return that failed
   * soon twice as long, and so on, so many times. And how often it is looked at whether it reaches most members.
   */
  reserveMs: 600_000,
  reserveDoublingsMax: 3,
  reserveCheckMs: 10_000,
} as const;

/**
 * What the reactor, which reads on while nobody takes what it has read, keeps of one session for its reader. A session
 * with more is ended. A part is what the library hands over at once, a packet's bytes or more where the peer means
 * well.
 */
export const REACTOR_LIMITS = {
  unreadBytesMax: 64 * 1024 * 1024,
  unreadPartsMax: 65_536,
  /** Bytes, before the peer has shown its key, where TLS does not say who it is. */
  unprovedBytesMax: 4 * 1024 * 1024,
  /**
   * What a call may take that waits for the native thread of a session, but for one time; and from when on one that
   * gave nothing had no answer: the library gives up after 2 s.
   */
  answerMsMax: 1_000,
  unansweredMs: 1_900,
  /** Streams that the peer opened, which are kept until their end has been read. */
  streamsMax: 1_024,
} as const;

export type DriverLimits = Readonly<Record<keyof typeof DRIVER_LIMITS, number>>;
