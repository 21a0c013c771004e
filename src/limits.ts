/**
 * Every size, count, depth and rate that the product enforces, in one place.
 *
 * Replicated limits (marked R) decide validity and are part of the protocol version: changing one is a
 * protocol change. Local limits protect one node and may differ between nodes.
 * Units are last in the name: Bytes, Ms, PerSecond; a plain noun is a count.
 */
import { OBJECT_LIMITS } from "./limits-objects.ts";
import { PATH_LIMITS, RELAY_LIMITS } from "./limits-relay.ts";

export const LIMITS = {
  // Events and batches (R)
  eventBytesMax: 60 * 1024,
  eventTypeBytesMax: 64,
  batchEventsMax: 1024,
  batchBytesMax: 1024 * 1024,
  batchProofsMax: 8,
  batchProofBytesMax: 4096,
  /** A leaf of the log tree must fit a 16-bit length in a tlog-tiles entry bundle. */
  leafBytesMax: 65_535,

  // Blocks (R)
  blockBatchesMax: 4096,
  blockBytesMax: 4 * 1024 * 1024,
  /**
   * A block is executed in one turn, in 17 to 35 microseconds an event: this many take about 0.2 s, less
   * than the first view timer. 4 MiB alone would hold 100,000 small events, which take seconds.
   */
  blockEventsMax: 8192,
  /**
   * What checking proofs may take beside that, of a block and of a batch: a unit is what a core does in about a
   * millisecond. Bytes do not bound it: 4 MiB would hold 900 parts of shares, 14 s of scrypt in one turn.
   */
  blockCheckUnitsMax: 128,
  batchCheckUnitsMax: 64,
  /** height - executedHeight in a header may not exceed this. */
  executionLagMax: 16,
  /** Heights above the last final one that may be notarized before leaders only re-propose. */
  unfinalizedGapMax: 8,
  gridHeights: 16,
  /** Of a block's proof section: an iVRF value with its path, and openings of sectors. */
  revealBytesMax: 32 + 32 * 20,
  blockOpeningsBytesMax: 32 * 1024,
  /** How far back an event's projection may ask for the beacon. */
  beaconHistory: 1024 * 1024,

  // Batch expiry (R): a batch is expired when BOTH the block and the time bound are passed, or the cap is.
  batchAgeBlocksMax: 150,
  batchAgeMsMax: 60_000,
  batchAgeBlocksCap: 65_536,

  // Validators and genesis (R)
  validatorsMax: 256,
  genesisActorsMax: 4096,
  /** Sectors of one validator that a chain begins with. */
  genesisSectorsMax: 64,
  genesisBytesMax: 4 * 1024 * 1024,
  nameBytesMax: 64,
  addressBytesMax: 64,
  chainIdBytesMax: 64,
  /** Event type patterns of one actor. */
  permissionsMax: 64,
  /** Types that one capability names, times that it is passed on, and what one actor holds at a time. */
  capabilityActionsMax: 16,
  capabilityDepthMax: 8,
  capabilitiesHeldMax: 64,
  resourceBytesMax: 384,
  /** Least and greatest value of each time in the genesis. */
  genesisMs: {
    epochMs: [100, 366 * 86_400_000],
    idleMs: [1, 3_600_000],
    t0Ms: [1, 60_000],
    precisionMs: [1, 3_600_000],
    messageDelayMs: [1, 3_600_000],
  },

  // Records (R)
  recordTopicBytesMax: 64,
  recordKeyBytesMax: 256,
  recordBodyBytesMax: 56 * 1024,

  // Projections (R)
  projectionsMax: 64,
  rowKeyBytesMax: 512,
  rowValueBytesMax: 64 * 1024,
  rowWritesPerEventMax: 64,
  refusalCodeBytesMax: 64,

  // Evidence (R)
  /** Evidence costs two signature checks, so only the first places of a batch may hold it. */
  evidencePositionsMax: 4,

  // Certificates (R)
  caCsrBytesMax: 8 * 1024,
  caCertificateBytesMax: 10 * 1024,
  caIssuerNameBytesMax: 512,
  caProfileBytesMax: 16,
  /** Names of one certificate, each a row; and the longest DNS name there is (RFC 1035, 2.3.4). */
  caNamesMax: 32,
  caNameBytesMax: 253,
  caRsaBits: [2048, 4096],
  caSerialBytesMin: 8,
  caSerialBytesMax: 20,
  /** A minute to 90 days. */
  caLifetimeS: [60, 90 * 86_400],
  /** A certificate begins this long before it is asked for, for clocks that are behind. */
  caBackdateS: 600,
  /** Requests that wait for one issuer. */
  caPendingMax: 10_000,
  /** Those of one actor among them. */
  caPendingPerActorMax: 1_000,
  /** A certificate costs every replica one P-256 check, 1 to 2 ms: so many first places of a batch. */
  caSignaturePositionsMax: 8,
  caSignatureCheckUnits: 2,

  // Stake (R)
  /** Validators that are registered and not gone; a set takes the `validatorsMax` with most power. */
  stakeCandidatesMax: 512,
  /** Others than the owner who are bonded to one validator. */
  stakeHoldersMax: 64,
  /** Parts of stake on their way out of one validator: of one holder, and of all but the owner. */
  stakeLeavingPerHolderMax: 8,
  stakeLeavingMax: 512,
  /** Culprits of one epoch that an event of evidence settles anew; the others are when they are touched. */
  stakeSettledMax: 32,
  /** Epochs that are remembered of one culprit; who equivocates in another one loses all that stood behind it. */
  stakeFaultEpochsMax: 16,
  /** Validators that one end of an epoch slashes for false commitments. */
  stakeForgersMax: 16,
  /** Rows of epochs that are too old which a boundary deletes. */
  stakeEpochsDroppedMax: 8,
  /** Views without a block between two blocks whose leaders are counted; those before them are not. */
  stakeViewsCountedMax: 65_536,
  /** Validators that one end of an epoch jails for missing their turns. */
  stakeJailedMax: 32,
  /** A registration costs a signature check: only the first places of a batch may hold one. */
  registrationPositionsMax: 4,
  jailReasonBytesMax: 256,

  // Keys of epochs (R)
  /** Epochs between the one of a registration and the first that the key may be for. */
  epochKeyLeadEpochs: 3,
  /** How many epochs ahead of its own an event may register keys for. */
  epochKeysAheadMax: 16,
  /** Keys in one event: each costs every replica a signature check. */
  epochKeysPerEventMax: 8,
  /** So many first places of a batch may hold such an event. */
  epochKeyPositionsMax: 2,
  /** Keys of one validator whose hashes are kept, so that evidence of past epochs can be checked. */
  epochKeyHistoryMax: 1024,

  // Asset facts (R)
  assetDisksMax: 64,
  assetNicsMax: 64,
  assetGpusMax: 32,
  assetTextBytesMax: 128,

  // Proofs of space (R): ranges of the parameters of a chain
  /** 2 KiB to 32 GiB: nodes have 32 bytes. */
  spaceLgNodes: [6, 30],
  /** With one layer nothing below it would have to be made first. */
  spaceLayers: [2, 16],
  /** Challenges of an admission, openings of a sector, an epoch, a block or a batch. */
  spaceOpeningsMax: 4096,
  spaceResponseMs: [1, 86_400_000],
  /** Epochs before the end of a sector in which the node makes the next one: a day of ten minutes each. Local. */
  spaceRenewEpochs: 144,
  /** Sectors of one validator in one proof. */
  spaceSectorsMax: 1024,
  /** Openings of one proof; an admission of 176 challenges at 32 GiB has 3.6 MB. */
  spaceProofBytesMax: 16 * 1024 * 1024,
  /** Openings of one event: what fits beside its other fields. */
  spacePartBytesMax: 60 * 1024 - 128,
  /**
   * Challenges that one event answers, of an admission and of an epoch; and the first places of a batch, where
   * such events stand. An event costs a replica 3 ms at most.
   */
  spacePartAdmissionsMax: 8,
  spacePartOpeningsMax: 128,
  spacePartPositionsMax: 16,
  /** Sectors of one validator, and how many it may commit to in an epoch. */
  spaceValidatorSectorsMax: 64,
  /** Heights from a commitment to the beacon that its admission is drawn from. */
  spaceAdmissionDelay: 10,
  /** Epochs after its commitment until which a sector counts: a year of hours. */
  spaceSectorEpochsMax: 8_760,

  // Network location (R): ranges of the parameters of a chain, microseconds
  locationZones: [1, 16],
  locationRounds: [1, 64],
  /** A challenge opens few labels, so that the answer is one flight of packets and the time is the path's. */
  locationLabels: [1, 16],
  locationRttUs: [1, 10_000_000],
  /** Receipts of one event, each with a signature to check; and the first places of a batch, where it stands. */
  locationReceiptsMax: 40,
  locationPositionsMax: 1,
  /** Epochs of one validator whose bounds are kept. */
  locationEpochsKept: 8,

  // Proofs of work (R)
  /** The largest effort that a proof may state; a batch never has to show more. */
  workEffortMax: 1_048_576,
  /** Units of a batch, or of a block, that are counted. */
  workUnitsMax: 1_099_511_627_776,
  /**
   * Memory of Argon2id as a puzzle, and N of scrypt for shares: what a check may cost, least and greatest. RFC
   * 7914 allows no N above these where r is 1.
   */
  workArgonKiB: [8, 65_536],
  workScryptN: [2, 32_768],
  /** Shares of one validator and epoch, and how many of them it has to open. */
  workSharesMax: 262_144,
  workShareOpenings: 32,
  /** Of one event with a part of the opened shares: N of scrypt times shares; 16 ms. */
  workPartScryptMax: 65_536,
  workPartCheckUnits: 16,
  /** 32 shares with paths of 18 hashes have 18,720 bytes. */
  workPartBytesMax: 20 * 1024,

  // Proofs of an epoch (R)
  /** A commitment is challenged by the beacon of so many heights later. */
  challengeDelayHeights: 10,
  /** Events that one proof comes in. */
  proofPartsMax: 32,

  // Proofs of work, local
  /** Threads of a search, and characters of the files that `nexus work` reads. */
  workThreadsMax: 64,
  workFileCharactersMax: 8 * 1024 * 1024,

  // Proofs of elapsed time (R)
  /** Zero blocks of 64 bytes behind each leaf: [1, 16384]. */
  timeTailBlocks: [1, 16_384],
  timeChallenges: [1, 1024],
  /** The longest run has two to this power of leaves. */
  timeLeavesLog2Max: 30,
  /** Tail blocks that checking one proof may hash: challenges times blocks; some 40 ms. */
  timeVerifyBlocksMax: 1024 * 1024,
  /** Of one event with a part of a proof: bytes, and tail blocks that checking it may hash; 5 ms. */
  timePartBytesMax: 56 * 1024,
  timePartBlocksMax: 131_072,
  timePartCheckUnits: 5,
  /** Who may share one run with its timekeeper. */
  timeMembersMax: 64,
  /** Block hashes that one run absorbs, and of these those that one file shows. */
  timeAbsorbedMax: 65_536,
  timeShownBlocksMax: 64,
  /** Characters of a proof file: the largest proof, in base64, with the shown blocks. */
  timeFileCharactersMax: 4 * 1024 * 1024,
  /** Heights of one iVRF key: two to this power. */
  beaconDepth: [1, 20],
  /** Epochs between the registration of an iVRF key and its first use. */
  beaconLeadEpochs: 2,
  /** iVRF keys of one validator that have not run out. */
  beaconKeysMax: 4,
  /** Checkpoints of an AES delay, and iterations between two. */
  delayCheckpointsMax: 4096,
  delaySegmentIterationsMax: 4 * 1024 * 1024,
  /** Local: what a timekeeper reads of its own state file. */
  timeStateBytesMax: 64 * 1024 * 1024,

  // Signatures
  falconPublicKeyBytes: 1793,
  falconSecretKeyBytes: 2305,
  falconSignatureBytes: 1280,
  ed25519PublicKeyBytes: 32,
  ed25519SignatureBytes: 64,
  mlDsa44PublicKeyBytes: 1312,
  mlDsa44SignatureBytes: 2420,
  /** Statements and batch ids are under 200 bytes; longer messages neither sign nor verify (R). */
  signedMessageBytesMax: 64 * 1024,
  /** Jobs waiting in a verifier, for each priority; local. */
  verifyJobsPendingMax: 131_072,

  // Consensus, local
  viewsAheadMax: 1,
  certificatesPerPeerPerSecond: 64,
  certificateBytesMax: 512 * 1024,
  /** Checks of consensus signatures that one peer may have waiting: a STATUS answer among 256 fits. */
  peerChecksMax: 2048,
  evidencePending: 256,
  /** Epochs of which a node holds evidence against one validator until the log has it. */
  evidenceEpochsHeldMax: 8,
  /** Measurements that a witness makes of one peer in an epoch, and that wait at it; local. */
  locationTriesMax: 4,
  /** A witness waits so long for the answer of a round at most, and no longer than the farthest zone allows. */
  locationRoundMs: 2_000,
  /** Who collects receipts waits so long for those that are missing, and at most a quarter of an epoch. */
  locationWaitMs: 60_000,
  /** Views above the last final one in which re-proposals are not paced; then each as many double it. */
  quickViewsMax: 64,
  /** What a start reads of what is above the last final view: months without finality, or damage. */
  recoveredCertificatesMax: 200_000,
  recoveredVotesMax: 200_000,
  recoveredBlocksMax: 100_000,

  // Mempool, local
  mempoolBytesMax: 64 * 1024 * 1024,
  /** Of these, for batches whose predecessors are missing, which nobody may ever send; and for one lane. */
  mempoolGapBytesMax: 8 * 1024 * 1024,
  mempoolLaneGapBytesMax: 1024 * 1024,
  /** Of these, for what validators write themselves (evidence), and for each: some batches of one event. */
  mempoolReserveBytes: 4 * 1024 * 1024,
  mempoolReserveLaneBytes: 16 * 1024,
  mempoolLaneBytesMax: 32 * 1024 * 1024,
  mempoolLaneBatchesMax: 4096,
  /** Batches whose signatures wait to be checked. */
  admissionBytesMax: 32 * 1024 * 1024,
  /** Of these, what one peer may have pushed. */
  peerAdmissionBytesMax: 8 * 1024 * 1024,
  /** A batch that a client hands over again is sent to the peers again, at most this often. */
  gossipAgainMs: 1_000,
  /** Batches that wait and that a node looks at after an append, to host anew those that lost their host. */
  hostedAnewMax: 256,
  /**
   * What decoding pushed batches may cost a second, for each peer and for all clients together: their
   * bytes, and so many for each event, which is hashed on its own. One peer can take a tenth of a core.
   */
  peerDecodeBytesPerSecond: 64 * 1024 * 1024,
  clientDecodeBytesPerSecond: 128 * 1024 * 1024,
  decodeEventCostBytes: 1024,
  /** Verdicts on batch signatures that are remembered, by digest. */
  verdictCacheMax: 65_536,
  /** Signatures of one batch, by its id, that are tried in vain for one peer, or for all clients together. */
  signatureTriesMax: 8,
  /** laneSeq may run ahead of the lane head by at most this many. */
  mempoolLaneAheadMax: 4096,
  /** Work of more than 2^6 times the effort that is asked for counts as that. */
  mempoolLevelMax: 6,
  /** A proposal passes over at most this many batches that do not fit its room. */
  mempoolMisfitsMax: 64,

  // Transport, local
  frameBytesMax: {
    consensus: 1024 * 1024,
    mempool: 2 * 1024 * 1024,
    sync: 8 * 1024 * 1024,
    control: 64 * 1024,
    /** A chunk of 1 MiB with what names and proves it. */
    bulk: 1024 * 1024 + 16 * 1024,
  },
  sendQueueBytesMax: {
    consensus: 16 * 1024 * 1024,
    mempool: 16 * 1024 * 1024,
    sync: 32 * 1024 * 1024,
    control: 1024 * 1024,
    /** Seven chunks: whoever has more is told when there is room again. */
    bulk: 8 * 1024 * 1024,
  },
  connectionsMax: 256,
  connectionsPerAddressMax: 16,
  /** Connections of hosts that are no member's, from one network of 64 bits, whose peers are not known yet. */
  strangersPerNetworkMax: 8,
  handshakesPerSecond: 64,
  handshakeTimeoutMs: 5_000,
  /** From the hellos to the first sealed record; frames of the classes flow meanwhile. */
  sessionHandshakeTimeoutMs: 15_000,
  /** Post-quantum handshakes that peers begin, of all and of one, and how many of one may come at once. */
  sessionHandshakesPerSecond: 64,
  sessionHandshakesPerPeerPerSecond: 4,
  sessionHandshakesPerPeerBurst: 16,
  /** What one sealed record carries, and what may wait to be sent. */
  sealedRecordBytesMax: 64 * 1024,
  sealedQueueBytesMax: 1024 * 1024,
  /**
   * Records that one session may bring, opened or not, and how many at once: an honest peer has one question open,
   * which it asks once a second at most, and a few notes in a minute. Bytes of them that a turn reads.
   */
  sealedRecordsPerSecond: 32,
  sealedRecordsBurst: 128,
  sealedBytesPerTurn: 128 * 1024,
  /** Control frames that came in one piece with the hello, of a session that has to wait for its proof. */
  heldFramesMax: 256,
  /**
   * Records under one key: with 64 KiB each 2^32 blocks of AES, where GCM is safe up to far more; and records
   * of one session, stream and direction.
   */
  sealedRekeyRecords: 1024 * 1024,
  sealedRecordsMax: 281_474_976_710_656,
  /** Of the version that a node tells its peers. */
  peerVersionBytesMax: 64,
  /** Bulk: the name that is asked for, and the answer, a chunk of 1 MiB with what proves it. */
  bulkNameBytesMax: 256,
  bulkAnswerBytesMax: 1024 * 1024 + 8 * 1024,
  /** Of an answer over a session, what one frame holds. */
  bulkPartBytesMax: 64 * 1024,
  /** Requests that wait for one member, those that it may have open over a session, and over one connection. */
  bulkRequestsPerPeerMax: 64,
  bulkServedPerPeerMax: 32,
  bulkRequestsPerConnectionMax: 16,
  /** Answers that a worker has in memory, of all and of one member, and how long one may take to go out. */
  bulkServingBytesMax: 64 * 1024 * 1024,
  bulkServingBytesPerPeerMax: 16 * 1024 * 1024,
  bulkAnswerTimeoutMs: 60_000,
  /** Connections for bulk with one member in each direction, and members that they are with. */
  bulkConnectionsMax: 4,
  bulkPeersMax: 64,
  /** Grants of a member that open connections: a new one takes the place of that before it while both count. */
  bulkGrantsPerPeerMax: 2,
  /** From an address: all that the two grants of one member open, and as many for each further member there. */
  bulkConnectionsPerAddressMax: 8,
  /** From a first packet to a connection that shows a grant. */
  bulkHandshakeTimeoutMs: 5_000,
  bulkIdleTimeoutMs: 15_000,
  /** DER of a certificate that a member sends. */
  bulkCertificateBytesMax: 1024,
  /** What an authority for bulk signs, and for how long a grant opens connections. */
  bulkAuthorityMs: 86_400_000,
  bulkGrantMs: 3_600_000,
  /** Age of a grant at which who uses it asks for the next. */
  bulkRenewMs: 3_000_000,
  /** Grants that one member may ask for, and how many at once. */
  bulkGrantsPerPeerPerSecond: 1,
  bulkGrantsPerPeerBurst: 8,
  /** From an ask to connections that are up. */
  bulkOpenTimeoutMs: 15_000,
  /** A worker that does not answer so many of these in a row is ended. */
  bulkHeartbeatMs: 1_000,
  bulkHeartbeatsMissedMax: 4,
  /** Connections on which nothing comes for so long, while something was asked for, are given up. */
  bulkStallMs: 5_000,
  /** From the start of a worker to its word that it listens, the trial of its driver included. */
  bulkStartTimeoutMs: 30_000,
  /** A worker that nobody needs for so long is ended until somebody does. */
  bulkIdleWorkerMs: 60_000,
  /** A worker of half of its authority's time is ended when nothing was asked for so long. */
  bulkQuietMs: 5_000,
  /** After the start of a node until the driver of bulk is tried for the log, where nobody has needed it before. */
  bulkTrialDelayMs: 20_000,
  /** Pauses before a worker, or connections to one member, are tried again: doubled from fault to fault. */
  bulkRetryMsMin: 1_000,
  bulkRetryMsMax: 60_000,
  /** How often sessions are held against the dates of their certificates, beside at their ends: a clock may step. */
  sessionCheckMs: 800,
  idleTimeoutMs: 15_000,
  /**
   * Of a frame that has begun, frameProgressBytes or what is left must come within this time, again and again, or
   * the session is closed: a long frame on a slow link goes on, what only trickles does not.
   */
  frameTimeoutMs: 20_000,
  frameProgressBytes: 64 * 1024,
  /** Peers whose sessions have figures of their own among the metrics: some 30 series each. */
  metricsPeersMax: 100,
  /** Back-off of dialling a peer: the first pause, doubled up to the last; half of it is jitter. */
  redialMsMin: 200,
  redialMsMax: 5_000,
  /** Unreliable datagrams of one session that wait in either direction; more are dropped, as they may be. */
  datagramQueueMax: 256,

  // Relays and paths, local
  relay: RELAY_LIMITS,
  paths: PATH_LIMITS,

  // Objects
  ...OBJECT_LIMITS,

  // Sync, local
  syncResponseBytesMax: 6 * 1024 * 1024,
  syncResponseBlocksMax: 512,
  /** Of a run that is served, what is read in one go; then everything else has its turn. */
  syncSliceLookupsMax: 192,
  syncSliceBytesMax: 1024 * 1024,
  /** Pause between two slices, so that serving never takes the whole of the event loop. */
  syncSlicePauseMs: 4,
  fetchBatchesMax: 512,
  /** Blocks and batches asked of one peer and not answered that are remembered; others are not taken. */
  fetchesOpenPerPeer: 2048,
  requestTimeoutMs: 2_000,
  /** Bytes a peer may be served per second from sync, to keep consensus fed. */
  syncServeBytesPerSecond: 64 * 1024 * 1024,
  /** What looking something up costs a peer of that rate, whether or not it is found. */
  syncLookupCostBytes: 4096,

  // HTTP API, local
  httpBodyBytesMax: 1024 * 1024 + 8192,
  httpPageMax: 1000,
  httpPageDefault: 100,
  /** Streams, and of them those of one client (src/node/api/shares.ts says who that is). */
  httpSubscribersMax: 2_200,
  httpClientSubscribersMax: 1_100,
  httpWaitMsMax: 30_000,
  /** Events, or rows, of one page; their text is up to three times as long. */
  httpPageBytesMax: 1024 * 1024,
  /** Events that a subscriber is sent at a time, and so what waits for it; one event always goes. */
  httpSubscriberBytesMax: 64 * 1024,
  /** Messages that subscribers have not taken yet, over all: past it who has waited longest is dropped. */
  httpStreamBytesMax: 64 * 1024 * 1024,
  /** Pieces of messages that are kept to be sent to every subscriber at that place. */
  httpStreamPagesMax: 16,
  /** Answers that clients have not taken yet, over all connections; and those of one client. */
  httpOutgoingBytesMax: 64 * 1024 * 1024,
  httpClientOutgoingBytesMax: 32 * 1024 * 1024,
  /** Bodies of requests that are read or worked on, over all connections; and those of one client. */
  httpIncomingBytesMax: 64 * 1024 * 1024,
  httpClientIncomingBytesMax: 32 * 1024 * 1024,
  /** Answers up to this size are given even when the others have reached their bound. */
  httpSmallAnswerBytesMax: 16 * 1024,
  cursorBytesMax: 512,
  httpHeaderBytesMax: 16 * 1024,
  httpUrlBytesMax: 4096,
  httpHeadersTimeoutMs: 5_000,
  /** A request, body and all, must have arrived within this time. */
  httpRequestTimeoutMs: 10_000,
  httpIdleTimeoutMs: 30_000,
  httpConnectionsMax: 4096,
  httpClientConnectionsMax: 2048,
  /** Requests that wait for an outcome or a height at one time; and those of one client. */
  httpWaitersMax: 2048,
  httpClientWaitersMax: 1024,
  /** Requests that are worked on at one time where the work is long (pages, scans, proofs); of one client. */
  httpWorkMax: 8,
  httpClientWorkMax: 2,
  /** How long a request waits for such a place. */
  httpWorkWaitMs: 5_000,
  /** How long a proof is waited for when the asker does not say. */
  httpProofWaitMs: 5_000,
  httpHeartbeatMs: 10_000,
  /** Who has not taken an answer in this time, or a subscriber its next events, is dropped. */
  httpStallMsMax: 60_000,
  /** Entries that one filtered page may pass over before it answers with what it has. */
  httpScanMax: 2_000,

  // Audit, local
  /** Of final blocks that are served for an audit in one answer; the first one always goes. */
  auditBytesMax: 1024 * 1024,
  auditBlocksMax: 256,
  /** Rows read for one answer, so that everything else in the node waits for a few milliseconds only. */
  auditLookupsMax: 1024,
  /** Blocks whose signatures are being checked ahead of the one that is executed, and their bytes. */
  auditAheadBlocksMax: 256,
  auditAheadBytesMax: 16 * 1024 * 1024,
  /** Findings that an audit lists; it counts the others. */
  auditFindingsMax: 100,
  /** States that audits keep for going on, and for how long after their last use. */
  auditStatesMax: 16,
  auditStateAgeMsMax: 60 * 86_400_000,
  /** Rows that two heights may differ in and are still compared. */
  replayRowsMax: 1_000_000,

  // Command, local
  /** A node that has not said how it is within this time counts as one that hangs. */
  cliStatusMsMax: 2_000,
  /** How long `nexus dev kill` may keep a node down, and a request to a running `nexus dev`. */
  devHoldMsMax: 3_600_000,
  devRequestBytesMax: 4096,
  devAnswerMsMax: 10_000,
  /** A configuration file. */
  configBytesMax: 64 * 1024,
  passphraseBytesMax: 1024,
  /** Characters of one text in a log. */
  logTextMax: 2048,
  /** One row of a backup: a block is the largest. */
  backupKeyBytesMax: 1024,
  backupValueBytesMax: 8 * 1024 * 1024,
  /** Rows that a restore gives the store at a time. */
  restoreWriteBytes: 1024 * 1024,
  /** Peers that a node's configuration names; the longest that a name in an address may be. */
  namedPeersMax: 32,
  namedPeerBytesMax: 256,
  /** Bytes of one request to the admin socket, and how long a request or an answer may stand still. */
  adminRequestBytesMax: 16 * 1024,
  adminStallMsMax: 60_000,
  /** A TLS key or certificate in PEM. */
  pemBytesMax: 64 * 1024,

  // Clients, local
  /** Bytes of an answer: a page with its proofs; what is longer is not read. */
  clientAnswerBytesMax: 16 * 1024 * 1024,
  /** Characters of one stream message: an event of 60 KiB in base64, twice, with room. */
  clientMessageCharactersMax: 1024 * 1024,
  /** A node that answers nothing for this long is left for the next one. */
  clientRequestMsMax: 15_000,
  /** Silence of a stream, whose node sends a comment every httpHeartbeatMs: the connection is dead. */
  clientSilenceMsMax: 25_000,
  /** Verdicts on signatures that a client remembers. */
  clientVerifiedSignatures: 4096,
  /** The most effort that a client makes for one batch where it is not told otherwise: some minutes. */
  clientWorkEffortMax: 16_384,
  /** Nodes that one client knows. */
  clientNodesMax: 64,
  /** How old the newest header may be, by this machine's clock, unless the program says otherwise. */
  clientMaxAgeMs: 10 * 60_000,
  /** Pages without an item in a row: those of a filter that passes over twenty million events. */
  clientEmptyPagesMax: 10_000,
  /** Events of a stream that wait to be proven: then they are, without waiting for the next checkpoint. */
  clientUnprovenEventsMax: 512,
  clientUnprovenBytesMax: 8 * 1024 * 1024,

  // Proof bundles: part of version 1 of their format
  /** Characters of a bundle's text. */
  proofTextMax: 32 * 1024 * 1024,
  /** Epochs that one bundle may span: who trusts an older set goes on from checkpoint to checkpoint. */
  proofLinksMax: 1024,
  /** Bytes of the links that a node puts into a bundle, and remembers: past it one goes on from a boundary. Local. */
  setStepBytesMax: 6 * 1024 * 1024,
  /** Answers of one walk along the sets, and steps of a file of them. Local. */
  setStepsMax: 1024,
  /** Sets of a walk, the newest, that may have signed a checkpoint which is read beside it; steps not joined. Local. */
  setPoliciesMax: 16,
  /** Characters of a file of steps. Local. */
  setsFileMax: 256 * 1024 * 1024,
  /** Events, or rows, of one bundle. */
  proofItemsMax: 1000,
  /**
   * States that a node holds until a certified header commits to one, and so the snapshots of its store:
   * a header commits to a state at most executionLagMax behind it. Local.
   */
  proofSnapshotsMax: 18,
  /** Events behind the newest state beyond which a state that newer proofs have passed is not held. Local. */
  proofSnapshotEventsMax: 2048,
  /** Memory for what was written over since the oldest state that is held; beyond, that one is given up. Local. */
  snapshotBytesMax: 128 * 1024 * 1024,

  /** Memory for the lower nodes of all projections' trees together (adr/0013). Local. */
  nodeArenaBytesMax: 32 * 1024 * 1024,

  // Checkpoints, local
  /** A note with as many signatures as clients in the wild read. */
  noteSignaturesMax: 100,
  noteBytesMax: 512 * 1024,
  /** Cosignatures that are kept of each validator: of the newest sizes. */
  cosignaturesKept: 4,
  /** Cosignatures of one peer that wait to be checked, and how many it may send a second. */
  cosignaturesPendingMax: 4,
  cosignaturesPerSecond: 4,
  /** The last second that a checkpoint may state: the end of the year 9999. R: nodes refuse a frame, clients a note. */
  checkpointTimeSMax: 253_402_300_799,
  /** While the log does not grow, its checkpoint is signed again with a new time this often. */
  checkpointRefreshMs: 60_000,
  /** How often a node writes the newest checkpoint into its folder, for its next start. */
  checkpointKeepMs: 30_000,

  // Simulator, local
  /** What a scenario may say, which comes from a file of anybody's; each is the greatest value allowed. */
  simScenario: {
    nodesMax: 256,
    faultsMax: 1_000,
    adversariesMax: 256,
    /** 31 days of virtual time. */
    spanMsMax: 2_678_400_000,
    fileCharactersMax: 1_048_576,
    nameCharactersMax: 120,
    aboutCharactersMax: 600,
    markCharactersMax: 120,
    marksMax: 64,
    haltsMax: 64,
    groupsMax: 16,
    weightMax: 1_000_000_000,
    clientsMax: 64,
    batchesPerSecondMax: 10_000,
    /** Below batchEventsMax: the simulator adds a few of its own. */
    eventsPerBatchMax: 1_000,
    bodyBytesMax: 16_000,
    /** Of all events of a batch, below batchBytesMax: what the simulator adds, lengths and proofs take the rest. */
    batchEventBytesMax: 1_000_000,
    floodBatchesMax: 256,
    pipelineMax: 16,
    /** Of one operation of a disk, a signer or a link. */
    operationUsMax: 60_000_000,
    /** Of sessions, and of what is added to each way. */
    sessionMsMax: 600_000,
    /** Down times, wrong clocks, and what is waited for after the heal. */
    dayMsMax: 86_400_000,
    driftPpmMax: 100_000,
    bytesPerMsMax: 1_000_000_000,
    bytesMax: 1_000_000_000,
    nthMax: 1_000_000,
    factorMax: 100_000,
    viewMax: 1_000_000_000,
  },
  /** Lines of the file with the whole timeline of a run. */
  simTimelineLinesMax: 1_000_000,
  /** Messages, and other events, in the picture of a run: more is slow to look at. */
  simPictureMessagesMax: 8_000,
  simPictureEventsMax: 4_000,
  /** A run of a swarm that takes longer than this hangs. */
  simRunMsMax: 600_000,
  /** Threads of a swarm. */
  simWorkersMax: 64,
  /** Seeds of scenarios on a command line: below this. From 10^12 on they are of chains with stake. */
  simSeedsMax: 2 ** 48,
  /** Seeds that a swarm keeps of each failure, and of all failures of one invariant: each has a message of its own. */
  simKeptSeedsMax: 5,
  simKeptInvariantMax: 40,
  /** MiB that rows of simulated disks may take of memory. */
  simRowMemoryMibMax: 1_048_576,

  // Retention, local
  /** A finalization certificate outside this window is kept only for every 64th height and boundaries. */
  certificateWindowHeights: 4096,
  certificateKeepEvery: 64,
} as const;
