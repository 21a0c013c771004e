/**
 * The rules R1 to R6 as idempotent functions: each looks at the state, acts if its condition holds, and
 * says whether it changed anything. `settle` applies them until nothing changes.
 */
import { equalBytes, ZERO_HASH } from "../../crypto/bytes.ts";
import type { Hash, StatementKind } from "../types.ts";
import type { CoreState, ViewState } from "./state.ts";
import {
  blockIfKnown,
  blockOf,
  delayBound,
  emit,
  isCertified,
  isLeader,
  isQuorumActive,
  openViews,
  paceMs,
  viewOf,
} from "./state.ts";
import { formCertificates, needBlock, prune } from "./tally.ts";

/**
 * Runs every rule to the fixed point. Each rule acts at most once a view and kind, so this ends. Of a vote that
 * makes no quorum and contradicts nothing only two rules can take notice: who skips, or proposes, looks at the
 * time, at who was heard and at what the leader said. A view brings three such votes of every validator.
 */
export const settle = (state: CoreState): void => {
  let changed = state.started;
  if (changed && state.quiet && !state.halted) {
    changed = skip(state);
    changed = propose(state) || changed;
  }
  while (changed && !state.halted) {
    changed = false;
    for (const view of openViews(state)) changed = formCertificates(state, view) || changed;
    changed = commit(state) || changed;
    changed = reportDivergence(state) || changed;
    changed = notarize(state) || changed;
    changed = advance(state) || changed;
    changed = finalize(state) || changed;
    changed = skip(state) || changed;
    changed = propose(state) || changed;
  }
};

/** R6: the highest finalization held makes its block and all ancestors final. */
const commit = (state: CoreState): boolean => {
  let best: ViewState | undefined;
  for (const view of openViews(state)) if (view.certificates.finalize !== undefined) best = view;
  const certificate = best?.certificates.finalize;
  if (best === undefined || certificate === undefined) return false;
  const hash = certificate.statement.hash;
  needBlock(state, hash, best.view, certificate.signers);
  // A tip that was re-proposed is final again, in a later view: what is known of it stays known.
  const known = equalBytes(hash, state.final.hash) ? state.final : blockIfKnown(state, hash)?.facts;
  setFinal(state, best.view, hash, known?.height, known?.boundary ?? false);
  state.finalization = certificate;
  emit(state, { kind: "finalized", certificate });
  return true;
};

/** Moves the final tip; timers shrink back to D0 on every finalization (R5). */
export const setFinal = (
  state: CoreState,
  view: number,
  hash: Hash,
  height: number | undefined,
  boundary: boolean,
): void => {
  state.final = { view, hash, height, boundary };
  state.timeouts = 0;
  prune(state);
};

/** A quorum that states other roots than ours outvotes us: say so once, and go on as they do (R2). */
const reportDivergence = (state: CoreState): boolean => {
  let reported = false;
  for (const view of openViews(state)) {
    const hash = view.certificates.notarize?.statement.hash;
    if (hash === undefined) continue;
    const entry = blockIfKnown(state, hash);
    if (entry?.verdict !== "wrong-root" || entry.divergenceReported) continue;
    entry.divergenceReported = true;
    emit(state, { kind: "diverged", hash });
    reported = true;
  }
  return reported;
};

/** R3: a certified notarization, a nullification or a finalization ends its view and all before it. */
const advance = (state: CoreState): boolean => {
  let next = Math.max(state.view, state.final.view + 1);
  for (const view of openViews(state)) {
    if (view.view < next) continue;
    const { notarize: notarized, nullify } = view.certificates;
    if (nullify !== undefined || (notarized !== undefined && isCertified(state, notarized))) {
      next = view.view + 1;
    }
  }
  if (next === state.view) return false;
  enter(state, next);
  return true;
};

