/**
 * Simplex consensus (Chan and Pass, eprint 2023/463), stake-weighted, for large signatures that do not
 * aggregate. A synchronous, sans-I/O state machine of one epoch: `step(state, input, now)` changes the
 * state and returns effects. It knows no clock, disk, network or key; the replica performs the effects.
 *
 * Notation. The epoch has an ordered set of validators with weights, W in all, Q = floor(2W/3) + 1. Views
 * are 1, 2, …; view 0 is the epoch's start and final. Statements: N(v,h) notarize, S(v) nullify, F(v,h)
 * finalize. A certificate is Q weight of one statement. D_k = min(D0 · 1.5^k, D_max).
 *
 * R0 Persist before send. A decision is recorded before it is signed. A statement and its signature are
 *    durable before it is sent; before it, the block with all its batches (N), the notarization (F), and
 *    every certificate taken in earlier: a view that was left is provably over after any crash.
 *    What is sent again is the stored bytes. (`decide`, `signed`, `durable`.)
 * R1 Propose. On entering v its leader builds on the highest p < v that is notarized and certified (or
 *    final), holding nullification(u) for all p < u < v, else it asks for what is missing. It proposes
 *    when there is work or t_idle has passed. The proposal is its N(v, h): one signature for both. Where
 *    the parent is the epoch's boundary block, or the unfinalized gap is 8, or the execution lag would
 *    pass 16, it re-proposes the parent: at once in the first 64 views above the final one; after them
 *    t_idle after entering, and twice as late with every 64 views more, up to D_max; but at once for
 *    4 t_idle after a validator is back that had long been silent or behind. A leader that cannot build
 *    says S(v).
 * R2 Notarize. In view v, on the first proposal by L(v): N(v,h) iff no own N or S in v, the parent's
 *    notarization is held and certified (or is final), every view between is nullified, the block is
 *    valid and its time was timely on arrival (new blocks only). Definite invalidity: S(v) at once.
 * R3 Advance. A nullification, a certified notarization or a finalization ends its view and all before.
 * R4 Finalize vote. F(v,h) iff notarization(v,h) is certified, own N(v) = h, no own S(v), and L(v) was
 *    not seen to sign two N (two proposals, in whatever messages they came). Tried until something at or
 *    above v is final.
 * R5 Skip vote. S(v) in the current view, never after F(v): on the timer, on the leader's S(v), on an
 *    invalid proposal, for a leader that is quarantined or was silent for t_skip in which a quorum was
 *    heard all the while. After S(v) no N(v) and no F(v). Timers start at the later of entering and the
 *    first work, at most t_idle after entering, but not before a paced re-proposal (R1) may be due: 2 D_k
 *    without a proposal, 3 D_k with one. k counts the views since the last finalization in which our own
 *    timer fired.
 * R6 Commit. finalization(v,h) makes h and its ancestors final.
 * R7 Retry. Stuck: neither finalization nor view change nor own statement of the view for t_r, and the view
 *    is not simply waiting for an idle leader. Then re-send own durable votes of the current view and the
 *    last 8 above the final one and STATUS with bitmaps of the votes held, and ask again for each block
 *    that a certificate or an own N names and that has no verdict; from the second time in a view on, send
 *    the newest finalization and the entry certificate to those who have said nothing of it. A peer answers
 *    STATUS with what is missing there, and nothing is flooded.
 * R8 Bounds. Votes and proposals up to view + 1; one per signer, view and kind is counted; certificates
 *    may be ahead. What is not wanted is dropped before its signature is checked (`wants*`).
 * R9 Epochs. Nothing stands on a boundary block within its epoch: a child of it there is invalid, and only
 *    a boundary block of the epoch itself ends it. When it is final the replica starts the next core.
 *
 * Deviations from the published rules (Chan and Pass; TON's weighted form; commonware's operation):
 * - R0 also holds back a statement until earlier certificates are durable. Without it the model finds a
 *   permanent halt after two crashes, and a fork by two of four that names no culprit (docs/model.md).
 * - An N(v,h) is still cast in the step in which notarization(v,h) arrives, before entering v + 1, where
 *   R2 holds: it adds a possible F(v,h) and signs nothing that R2 would not have allowed a moment before.
 * - "Stuck" also covers the first view after the final one once our own timer fired in it or work waits:
 *   otherwise votes lost there would never be sent again.
 * - Proposals and votes of earlier, unfinalized views are still taken in (a finalization may need them).
 * - Re-proposals are paced (R1). Unpaced, one voter that withholds F while another is away has the rest
 *   open views as fast as the network can, each with its certificates, for as long as it lasts.
 * - Votes of the last 16 finalized views are kept: a late conflicting vote is still evidence.
 * - Who voted for another block than the leader signed here is sent the leader's vote: two proposals of
 *   one view so come to lie with one node, which no certificate would have to bring about.
 */
