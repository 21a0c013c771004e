/** The part of LIMITS (limits.ts) that is about relays and paths; all of it local to a node. */

/** What a relay bounds, and what a node bounds of what comes through relays. */
export const RELAY_LIMITS = {
  /** A packet of a relayed session: the least that QUIC needs, so that it fits a datagram of the relay's session. */
  packetBytesMax: 1200,
  /** Pairs that a relay passes packets between, of all and of one member, and how long one may be silent. */
  pairsMax: 256,
  pairsPerPeerMax: 64,
  pairIdleMs: 30_000,
  /** New pairs of one member, and how many may come at once. */
  opensPerSecond: 4,
  opensBurst: 16,
  /** What a relay passes on, of all and of one sender; as much may come at once. */
  bytesPerSecond: 32 * 1024 * 1024,
  peerBytesPerSecond: 8 * 1024 * 1024,
  /**
   * Relayed sessions of this node, those in their handshake too, and handshakes that begin a second. As many relays
   * as use up the handshakes leave connections over, so that this node can dial.
   */
  connectionsMax: 320,
  handshakesPerSecond: 32,
  /** Of these what one relay may bring, and its first packets that are answered: less than all, so that others can. */
  connectionsPerRelayMax: 64,
  handshakesPerRelayPerSecond: 8,
  answersPerRelayPerSecond: 128,
  /** Pairs of a relay and a member behind it that this node has heard of. */
  routesMax: 4096,
} as const;

/** When paths to a peer are measured, chosen, opened and given up. */
export const PATH_LIMITS = {
  /** Sessions that one peer has begun on one path and that wait for the proof of its FALCON key. */
  unprovedMax: 4,
  /** What came in a session that was not proved is checked within so long: a later charge is the member's own. */
  lateChargeMs: 10_000,
  /** How often paths are measured and chosen. */
  checkMs: 1_000,
  /** A path is left at leisure when another was better for so long, and not so soon after the last change. */
  holdMs: 10_000,
  dwellMs: 30_000,
  /** Nothing came over a path for so long, although it was asked. */
  silentMs: 4_000,
  /** What was sent over a path has arrived when it answered for so long after, and nothing was lost meanwhile. */
  drainMs: 5_000,
  /** A path that nothing went over for so long, and that is not needed, is given up. */
  idleMs: 30_000,
  /** A member that was not reached for so long is tried through relays. */
  relayAfterMs: 3_000,
  /** Relays that are tried for one member, and paths through relays that are kept to it. */
  relaysMax: 3,
  relayedMax: 2,
  /** Back-off of trying one relay for one member. */
  retryMsMin: 1_000,
  retryMsMax: 30_000,
  /** A direct path that is up and was found better than those through relays is held against them again. */
  compareAgainMs: 600_000,
} as const;
