/**
 * The one table of errors: a stable code, what it means over HTTP (RFC 9457), the exit code of the
 * command, whether trying again can help, and what happens to a peer that caused it.
 *
 * Exit codes: 0 ok, 1 usage or refused input, 2 verification failed, 3 cannot verify, 4 unreachable,
 * 5 conflict, 10 crash found, 11 liveness lost, 12 correctness lost (simulator), 70 internal.
 */

/** What a node does to the peer that sent the offending bytes. */
export type PeerAction = "none" | "ignore" | "disconnect" | "evidence";

export type ErrorSpec = {
  readonly title: string;
  readonly status: number;
  readonly exitCode: number;
  readonly retryable: boolean;
  readonly peer: PeerAction;
};

const spec = (
  title: string,
  status: number,
  exitCode: number,
  peer: PeerAction = "none",
  retryable = false,
): ErrorSpec => ({ title, status, exitCode, retryable, peer });

export const ERRORS = {
  // Encoding
  "encoding.malformed": spec("Bytes are not a canonical encoding", 400, 1, "disconnect"),
  "encoding.version": spec("Unknown encoding version", 400, 1, "disconnect"),

  // Batches, checked at admission and in the validity predicate
  "batch.empty": spec("A batch needs at least one event", 400, 1, "disconnect"),
  "batch.too-many-events": spec("A batch holds at most 1024 events", 400, 1, "disconnect"),
  "batch.too-costly": spec(
    "The checks that a batch asks for are at most 64 units",
    413,
    1,
    "disconnect",
  ),
  "batch.too-large": spec("A batch is at most 1 MiB", 413, 1, "disconnect"),
  "batch.event-too-large": spec("An event is at most 60 KiB", 413, 1, "disconnect"),
  "batch.wrong-chain": spec("The batch names another chain", 400, 1, "disconnect"),
  "batch.proofs-unsupported": spec(
    "The batch carries a proof that the chain does not ask for",
    400,
    1,
    "disconnect",
  ),
  "batch.events-root": spec("The events do not hash to the signed root", 400, 1, "disconnect"),
  "batch.ref-future": spec("The referenced block does not exist yet", 409, 5, "ignore", true),
  "batch.ref-not-grid": spec("The referenced height is not a grid height", 400, 1, "disconnect"),
  "batch.ref-mismatch": spec("The referenced hash is not of this chain", 409, 5, "ignore"),
  "batch.expired": spec("The batch's reference is too old", 409, 5, "ignore"),
  "batch.lane-gap": spec("Earlier batches of this lane are missing", 409, 5, "ignore", true),
  "batch.lane-fork": spec("Another batch has this place in the lane", 409, 5, "ignore"),
  "batch.lane-replay": spec("This place in the lane is already committed", 409, 5, "ignore"),
  "batch.signature": spec("The signature is not by the batch's actor", 401, 2, "disconnect"),
  "batch.unknown-actor": spec("The actor is not registered", 403, 1, "ignore"),
  "batch.unknown-event-type": spec("No such event type and version", 400, 1, "ignore"),
  "batch.bad-payload": spec("The payload does not fit the event's schema", 400, 1, "ignore"),
  "batch.not-found": spec("No such batch", 404, 1),

  // Outcomes decided at execution
  "event.forbidden": spec("The actor may not write this event type", 403, 1),
  "event.unknown-actor": spec("The actor is not registered", 403, 1),
  "event.conflict": spec("The event contradicts the current state", 409, 5),
  "event.invalid": spec("The event breaks a rule of its projection", 422, 1),
  "event.unknown-type": spec("No such event type and version", 400, 1),
  "event.bad-payload": spec("The payload does not fit the event's schema", 400, 1),

  // Stake and who may be a validator
  "stake.insufficient": spec("Not that much stake", 409, 5),
  "stake.full": spec("A limit on stake, holders or candidates is reached", 409, 5),
  "stake.locked": spec("The stake has not been away for long enough", 409, 5),
  "stake.jailed": spec("The time in jail is not over", 409, 5),
  "stake.possession": spec("The new validator's key has not signed for its owner", 422, 2),

  // Certificates: a request, and what an issuer makes of it
  "ca.csr-malformed": spec("The request is not PKCS#10 in DER", 422, 1),
  "ca.csr-too-large": spec("The certification request is over the limit", 413, 1),
  "ca.csr-algorithm": spec("The request is signed by an algorithm that is not taken", 422, 1),
  "ca.csr-signature": spec("The request is not signed by its own key", 422, 2),
  "ca.csr-extension": spec("The request asks for more than names", 422, 1),
  "ca.key-refused": spec("The key's kind or size gets no certificate", 422, 1),
  "ca.name-missing": spec("The request asks for no names", 422, 1),
  "ca.name-refused": spec("A name is not one that a certificate may have", 422, 1),
  "ca.name-ipv4": spec("IPv4 addresses get no certificates", 422, 1),
  "ca.name-wildcard": spec("Wildcards get no certificates", 422, 1),
  "ca.names-too-many": spec("The request asks for too many names", 422, 1),
  "ca.lifetime": spec("The lifetime asked for is out of range", 422, 1),
  "ca.profile-unknown": spec("No such profile of certificates", 422, 1),
  "ca.issuer-unknown": spec("No such issuer of certificates", 404, 1),
  "ca.issuer-foreign": spec("The issuer is another actor's", 403, 1),
  "ca.queue-full": spec("Too many requests wait for the issuer", 503, 4, "none", true),
  "ca.request-shape": spec("Not a batch of one certificate request", 400, 1),
  "ca.request-unknown": spec("No such certificate request", 404, 1),
  "ca.request-settled": spec("The request has its answer already", 409, 5),
  "ca.serial-used": spec("The serial number is not unique", 409, 5),
  "ca.certificate-invalid": spec("Not the certificate that was asked for", 422, 2),
  "ca.certificate-untimely": spec("The certificate's dates do not fit ledger time", 422, 2),
  "ca.certificate-signature": spec("The issuer's signature does not verify", 422, 2),

  // Blocks and proposals
  "block.too-large": spec("A block is at most 4 MiB", 413, 1, "disconnect"),
  "block.too-many-batches": spec("A block names at most 4096 batches", 413, 1, "disconnect"),
  "block.too-many-events": spec("A block holds at most 8192 events", 413, 1, "ignore"),
  "block.too-costly": spec(
    "The checks that a block asks for are at most 128 units",
    413,
    1,
    "ignore",
  ),
  "block.wrong-chain": spec("The header names another chain", 400, 2, "disconnect"),
  "block.header": spec("A header field breaks its rule", 400, 2, "ignore"),
  "block.batches-root": spec("The batches do not hash to the header's root", 400, 2, "ignore"),
  "block.batch-order": spec("Batches are not in canonical order", 400, 2, "ignore"),
  "block.batch-invalid": spec("A batch of the block is invalid", 400, 2, "ignore"),
  "block.wrong-root": spec(
    "The header states a root that execution does not give",
    400,
    2,
    "ignore",
  ),
  "block.not-found": spec("No final block has this height here", 404, 1),
  "block.no-certificate": spec("The block has no finalization certificate of its own", 404, 3),
  "block.untimely": spec("The header's time is outside the live window", 400, 2, "ignore"),
  "block.next-set": spec("The boundary header names the wrong next set", 400, 2, "ignore"),

  // Consensus messages
  "consensus.not-leader": spec(
    "A proposal by a validator that does not lead the view",
    400,
    2,
    "ignore",
  ),
  "consensus.view-ahead": spec("A vote for a view too far ahead", 400, 2, "ignore"),
  "consensus.stale": spec("A message for a view that is already final", 400, 2, "ignore"),
  "consensus.wrong-epoch": spec("A message of another epoch", 400, 2, "ignore"),
  "consensus.unknown-signer": spec("The signer is not in the set", 400, 2, "disconnect"),
  "consensus.signature": spec("A consensus signature does not verify", 400, 2, "disconnect"),
  "consensus.rate": spec("Too many certificates from one peer", 429, 2, "ignore"),
  "certificate.duplicate-signer": spec("A certificate counts a signer twice", 400, 2, "disconnect"),
  "certificate.sub-quorum": spec(
    "A certificate's weight is below the quorum",
    400,
    2,
    "disconnect",
  ),
  "certificate.wrong-epoch": spec("A certificate of another epoch's set", 400, 2, "ignore"),
  "certificate.signature": spec(
    "A signature in a certificate does not verify",
    400,
    2,
    "disconnect",
  ),
  "sync.mismatch": spec("What a peer served is not what was certified", 400, 2, "disconnect"),
  "evidence.invalid": spec("The statements do not conflict or do not verify", 400, 2, "disconnect"),
  "evidence.known": spec("This evidence is already in the log", 409, 5, "ignore"),

  // Proofs that a client checks
  "checkpoint.malformed": spec("Not a signed checkpoint", 422, 2),
  "checkpoint.foreign": spec("The checkpoint is of another log", 422, 2),
  "checkpoint.signature": spec("A signature on the checkpoint fails", 422, 2, "disconnect"),
  "checkpoint.quorum": spec("The checkpoint lacks signatures of a quorum", 422, 3),
  "checkpoint.inconsistent": spec("Two checkpoints are not of one growing log", 422, 2),
  "checkpoint.conflict": spec("Another root is signed for this size of the log", 500, 2),
  "checkpoint.pending": spec("No checkpoint has a quorum of signatures yet", 503, 4, "none", true),
  "proof.invalid": spec("The proof does not show what it is shown for", 422, 2),
  "proof.pending": spec("No certified header commits to this yet", 503, 4, "none", true),
  "proof.too-long": spec("The proof would span too many epochs", 400, 1),
  "proof.malformed": spec("Not a proof bundle in its one format", 422, 2),
  "proof.untrusted": spec("The proof is of another chain than the trusted one", 422, 2),
  "proof.unanchored": spec("The proof does not reach what is trusted", 422, 3),
  "proof.version": spec("The proof is in a format that this version does not know", 422, 3),
  "proof.unreadable": spec("A file of the proof cannot be read", 400, 3),
  "proof.trust": spec("Not a genesis and not a checkpoint to trust", 400, 3),

  // Proofs of work
  "work.missing": spec("The chain asks for work and the batch carries none", 422, 2, "disconnect"),
  "work.malformed": spec("Not a proof of work in its one format", 422, 2, "disconnect"),
  "work.insufficient": spec("The proof states less effort than is required", 422, 2, "disconnect"),
  "work.effort": spec(
    "The hash of the work does not fit the effort that is stated",
    422,
    2,
    "disconnect",
  ),
  "work.solution": spec("The indices do not solve the puzzle", 422, 2, "disconnect"),
  "work.too-dear": spec("The chain asks for more work than this client will do", 422, 3),
  "work.shares": spec("The opened slots do not show the shares that are claimed", 422, 2),
  "work.unknown": spec("No commitment to such shares is there", 404, 1),
  "work.stale": spec("The shares are of an epoch that is over, or not begun", 409, 5),
  "work.early": spec("The challenge of the shares is not drawn yet", 409, 5, "none", true),
  "work.repeated": spec("The log has this commitment or part already", 409, 5),
  "work.failed": spec("The shares were opened falsely, and are not looked at again", 409, 2),
  "work.foreign": spec("The work was done for something else", 422, 2),
  "work.unreadable": spec("A file of work cannot be read or written", 400, 3),

  // Proofs of elapsed time, and the beacon
  "time.unknown": spec("No commitment to such a run is there", 404, 1),
  "time.stale": spec("The run is of an epoch that is over, or not begun", 409, 5),
  "time.early": spec("The challenge of the run is not drawn yet", 409, 5, "none", true),
  "time.repeated": spec("The log has this commitment or part already", 409, 5),
  "time.failed": spec("The run was answered falsely, and is not looked at again", 409, 2),
  "time.short": spec("The run has fewer leaves than an epoch asks for", 422, 2),
  "time.not-member": spec("The run is not shared by this validator", 403, 2),
  "time.parameters": spec("Parameters of a time proof are out of range", 422, 1),
  "time.commitment": spec("Not the commitment of a run", 422, 2),
  "time.proof-malformed": spec("Not a time proof in its one encoding", 422, 2),
  "time.proof-invalid": spec("The time proof does not lead to its commitment", 422, 2),
  "time.block-unknown": spec("The run has not taken in that block", 404, 1),
  "time.foreign": spec("The time proof is not about what was asked", 409, 2),
  "time.state": spec("The kept state of a run cannot be used", 409, 3),
  "time.delay-invalid": spec("The checkpoints are not those of the delay", 422, 2),
  "beacon.not-usable": spec("The iVRF key is not usable at that height", 409, 2, "ignore"),
  "beacon.key-missing": spec("The node does not hold the iVRF key that it registered", 503, 3),
  "beacon.reveal-missing": spec("The proposer must reveal its iVRF value", 422, 2, "ignore"),
  "beacon.reveal-superfluous": spec("No iVRF value is due at that height", 422, 2, "ignore"),
  "beacon.reveal-malformed": spec("Not an iVRF reveal of this depth", 400, 2, "disconnect"),
  "beacon.reveal-invalid": spec("The reveal is not of the registered iVRF key", 400, 2, "ignore"),

  "epoch-key.missing": spec("The node does not hold the key that it must sign with", 503, 3),

  // Transport
  "transport.frame-too-large": spec("A frame is over its class's limit", 413, 4, "disconnect"),
  "transport.frame-timeout": spec("A frame was not completed in time", 408, 4, "disconnect"),
  "transport.peer-unknown": spec(
    "The peer's certificate is not pinned by this chain",
    403,
    4,
    "disconnect",
  ),
  "transport.certificate-expired": spec(
    "The peer's certificate is outside its dates",
    403,
    4,
    "disconnect",
  ),
  "transport.no-certificate": spec("The peer showed no certificate", 403, 4, "disconnect"),
  "transport.ipv4": spec("IPv4 peers are refused", 403, 1, "disconnect"),
  "transport.address": spec("The address has no IPv6 form", 400, 1),
  "transport.protocol": spec(
    "The peer broke a rule of QUIC, of TLS or of our streams",
    400,
    4,
    "disconnect",
  ),
  "transport.driver-failed": spec(
    "The QUIC driver of sessions has failed and is opened anew, or cannot begin a dial",
    503,
    4,
    "none",
    true,
  ),
  "transport.peer-quarantined": spec("The peer is in quarantine", 403, 4, "disconnect"),

  // Sessions between nodes: the post-quantum handshake and sealed records
  "session.version": spec("The peer speaks another version of sessions", 400, 4, "disconnect"),
  "session.features": spec("The peer lacks what every session must have", 400, 4, "disconnect"),
  "session.malformed": spec("Not the next message of the handshake", 400, 4, "disconnect"),
  "session.reflected": spec("The peer answers with what we said", 403, 4, "disconnect"),
  "session.identity": spec("The FALCON key is not that of the peer's node", 403, 4, "disconnect"),
  "session.rate": spec("Too many handshakes or sealed records", 429, 4, "disconnect", true),
  "session.kem-key": spec("Not an ML-KEM-1024 key", 400, 4, "disconnect"),
  "session.confirmation": spec("The peer has not this session's key", 403, 4, "disconnect"),
  "session.signature": spec("The signature is not over this session", 403, 4, "disconnect"),
  "session.timeout": spec("The handshake was not completed in time", 408, 4, "disconnect", true),
  "session.unsealed": spec("A sealed record does not open", 403, 4, "disconnect"),
  "session.exhausted": spec("A session's records are used up", 503, 4, "disconnect", true),

  // Bulk
  "bulk.not-found": spec("The member has not what was asked for", 404, 1),
  "bulk.timeout": spec("The member did not answer in time", 408, 4, "none", true),
  "bulk.unreachable": spec("No complete session with that member", 503, 4, "none", true),
  "bulk.malformed": spec("Not a request, an answer or a note of bulk", 400, 4, "disconnect"),
  "bulk.certificate": spec("A grant's certificate is not taken", 403, 4, "ignore"),

  // Objects
  "object.too-large": spec("An object is at most 16 GiB", 413, 1, "ignore"),
  "object.mismatch": spec("The bytes are not those of the object", 422, 2, "ignore"),
  "object.not-found": spec("No connected member has the object", 404, 1),
  "object.stalled": spec("No member gives what is missing of the object", 504, 4, "none", true),
  "object.no-room": spec("The objects of this node leave no room", 507, 1),
  "object.order": spec("Not an order that this node takes", 403, 1),
  "object.order-signature": spec("The order is not signed by its actor", 401, 2),
  "object.not-ordered": spec("No actor has had the node keep the object", 409, 5),
  "object.damaged": spec("Chunks of an object have changed on the disk", 409, 2),

  // Relays between nodes
  "relay.malformed": spec("Not a datagram between node and relay", 400, 4, "disconnect"),
  "relay.not-offered": spec("The node is no relay", 403, 4, "ignore"),
  "relay.not-member": spec("Only members are relayed, to other members", 403, 4, "ignore"),
  "relay.not-here": spec("The relay has no session with that member", 404, 4, "ignore", true),
  "relay.rate": spec("Too many relayed sessions are opened", 429, 4, "ignore", true),
  "relay.full": spec("The relay has no room for another session", 503, 4, "ignore", true),

  // API
  "http.body-too-large": spec("The body is over the limit", 413, 1),
  "http.unknown-parameter": spec("Unknown query parameter", 400, 1),
  "http.bad-parameter": spec("A parameter has a bad value", 400, 1),
  "http.bad-cursor": spec("The cursor was not made by this API", 400, 1),
  "http.not-found": spec("No such resource", 404, 1),
  "http.method": spec("The method is not allowed here", 405, 1),
  "http.media-type": spec("The media type is not supported", 415, 1),
  "http.host": spec("The Host header does not name this API", 421, 1),
  "http.malformed": spec("The request is not valid HTTP", 400, 1),
  "http.header-too-large": spec("The request's headers are over the limit", 431, 1),
  "http.request-timeout": spec("The request did not arrive in time", 408, 4, "none", true),
  "http.behind": spec("The node has not executed that height yet", 504, 4, "none", true),
  "http.height-gone": spec("The state at that height is not held any more", 410, 3),
  "http.idempotency": spec("The Idempotency-Key is not the id of the batch", 422, 1),
  "http.timeout": spec("The wait ended before the outcome was known", 504, 4, "none", true),
  "node.overloaded": spec("The node holds as much as it can at the moment", 503, 4, "none", true),
  "node.not-ready": spec("The node is not ready", 503, 4, "none", true),
  "node.stopping": spec("The node is stopping", 503, 4, "none", true),
  "node.not-voting": spec("The node refuses to vote", 503, 3),

  // Clients
  "client.bad-answer": spec("The answer of a node is not of this API", 502, 4),
  "client.stream-too-large": spec("A stream is longer than what can wait in memory", 413, 1),
  "trust.inconsistent": spec("The log contradicts what this client has verified before", 409, 2),
  "trust.behind": spec("The node is behind what this client has verified", 503, 4, "none", true),
  "trust.state": spec("The kept state of a client cannot be read", 500, 3),

  // Command line and configuration
  "cli.usage": spec("Wrong usage", 400, 1),
  "cli.unreachable": spec("No node answers", 503, 4, "none", true),
  "config.invalid": spec("The configuration is not valid", 400, 1),
  "doctor.failed": spec("A check of a node failed", 409, 1),
  "verify.failed": spec("A check of a network failed", 409, 2),
  "tour.failed": spec("A step of the tour has not shown what it claims", 409, 2),
  "config.genesis": spec("The genesis is not valid", 400, 1),
  "folder.locked": spec("Another process uses this folder", 409, 5),
  "folder.foreign": spec("The folder belongs to another chain or node", 409, 5),
  "folder.format": spec("The folder was written in another storage format", 409, 5),
  "key.modes": spec("A key file is readable by others", 403, 1),
  "key.invalid": spec("A key file cannot be read", 400, 1),
  "key.development": spec("A development key is not for this network", 403, 1),
  "key.exists": spec("A key file is already there", 409, 5),
  "votes.missing": spec("The vote store is missing", 409, 3),
  "votes.behind": spec("Peers know a later statement of this key", 409, 3),
  "votes.foreign-statement": spec("Another process signs with this key", 409, 3),

  // Backups
  "backup.invalid": spec("A backup is damaged, or no backup", 422, 2),
  "backup.refused": spec("The data cannot be backed up now", 409, 5, "none", true),
  // Audit
  "audit.mismatch": spec("What was audited is not what the log and the rules give", 409, 2),
  "audit.unverified": spec("The audit could not be made or not be finished", 503, 3),

  // Proofs of space
  "space.parameters": spec("The parameters of proofs of space are out of range", 400, 1),
  "space.proof-shape": spec(
    "Not a proof of space of the form that was asked for",
    400,
    2,
    "disconnect",
  ),
  "space.proof-path": spec(
    "An opened node is not in the sector's commitment",
    400,
    2,
    "disconnect",
  ),
  "space.proof-label": spec("A label does not follow from those of its parents", 400, 2),
  "space.proof-foreign": spec("The proof is of another sector, chain or challenge", 409, 2),
  "space.sector": spec("A sector file cannot be read", 422, 3),
  "space.damaged": spec("A part of a sector is damaged or missing", 409, 2),
  "space.layers": spec("The layers that an admission is proven from are not there", 409, 3),
  "space.conflict": spec("Another sector is there, or being made", 409, 5),
  "space.beacon": spec("The beacon of the sector is not one that the chain still knows", 409, 1),
  "space.sector-known": spec("The validator has or had a sector of this number", 409, 5),
  "space.sector-unknown": spec("The validator has no such sector", 404, 1, "ignore"),
  "space.sectors-full": spec("The validator has as many sectors as it may", 409, 1),
  "space.seed-pending": spec("The challenge is not drawn yet", 409, 5, "none", true),
  "space.stale": spec("The proof of space came too late, or is of another epoch", 409, 2),
  "space.part": spec("Not the next part of the proof", 409, 5),
  "space.missing": spec("A proof of space that is due is not there", 422, 2, "ignore"),
  "space.superfluous": spec("A proof of space that is not due", 422, 2, "ignore"),
  "space.no-host": spec("This node has no sector to host a batch with", 503, 4, "none", true),
  "space.memory": spec("Not enough memory to make the sector", 507, 1),

  // Network location
  "location.parameters": spec("The parameters of network location are out of range", 400, 1),
  "location.stale": spec("The receipts are of another epoch than the running one", 409, 2),
  "location.zone-unknown": spec("The chain has no such zone", 404, 1),
  "location.not-member": spec("Prover or witness is not in the set of the epoch", 403, 2),
  "location.own-receipt": spec("A validator is no witness of its own place", 422, 2),
  "location.too-far": spec("A receipt states a longer time than the zone allows", 422, 2),
  "location.too-few": spec("The witnesses hold no more than a third of the power", 422, 2),
  "location.part": spec("Not the next part of the certificate", 409, 5),
  "location.repeated": spec("The validator has a certificate of this epoch", 409, 5),
  "location.failed": spec("A receipt was false: no other is looked at in this epoch", 409, 2),
  "location.receipt-invalid": spec("The signature of a receipt does not verify", 422, 2),
  "location.sector": spec(
    "The sector does not count for the prover in this epoch",
    404,
    2,
    "ignore",
  ),
  "location.answer": spec(
    "An answer does not open the labels that were asked for",
    422,
    2,
    "ignore",
  ),
  "location.unasked": spec("A message of a measurement that is not under way", 409, 5, "ignore"),
  "location.rate": spec("Too many measurements in one epoch", 429, 5, "ignore"),

  // Simulator
  "sim.crash": spec("A node of a simulated network has thrown", 500, 10),
  "sim.liveness": spec("A simulated network has stopped making progress", 500, 11),
  "sim.correctness": spec("A simulated network has broken an invariant", 500, 12),
  "sim.scenario": spec("Not a scenario that can be run", 400, 1),
  "sim.module": spec("The module of --with cannot be used", 400, 1),
  "sim.passes": spec("The scenario does not fail: there is nothing to shrink", 409, 1),
  "sim.source": spec("Mutants need a source tree, which a package has not", 409, 1),
  "sim.survived": spec("A planted bug was not caught", 409, 2),

  // Storage
  "store.full": spec("No room on the disk", 507, 4, "none", true),
  "store.corrupt": spec("Stored bytes fail their check", 500, 3),
  "store.io": spec("The disk failed", 500, 4),
  "state.mismatch": spec("This node's roots differ from the network's", 500, 2),
  internal: spec("Internal error", 500, 70),
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;

export const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === "string" && Object.hasOwn(ERRORS, code);

export type ErrorData = Readonly<Record<string, string | number | boolean>>;

/** An error of the table as a value: what pure code returns. */
export type Failure = {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly data?: ErrorData;
};
export type Success<T> = { readonly ok: true; readonly value: T };
export type Result<T> = Success<T> | Failure;

export const ok = <T>(value: T): Success<T> => ({ ok: true, value });

export const fail = (code: ErrorCode, detail: string, data?: ErrorData): Failure =>
  data === undefined ? { ok: false, code, detail } : { ok: false, code, detail, data };

/** An error of the table as an exception: what drivers, the API and the command throw. */
export class TetradError extends Error {
  override readonly name = "TetradError";
  readonly code: ErrorCode;
  readonly data: ErrorData;
  constructor(code: ErrorCode, detail: string, data: ErrorData = {}) {
    super(detail);
    this.code = code;
    this.data = data;
  }
  static from(failure: Failure): TetradError {
    return new TetradError(failure.code, failure.detail, failure.data);
  }
  get spec(): ErrorSpec {
    return ERRORS[this.code];
  }
}
