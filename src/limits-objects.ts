/** The part of LIMITS (limits.ts) that is about objects, at nodes and at clients. */
export const OBJECT_LIMITS = {
  // Objects: what one is, which is part of its format
  /** 16 GiB, and the chunks of 1 MiB that it has. */
  objectBytesMax: 17_179_869_184,
  objectChunksMax: 16_384,

  // Objects, local
  /** What they may take on the disk of a node, MiB, where its configuration does not say; and the most it may say. */
  objectCacheMiB: 4096,
  objectCacheMiBMax: 16 * 1024 * 1024,
  /** Room that objects leave on the disk for the ledger: a node that finds none stops. */
  objectDiskReserveBytes: 2 * 1024 * 1024 * 1024,
  /** Objects on the disk of a node. */
  objectsMax: 4096,
  /** Objects that are fetched at one time; chunks of each on their way or being written, and of one member. */
  objectFetchesMax: 8,
  objectParallelMax: 16,
  objectParallelPerSourceMax: 4,
  /** Least and most time that a member has for a chunk. */
  objectChunkMsMin: 4_000,
  objectChunkMsMax: 30_000,
  /**
   * A fetch in which no chunk comes for so long ends, longer than a first miss, a rest and the longest deadline take
   * together; twice as long while a chunk is being asked of a source that has missed nothing since it last
   * answered. And one that nobody asks for.
   */
  objectStallMs: 45_000,
  objectIdleMs: 60_000,
  /** How long a member has to say what it has, and to give a manifest; and how often all are asked. */
  objectAskMs: 4_000,
  objectManifestMs: 10_000,
  /** Members that are asked for a manifest at one time; one that takes longer than this counts no more. */
  objectManifestAsksMax: 3,
  objectManifestPatienceMs: 1_000,
  /** When a member that was busy is asked the same again, within the time that it has to answer. */
  objectBusyMs: 500,
  objectAskAgainMs: 3_000,
  /** Names that no member had, which are not asked for again so soon. */
  objectAbsentMax: 1024,
  objectAbsentMs: 2_000,
  /** How long a member is asked for nothing that has served what is not of an object. */
  objectLiarMs: 600_000,
  /** Requests about objects of one member, and how many may come at once: a chunk each, or less. */
  objectRequestsPerPeerPerSecond: 512,
  objectRequestsPerPeerBurst: 1024,
  /** Bytes of a manifest that cost a member as much as one request more. */
  objectManifestBytesPerRequest: 4096,
  /**
   * Manifests that are signed for one member, by the key that signs votes: in a second, at once, and how many wait,
   * as many as a member fetches objects; and how many signed ones are kept.
   */
  objectManifestsPerPeerPerSecond: 4,
  objectManifestsPerPeerBurst: 8,
  objectManifestsWaitingPerPeerMax: 8,
  objectSignedManifestsMax: 64,
  /** Files of evidence, and those about one member. */
  objectEvidenceMax: 64,
  objectEvidencePerMemberMax: 4,
  /** Members of which a node counts what it saw of them. */
  observedMembersMax: 1024,
  /** Objects that are put at one time, and after how long one that gets nothing gives up its place. */
  objectUploadsMax: 16,
  objectUploadIdleMs: 600_000,
  objectUploadCheckMs: 60_000,
  /** How far ahead the end of an order may lie. */
  objectOrderMsMax: 3_600_000,
  /** Orders that are remembered until their time is over, so that none is followed twice; past it none is taken. */
  objectOrdersMax: 16_384,
  /** Chunks that are read for clients at one time: 1 MiB of memory each, before it counts as an answer. */
  objectReadsMax: 8,
  /** Chunks that are held against their hashes for members at one time, before they are given for the first time. */
  objectChecksMax: 8,
  /** Chunks that one request has held against their hashes. */
  objectCheckChunksMax: 32,

  // Objects, clients
  /** A chunk of an object that has not gone through in this time, beside what the node waits, does not. */
  clientChunkMsMax: 120_000,
  /** Bytes of a stream that wait in memory for their name, where no other place is given to them. */
  clientStreamBytesMax: 64 * 1024 * 1024,
} as const;