export const enter = (state: CoreState, view: number): void => {
  state.view = view;
  state.enteredAtMs = state.nowMs;
  viewOf(state, view);
  state.saidAtMs = state.nowMs;
  state.retries = 0;
  emit(state, { kind: "entered", view, leader: state.leaderOf(view) });
  scheduleView(state);
  scheduleRetry(state);
  const idleMs = isLeader(state, view) ? state.parameters.idleMs : undefined;
  emit(state, { kind: "timer", name: "idle", delayMs: idleMs });
};

/** When the current view's timer is due: t_lead without a proposal, t_adv with one (R5). */
export const viewDeadline = (state: CoreState): number => {
  const idleEnd = state.enteredAtMs + state.parameters.idleMs;
  const origin = state.pendingWork
    ? Math.min(idleEnd, Math.max(state.enteredAtMs, state.workSinceMs))
    : idleEnd;
  const due = Math.max(origin, state.enteredAtMs + expectedPaceMs(state));
  const factor = state.views.get(state.view)?.proposal === undefined ? 2 : 3;
  return due + factor * delayBound(state);
};

/** How long the view's leader may wait before it re-proposes, unless it is known to have no need to. */
const expectedPaceMs = (state: CoreState): number => {
  const pace = paceMs(state);
  if (pace === 0) return 0;
  const parent = choosePoint(state, state.view);
  const builds = parent.kind === "found" && !mustRepropose(state, parent.view, parent.hash);
  return builds ? 0 : pace;
};

export const scheduleView = (state: CoreState): void => {
  const delayMs = Math.max(0, viewDeadline(state) - state.nowMs);
  emit(state, { kind: "timer", name: "view", delayMs });
};

/** Looks again when t_r has passed since an own statement of the view, or t_r from now. */
export const scheduleRetry = (state: CoreState): void => {
  const { retryMs } = state.parameters;
  const leftMs = state.saidAtMs + retryMs - state.nowMs;
  emit(state, { kind: "timer", name: "retry", delayMs: leftMs > 0 ? leftMs : retryMs });
};

/** Decides a statement before anything asynchronous happens (R0). Signing and the write follow. */
const decide = (state: CoreState, view: ViewState, kind: StatementKind, hash: Hash): void => {
  if (kind === "notarize") view.own.notarize = hash;
  else if (kind === "nullify") view.own.nullify = true;
  else view.own.finalize = hash;
  if (view.view === state.view) state.saidAtMs = state.nowMs;
  emit(state, { kind: "sign", statement: { epoch: state.epoch, view: view.view, kind, hash } });
};

const maySign = (state: CoreState): boolean =>
  state.allowed && !state.halted && state.self !== undefined && state.view > state.floorView;

/** R5: S(v) in the current view, never after F(v). Afterwards no N(v) and no F(v). */
export const nullifyCurrent = (state: CoreState): boolean => {
  const view = viewOf(state, state.view);
  if (!maySign(state) || view.own.nullify || view.own.finalize !== undefined) return false;
  decide(state, view, "nullify", ZERO_HASH);
  return true;
};

/** The reasons other than the timer for which the current view is given up at once (R2, R5). */
const skip = (state: CoreState): boolean => {
  const view = viewOf(state, state.view);
  if (!maySign(state) || view.own.nullify) return false;
  const leader = state.leaderOf(state.view);
  const given =
    view.votes.nullify[leader] !== undefined ||
    isProposalInvalid(state, view) ||
    state.quarantined.has(leader) ||
    (leader !== state.self && isSilent(state, leader));
  return given && nullifyCurrent(state);
};

const isProposalInvalid = (state: CoreState, view: ViewState): boolean => {
  const proposal = view.proposal;
  if (proposal === undefined || view.own.notarize !== undefined) return false;
  if (!proposal.coherent || proposal.parentView < state.final.view) return true;
  const verdict = blockIfKnown(state, proposal.hash)?.verdict;
  return !proposal.reproposal && (verdict === "invalid" || verdict === "wrong-root");
};

/** L(v) was not heard for t_skip in which a quorum was: a node that was cut off cannot say so of others. */
const isSilent = (state: CoreState, leader: number): boolean => {
  const since = state.nowMs - state.parameters.skipMs;
  const heardMs = Math.max(state.lastHeardMs[leader] ?? 0, state.deafAtMs);
  return heardMs <= since && isQuorumActive(state);
};

