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
  /** What a frame that comes over a session costs of the budget of bulk besides its bytes (bulk-budget.ts). */
  frameCostBytes: 1024,
  /**
   * Frames of one session that bring nothing, in a second and at once: what gives up a request, answers none that is
   * open, or asks for more than is served at a time. A member that means well has at most one for each request.
   */
  idleFramesPerSecond: 256,
  idleFramesBurst: 1024,
} as const;
