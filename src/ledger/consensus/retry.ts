/**
 * R7: what a node sends when nothing moves, when a peer appears, and when a peer says what it lacks.
 * Nothing is flooded: STATUS carries bitmaps, answers carry only what the bitmaps lack, certificates are
 * pulled by exact kind.
 */
import type { CoreState, ViewState } from "./state.ts";
import { emit, KINDS, openViews, ownMessage, viewOf } from "./state.ts";
import { needOpenBlocks } from "./tally.ts";
import type { Certificate, CoreMessage, StatementKind, Status, Vote } from "./types.ts";

/** Own votes of this many open views below the current one are sent again. */
const RESEND_VIEWS = 8;

/**
 * No finalization, view change or own statement of the view for t_r, beyond what an idle leader explains: it
 * may idle where nothing is left to finalize, and only there. What was said a moment ago is still on its way:
 * else all nodes would ask in the moment in which their timers end a view, and each would be answered by all
 * with the votes that are coming from everybody, n³ of them.
 */
export const isStuck = (state: CoreState): boolean => {
  const current = viewOf(state, state.view);
  const waitsForIdleLeader =
    state.view === state.final.view + 1 &&
    !state.pendingWork &&
    current.proposal === undefined &&
    !current.own.nullify;
  const graceMs = waitsForIdleLeader ? state.parameters.idleMs : 0;
  const sinceMs = Math.max(state.enteredAtMs + graceMs, state.saidAtMs);
  return state.nowMs - sinceMs >= state.parameters.retryMs;
};

export const retry = (state: CoreState): void => {
  for (const view of state.views.values()) view.asked.clear();
  needOpenBlocks(state);
  sendVotes(state, "all");
  state.retries++;
  // At first STATUS alone: whoever is behind says so by its own, or asks. Certificates are a quorum of
  // signatures each, so only who stays silent, or cannot be heard, is sent them unasked.
  if (state.retries > 1) sendCertificates(state, silentPeers(state));
  sendTo(state, "all", { type: "status", status: statusOf(state) });
};

/** Who has said nothing of this view, or of one next to it, since it was entered. */
const silentPeers = (state: CoreState): number[] => {
  const silent: number[] = [];
  state.lastLevelMs.forEach((levelMs, i) => {
    if (i !== state.self && levelMs <= state.enteredAtMs) silent.push(i);
  });
  return silent;
};

/** A session has come up: whatever was sent before may be lost. */
export const greetPeer = (state: CoreState, peer: number): void => {
  if (!state.started || peer === state.self) return;
  sendVotes(state, peer);
  sendCertificates(state, [peer]);
  sendTo(state, peer, { type: "status", status: statusOf(state) });
};

/** A peer talks about views that we may not accept: tell it where we are, at most once half a t_r. */
export const askBehind = (state: CoreState, peer: number): void => {
  if (!passes(state, state.lastBehindMs, peer)) return;
  sendTo(state, peer, { type: "status", status: statusOf(state) });
};

const passes = (state: CoreState, times: Map<number, number>, peer: number): boolean => {
  const last = times.get(peer);
  if (last !== undefined && state.nowMs - last < state.parameters.retryMs / 2) return false;
  times.set(peer, state.nowMs);
  return true;
};

const sendTo = (state: CoreState, to: number | "all", message: CoreMessage): void => {
  if (to !== state.self) emit(state, { kind: "send", to, message });
};

const sendVotes = (state: CoreState, to: number | "all"): void => {
  const open = openViews(state).filter((view) => view.view <= state.view);
  for (const view of open.slice(-1 - RESEND_VIEWS)) {
    for (const own of view.ownVotes.values()) sendTo(state, to, ownMessage(state, own));
  }
};

/** The newest finalization, and a certificate by which the current view was entered. */
const sendCertificates = (state: CoreState, peers: readonly number[]): void => {
  for (const certificate of [state.finalization, exitCertificate(state, state.view - 1)]) {
    if (certificate === undefined) continue;
    const message: CoreMessage = { type: "certificate", certificate };
    for (const peer of peers) sendTo(state, peer, message);
  }
};

/** A certificate that ends the view: the nullification first, because it needs no block. */
const exitCertificate = (state: CoreState, view: number): Certificate | undefined => {
  const certificates = state.views.get(view)?.certificates;
  return certificates?.nullify ?? certificates?.notarize;
};

export const statusOf = (state: CoreState): Status => {
  const view = viewOf(state, state.view);
  return {
    epoch: state.epoch,
    view: state.view,
    finalView: state.final.view,
    finalHeight: state.final.height ?? 0,
    finalHash: state.final.hash,
    held: {
      notarize: bitmapOf(state, view, "notarize"),
      nullify: bitmapOf(state, view, "nullify"),
      finalize: bitmapOf(state, view, "finalize"),
    },
  };
};

const bitmapOf = (state: CoreState, view: ViewState, kind: StatementKind): Uint8Array => {
  const bitmap = new Uint8Array(Math.ceil(state.set.validators.length / 8));
  view.votes[kind].forEach((vote, signer) => {
    if (vote !== undefined) bitmap[signer >> 3] = (bitmap[signer >> 3] ?? 0) | (1 << (signer & 7));
  });
  return bitmap;
};

/** Answers a peer's STATUS of this epoch with what it lacks, and asks for what we lack. */
export const answerStatus = (state: CoreState, from: number, status: Status): void => {
  if (from === state.self || !passes(state, state.lastStatusReplyMs, from)) return;
  if (status.finalView < state.final.view && state.finalization !== undefined) {
    sendTo(state, from, { type: "certificate", certificate: state.finalization });
  }
  if (status.finalView > state.final.view) ask(state, from, status.finalView, ["finalize"]);
  if (status.view > state.view) ask(state, from, status.view - 1, ["nullify", "notarize"]);
  if (status.view < state.view) {
    for (const number of [status.view, state.view - 1]) {
      const certificate = exitCertificate(state, number);
      if (certificate !== undefined) sendTo(state, from, { type: "certificate", certificate });
    }
  }
  const view = state.views.get(status.view);
  if (view === undefined) return;
  for (const kind of KINDS) {
    view.votes[kind].forEach((vote, signer) => {
      if (vote === undefined || isSet(status.held[kind], signer)) return;
      sendTo(state, from, asSent(state, view, vote));
    });
  }
};

/** Own votes go out as first sent, so that a peer that missed the proposal gets it. */
const asSent = (state: CoreState, view: ViewState, vote: Vote): CoreMessage => {
  const own = vote.signer === state.self ? view.ownVotes.get(vote.statement.kind) : undefined;
  return own === undefined ? { type: "vote", vote } : ownMessage(state, own);
};

const isSet = (bitmap: Uint8Array, signer: number): boolean =>
  ((bitmap[signer >> 3] ?? 0) & (1 << (signer & 7))) !== 0;

const ask = (state: CoreState, to: number, view: number, kinds: readonly StatementKind[]): void => {
  for (const kind of kinds) {
    sendTo(state, to, { type: "certificate-request", query: { epoch: state.epoch, view, kind } });
  }
};