type Parent =
  | { readonly kind: "found"; readonly view: number; readonly hash: Hash }
  | { readonly kind: "missing"; readonly view: number };

/** R1: the highest view below `view` held as notarized and certified, all between nullified. */
const choosePoint = (state: CoreState, view: number): Parent => {
  for (let p = view - 1; p > state.final.view; p--) {
    const certificates = state.views.get(p)?.certificates;
    const notarized = certificates?.notarize;
    if (notarized !== undefined && isCertified(state, notarized)) {
      return { kind: "found", view: p, hash: notarized.statement.hash };
    }
    if (certificates?.nullify === undefined) return { kind: "missing", view: p };
  }
  return { kind: "found", view: state.final.view, hash: state.final.hash };
};

/** R1: propose, or re-propose the parent when no new block may stand on it. */
const propose = (state: CoreState): boolean => {
  const view = viewOf(state, state.view);
  if (!maySign(state) || !isLeader(state, state.view)) return false;
  if (view.own.nullify || view.own.notarize !== undefined || view.building) return false;
  if (view.own.finalize !== undefined) return false;
  // The boundary block is final: this epoch has no more to say (R9).
  if (view.proposal !== undefined || state.final.boundary) return false;
  const parent = choosePoint(state, state.view);
  if (parent.kind === "missing") {
    askFor(state, view, [parent.view], "all");
    return false;
  }
  if (mustRepropose(state, parent.view, parent.hash)) {
    if (parent.view === 0) return false;
    const isQuick = state.nowMs < state.quickUntilMs;
    if (!isQuick && state.nowMs < state.enteredAtMs + paceMs(state)) return false;
    offer(state, view, parent.hash, { parentView: parent.view, reproposal: true });
    return true;
  }
  const due = state.pendingWork || state.nowMs >= state.enteredAtMs + state.parameters.idleMs;
  if (!due || heightOf(state, parent.hash) === undefined) return false;
  view.building = true;
  emit(state, {
    kind: "build",
    view: state.view,
    parentHash: parent.hash,
    parentView: parent.view,
  });
  return true;
};

const heightOf = (state: CoreState, hash: Hash): number | undefined =>
  equalBytes(hash, state.final.hash)
    ? state.final.height
    : blockIfKnown(state, hash)?.facts?.height;

const mustRepropose = (state: CoreState, view: number, hash: Hash): boolean => {
  const height = heightOf(state, hash);
  if (height === undefined) return false;
  if (height + 1 - state.executedHeight > state.parameters.executionLagMax) return true;
  if (view === state.final.view) return false;
  if (blockIfKnown(state, hash)?.facts?.boundary === true) return true;
  return (
    state.final.height !== undefined &&
    height - state.final.height >= state.parameters.unfinalizedGapMax
  );
};

/** Asks once a retry for certificates of these views, of both kinds: the answer is whichever is held. */
const askFor = (
  state: CoreState,
  view: ViewState,
  missing: readonly number[],
  to: number | "all",
): void => {
  for (const number of missing) {
    if (view.asked.has(number)) continue;
    view.asked.add(number);
    for (const kind of ["nullify", "notarize"] as const) {
      emit(state, {
        kind: "send",
        to,
        message: { type: "certificate-request", query: { epoch: state.epoch, view: number, kind } },
      });
    }
  }
};

/** R2: N(v, h) on the first coherent, valid and timely proposal of the current view. */
const notarize = (state: CoreState): boolean => {
  const view = viewOf(state, state.view);
  const proposal = view.proposal;
  if (!maySign(state) || proposal === undefined || !proposal.coherent) return false;
  // An own F without its N can only be what a torn restart left: it decides the view all the same.
  if (view.own.finalize !== undefined) return false;
  if (view.own.notarize !== undefined || view.own.nullify) return false;
  const missing = missingFor(state, view);
  if (missing === "wait") return false;
  if (missing.length > 0) {
    askFor(state, view, missing, state.leaderOf(view.view));
    return false;
  }
  const entry = blockIfKnown(state, proposal.hash);
  if (proposal.reproposal) {
    // A block may be final by its certificate alone; nothing is said of it until it is held (R0).
    if (heightOf(state, proposal.hash) === undefined) return false;
    decide(state, view, "notarize", proposal.hash);
    return true;
  }
  if (entry?.verdict !== "valid" || !proposal.timely) return false;
  if (!standsOn(state, proposal.parentView, entry.facts?.parentHash)) return false;
  decide(state, view, "notarize", proposal.hash);
  return true;
};