import { equalBytes, isZero, toHex } from "../../crypto/bytes.ts";
import type { StatementKind } from "../types.ts";
import { answerStatus, askBehind, greetPeer, isStuck, retry } from "./retry.ts";
import {
  acceptBuilt,
  enter,
  nullifyCurrent,
  scheduleRetry,
  scheduleView,
  setFinal,
  settle,
  viewDeadline,
} from "./rules.ts";
import type { CoreState } from "./state.ts";
import {
  activeMs,
  blockIfKnown,
  blockOf,
  createState,
  emit,
  isLeader,
  isQuorumActive,
  openViews,
  ownMessage,
  paceMs,
  viewOf,
} from "./state.ts";
import { needBlock, needOpenBlocks, recordCertificate, recordVote } from "./tally.ts";
import type {
  Certificate,
  CoreInput,
  Effect,
  OwnVote,
  Proposal,
  Recovered,
  TimerName,
} from "./types.ts";

export type { CoreState } from "./state.ts";
export { foreignFailure, wantsCertificate, wantsProposal, wantsVote } from "./tally.ts";

/** A core that has read what survived a restart but has done nothing yet: step it with `start`. */
export const createCore = (options: Parameters<typeof createState>[0]): CoreState => {
  const state = createState(options);
  restore(state, options.recovered);
  // `start` asks for blocks again; what must not be lost is a contradiction found while reading.
  state.effects = state.effects.filter(({ kind }) => kind === "forgotten" || kind === "evidence");
  return state;
};

/** The certificate of a view and kind, if this core holds it in memory. */
export const certificateOf = (
  state: CoreState,
  view: number,
  kind: StatementKind,
): Certificate | undefined =>
  kind === "finalize" && state.finalization?.statement.view === view
    ? state.finalization
    : state.views.get(view)?.certificates[kind];

/** Hashes, in hex, of the blocks above the final one that hold a notarization. */
export const notarizedBlocks = (state: CoreState): Set<string> => {
  const found = new Set<string>();
  for (const view of openViews(state)) {
    const hash = view.certificates.notarize?.statement.hash;
    if (hash !== undefined) found.add(toHex(hash));
  }
  return found;
};

/** Applies one input. `nowMs` is monotonic. The effects are in the order in which they must be begun. */
export const step = (state: CoreState, input: CoreInput, nowMs: number): Effect[] => {
  state.nowMs = nowMs;
  if (!state.halted) {
    state.quiet = input.kind === "vote";
    apply(state, input);
    settle(state);
  }
  const effects = state.effects;
  state.effects = [];
  return effects;
};

const apply = (state: CoreState, input: CoreInput): void => {
  switch (input.kind) {
    case "start":
      return start(state);
    case "proposal":
      return onProposal(state, input.proposal, input.timely);
    case "vote":
      heard(state, input.vote.signer, input.vote.statement.view);
      return recordVote(state, input.vote);
    case "certificate":
      return recordCertificate(state, input.certificate);
    case "status":
      heard(state, input.from, input.status.view);
      return answerStatus(state, input.from, input.status);
    case "peer":
      return greetPeer(state, input.peer);
    case "behind":
      return askBehind(state, input.peer);
    case "timer":
      return onTimer(state, input.name);
    case "validated":
      return onValidated(state, input);
    case "built":
      return onBuilt(state, input);
    case "signed":
      return onSigned(state, input);
    case "durable":
      return onDurable(state, input.writeId);
    case "executed":
      state.executedHeight = Math.max(state.executedHeight, input.height);
      return;
    case "synced":
      return onSynced(state, input);
    case "work":
      return onWork(state, input.pending);
    case "voting":
      state.allowed = input.allowed;
      if (state.started) scheduleView(state);
      return;
    case "quarantined":
      state.quarantined.clear();
      for (const signer of input.signers) state.quarantined.add(signer);
      return;
  }
};

