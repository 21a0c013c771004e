/** The part of the limits (limits.ts) that is about what bulk costs the main thread of a node; all local to it. */
export const BULK_LIMITS = {
  /** Reasons for which somebody was turned away that a worker tells apart between two heartbeats. */
  refusedDetailsMax: 32,
  /**
   * Requests of one member that a worker brings before the node in a second, and how many at once: more than a member
   * is given of objects (objectRequestsPerPeerPerSecond). The others wait in the worker, which looks so often.
   */
  findsPerPeerPerSecond: 1024,
  findsPerPeerBurst: 1024,
  findWaitMs: 20,
} as const;