/**
 * R2 (b) and (c): the views whose certificates are missing before the proposal may be voted for, or
 * "wait" while the parent's block is not certified here or the proposal contradicts its certificate.
 */
const missingFor = (state: CoreState, view: ViewState): number[] | "wait" => {
  const proposal = view.proposal;
  if (proposal === undefined || proposal.parentView < state.final.view) return "wait";
  const missing: number[] = [];
  for (let u = view.view - 1; u > proposal.parentView; u--) {
    if (state.views.get(u)?.certificates.nullify === undefined) missing.push(u);
  }
  const p = proposal.parentView;
  if (p === state.final.view) {
    const hash = proposal.reproposal ? proposal.hash : undefined;
    return hash !== undefined && !equalBytes(hash, state.final.hash) ? "wait" : missing;
  }
  const notarized = state.views.get(p)?.certificates.notarize;
  if (notarized === undefined) missing.push(p);
  else if (!isCertified(state, notarized)) return "wait";
  else if (proposal.reproposal && !equalBytes(notarized.statement.hash, proposal.hash)) {
    return "wait";
  }
  return missing;
};

const standsOn = (state: CoreState, parentView: number, parentHash: Hash | undefined): boolean => {
  if (parentHash === undefined) return false;
  if (parentView === state.final.view) return equalBytes(parentHash, state.final.hash);
  const entry = blockIfKnown(state, parentHash);
  if (entry?.facts?.boundary === true) return false;
  const notarized = state.views.get(parentView)?.certificates.notarize;
  return notarized !== undefined && equalBytes(notarized.statement.hash, parentHash);
};

/** R4: F(v, h) wherever the notarized block is certified and our own N(v) is for it. */
const finalize = (state: CoreState): boolean => {
  if (!maySign(state)) return false;
  let voted = false;
  for (const view of openViews(state)) {
    const notarized = view.certificates.notarize;
    const own = view.own;
    if (notarized === undefined || own.notarize === undefined) continue;
    if (own.nullify || own.finalize !== undefined || view.leaderConflict) continue;
    const hash = notarized.statement.hash;
    if (!equalBytes(own.notarize, hash) || !isCertified(state, notarized)) continue;
    decide(state, view, "finalize", hash);
    voted = true;
  }
  return voted;
};

/** The block that the replica built for a view we still lead; undefined when it could not (R5). */
export const acceptBuilt = (
  state: CoreState,
  number: number,
  built: { readonly hash: Hash; readonly height: number; readonly parentHash: Hash } | undefined,
  parentView: number,
  boundary: boolean,
): void => {
  const view = state.views.get(number);
  if (view === undefined || !view.building) return;
  view.building = false;
  if (number !== state.view || view.own.nullify || view.own.notarize !== undefined) return;
  if (built === undefined) {
    nullifyCurrent(state);
    return;
  }
  const entry = blockOf(state, built.hash, number);
  entry.verdict = "valid";
  entry.facts = { ...built, parentView, boundary };
  offer(state, view, built.hash, { parentView, reproposal: false });
};

/** The leader's own proposal: recorded like every other one, and its N(v, h) is what will be sent. */
const offer = (
  state: CoreState,
  view: ViewState,
  hash: Hash,
  proposed: { readonly parentView: number; readonly reproposal: boolean },
): void => {
  view.proposed = proposed;
  view.proposal = { hash, ...proposed, timely: true, coherent: true };
  decide(state, view, "notarize", hash);
  scheduleView(state);
};