/** For this many t_idle after somebody is back: a view that a liar leads may be among the first. */
const QUICK_IDLES = 4;
/** Silences of this many pauses between paced re-proposals end the pace for a moment. */
const SILENT_PACES = 8;

/**
 * Notes that a validator lives, and whether it is back: heard, or level with us, after a long time. Long
 * against the pace, so that coming and going makes re-proposals only a little more frequent.
 */
const heard = (state: CoreState, signer: number, view: number): void => {
  if (signer >= state.lastHeardMs.length) return;
  const long = Math.max(state.parameters.skipMs, SILENT_PACES * paceMs(state));
  const since = state.nowMs - long;
  const isLevel = view >= state.view - 1;
  const isBack =
    (state.lastHeardMs[signer] ?? 0) <= since ||
    (isLevel && (state.lastLevelMs[signer] ?? 0) <= since);
  const wasSilent = state.nowMs - (state.lastHeardMs[signer] ?? 0) >= activeMs(state);
  if (wasSilent && !isQuorumActive(state)) state.deafAtMs = state.nowMs;
  state.lastHeardMs[signer] = state.nowMs;
  if (isLevel) state.lastLevelMs[signer] = state.nowMs;
  if (isBack) state.quickUntilMs = state.nowMs + QUICK_IDLES * state.parameters.idleMs;
};

/** Puts back certificates and own statements. Own votes count again: they were durable. */
const restore = (state: CoreState, recovered: Recovered): void => {
  let view = state.view;
  for (const own of recovered.ownVotes) {
    const { statement } = own.vote;
    if (statement.view <= state.final.view) continue;
    const target = viewOf(state, statement.view);
    if (statement.kind === "notarize") {
      target.own.notarize = statement.hash;
      target.proposed = own.proposed;
    } else if (statement.kind === "nullify") target.own.nullify = true;
    else target.own.finalize = statement.hash;
    target.ownVotes.set(statement.kind, own);
    view = Math.max(view, statement.view);
  }
  for (const own of recovered.ownVotes) recordVote(state, own.vote);
  for (const certificate of recovered.certificates) recordCertificate(state, certificate);
  for (const open of state.views.values()) {
    if (open.own.notarize !== undefined) needBlock(state, open.own.notarize, open.view, []);
  }
  state.view = view;
};

const start = (state: CoreState): void => {
  state.started = true;
  // Blocks that certificates and own votes name were asked for while restoring, before anybody listened.
  for (const [, entry] of state.blocks) if (entry.verdict === undefined) entry.view = state.view;
  needOpenBlocks(state);
  enter(state, state.view);
};

const onProposal = (state: CoreState, proposal: Proposal, timely: boolean): void => {
  heard(state, proposal.vote.signer, proposal.view);
  recordVote(state, proposal.vote);
  if (state.halted || proposal.view <= state.final.view) return;
  const view = viewOf(state, proposal.view);
  if (view.proposal !== undefined) {
    if (!equalBytes(view.proposal.hash, proposal.hash)) view.leaderConflict = true;
    return;
  }
  const reproposal = proposal.block === undefined;
  const coherent = isCoherent(state, proposal);
  view.proposal = {
    hash: proposal.hash,
    parentView: proposal.parentView,
    reproposal,
    timely,
    coherent,
  };
  if (coherent && proposal.block !== undefined) {
    const known = blockIfKnown(state, proposal.hash) !== undefined;
    blockOf(state, proposal.hash, proposal.view);
    const { hash, block, vote } = proposal;
    // Even a block that was already asked for by hash is handed over: it spares the fetch.
    if (!known || blockIfKnown(state, hash)?.verdict === undefined) {
      emit(state, { kind: "need", hash, block, sources: [vote.signer] });
    }
  }
  if (proposal.view === state.view) scheduleView(state);
};

/** What a new block's header must say to fit the proposal that carries it. */
const isCoherent = (state: CoreState, proposal: Proposal): boolean => {
  if (proposal.parentView >= proposal.view) return false;
  const header = proposal.block?.header;
  if (header === undefined) return proposal.parentView > 0;
  return (
    header.epoch === state.epoch &&
    header.view === proposal.view &&
    header.parentView === proposal.parentView &&
    header.proposer === proposal.vote.signer
  );
};

const onTimer = (state: CoreState, name: TimerName): void => {
  if (name === "view") {
    if (state.nowMs < viewDeadline(state)) return scheduleView(state);
    if (state.lastTimeoutView !== state.view) {
      state.lastTimeoutView = state.view;
      state.timeouts++;
    }
    nullifyCurrent(state);
  } else if (name === "retry") {
    if (isStuck(state)) retry(state);
    scheduleRetry(state);
  }
  // After "idle" settle looks at the time; a re-proposal may have to wait for longer than t_idle.
  else if (isLeader(state, state.view)) {
    const waitMs = state.enteredAtMs + paceMs(state) - state.nowMs;
    if (waitMs > 0) emit(state, { kind: "timer", name: "idle", delayMs: waitMs });
  }
};

const onValidated = (state: CoreState, input: CoreInput & { kind: "validated" }): void => {
  const { facts, verdict } = input;
  const isFinal = equalBytes(facts.hash, state.final.hash);
  if (isFinal) {
    state.final.height = facts.height;
    // The tip that an epoch starts from ended the epoch before, not this one.
    state.final.boundary = facts.boundary && state.final.view > 0;
  }
  const entry = blockIfKnown(state, facts.hash);
  if (entry === undefined) return;
  entry.facts = facts;
  if (entry.verdict === undefined || entry.verdict === "wrong-root") entry.verdict = verdict;
};

const onBuilt = (state: CoreState, input: CoreInput & { kind: "built" }): void => {
  const header = input.block?.header;
  if (input.block === undefined || header === undefined) {
    return acceptBuilt(state, input.view, undefined, 0, false);
  }
  const facts = { hash: input.block.hash, height: header.height, parentHash: header.parentHash };
  acceptBuilt(state, input.view, facts, header.parentView, !isZero(header.nextSetHash));
};

/** A signature for a decided statement: now it may be written, with what must be durable beside it. */
const onSigned = (state: CoreState, input: CoreInput & { kind: "signed" }): void => {
  const { statement, signature } = input;
  if (state.self === undefined || statement.epoch !== state.epoch) return;
  if (statement.view <= state.final.view) return;
  const view = viewOf(state, statement.view);
  if (view.ownVotes.has(statement.kind)) return;
  const proposed = statement.kind === "notarize" ? view.proposed : undefined;
  const own: OwnVote = { vote: { statement, signer: state.self, signature }, proposed };
  const notarization = view.certificates.notarize;
  const writeId = state.nextWriteId++;
  state.pendingWrites.set(writeId, own);
  emit(state, {
    kind: "persist",
    writeId,
    votes: [own],
    certificates: statement.kind === "finalize" && notarization ? [notarization] : [],
    blocks: statement.kind === "notarize" ? [statement.hash] : [],
  });
};

const onDurable = (state: CoreState, writeId: number): void => {
  const own = state.pendingWrites.get(writeId);
  state.pendingWrites.delete(writeId);
  if (own === undefined || own.vote.statement.view <= state.final.view) return;
  const view = viewOf(state, own.vote.statement.view);
  view.ownVotes.set(own.vote.statement.kind, own);
  recordVote(state, own.vote);
  emit(state, { kind: "send", to: "all", message: ownMessage(state, own) });
};

const onSynced = (state: CoreState, input: CoreInput & { kind: "synced" }): void => {
  const { final, certificate } = input;
  if (final.view < state.final.view) return;
  const entry = blockIfKnown(state, final.hash);
  const boundary = entry?.facts?.boundary ?? state.final.boundary;
  if (final.view === state.final.view) {
    state.final.height = final.height;
    return;
  }
  state.finalization = certificate;
  setFinal(state, final.view, final.hash, final.height, boundary);
};

const onWork = (state: CoreState, pending: boolean): void => {
  if (pending === state.pendingWork) return;
  state.pendingWork = pending;
  if (!pending) return;
  state.workSinceMs = state.nowMs;
  if (state.started) scheduleView(state);
};
