/** State of the consensus core for one epoch, and the small questions every rule asks of it. */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import type { Hash, StatementKind, ValidatorSet } from "../types.ts";
import type {
  BlockFacts,
  Certificate,
  CoreMessage,
  CoreParameters,
  Effect,
  OwnVote,
  Recovered,
  Verdict,
  Vote,
} from "./types.ts";

export const KINDS: readonly StatementKind[] = ["notarize", "nullify", "finalize"];

/** Views below the final one whose votes are kept, so that a late conflicting vote is still evidence. */
export const EVIDENCE_VIEWS = 16;

export type ViewState = {
  readonly view: number;
  proposal:
    | {
        readonly hash: Hash;
        readonly parentView: number;
        readonly reproposal: boolean;
        readonly timely: boolean;
        /** False when the header contradicts the proposal that carries it: definite invalidity. */
        readonly coherent: boolean;
      }
    | undefined;
  /** The leader signed two proposals for this view (R4). */
  leaderConflict: boolean;
  /** Decided statements; set before signing (R0). */
  readonly own: { notarize: Hash | undefined; nullify: boolean; finalize: Hash | undefined };
  /** What our own proposal said, from decision to restart. */
  proposed: OwnVote["proposed"];
  /** Signed and durable own statements: the stored bytes that are sent and re-sent. */
  readonly ownVotes: Map<StatementKind, OwnVote>;
  readonly votes: Record<StatementKind, (Vote | undefined)[]>;
  /** Weight behind each hash that has votes of a kind: one, where nobody lies, and never more than signers. */
  readonly weights: Record<StatementKind, { readonly hash: Hash; weight: bigint }[]>;
  /** The most of these: below a quorum no certificate is looked for. */
  readonly heaviest: Record<StatementKind, bigint>;
  readonly certificates: Partial<Record<StatementKind, Certificate>>;
  /** Votes arrived since the last attempt to form certificates. */
  dirty: boolean;
  building: boolean;
  /** Views whose missing certificates were asked for since the last retry. */
  readonly asked: Set<number>;
  readonly accused: Set<number>;
};

export type BlockEntry = {
  facts: BlockFacts | undefined;
  verdict: Verdict | undefined;
  /** The newest view that referred to it: forgotten when that is final. */
  view: number;
  divergenceReported: boolean;
};

export type CoreState = {
  readonly epoch: number;
  readonly self: number | undefined;
  readonly set: ValidatorSet;
  readonly leaderOf: (view: number) => number;
  readonly parameters: CoreParameters;
  final: { view: number; hash: Hash; height: number | undefined; boundary: boolean };
  finalization: Certificate | undefined;
  view: number;
  enteredAtMs: number;
  /** When this node last decided a statement of the current view; not before it was entered. */
  saidAtMs: number;
  /** How often the current view was found stuck. */
  retries: number;
  readonly views: Map<number, ViewState>;
  /** What `openViews` found last; undefined since a view was added or another one became final. */
  open: readonly ViewState[] | undefined;
  readonly blocks: Map<string, BlockEntry>;
  allowed: boolean;
  readonly floorView: number;
  halted: boolean;
  started: boolean;
  executedHeight: number;
  pendingWork: boolean;
  workSinceMs: number;
  /** k of R5: views since the last finalization in which our own timer fired. */
  timeouts: number;
  lastTimeoutView: number;
  readonly lastHeardMs: number[];
  /** When a quorum was last not heard: whom we have not heard since may have spoken all the while. */
  deafAtMs: number;
  /** When each validator last spoke of the current view, or of one next to it. */
  readonly lastLevelMs: number[];
  /** Somebody is back whom re-proposals may have waited for: until then they are not paced (R1). */
  quickUntilMs: number;
  readonly lastStatusReplyMs: Map<number, number>;
  readonly lastBehindMs: Map<number, number>;
  readonly quarantined: Set<number>;
  nextWriteId: number;
  /** Statements that wait for their write: released by `durable` (R0). */
  readonly pendingWrites: Map<number, OwnVote>;
  /** Now, monotonic milliseconds, as of the current step. */
  nowMs: number;
  /**
   * Since the rules were last applied to the end only votes have come that change nothing which they look at but
   * the time, who was heard, and what the leader said (`settle`).
   */
  quiet: boolean;
  effects: Effect[];
};

export const emptyView = (view: number): ViewState => ({
  view,
  proposal: undefined,
  leaderConflict: false,
  own: { notarize: undefined, nullify: false, finalize: undefined },
  proposed: undefined,
  ownVotes: new Map(),
  votes: { notarize: [], nullify: [], finalize: [] },
  weights: { notarize: [], nullify: [], finalize: [] },
  heaviest: { notarize: 0n, nullify: 0n, finalize: 0n },
  certificates: {},
  dirty: false,
  building: false,
  asked: new Set(),
  accused: new Set(),
});

export const viewOf = (state: CoreState, view: number): ViewState => {
  let found = state.views.get(view);
  if (found === undefined) {
    found = emptyView(view);
    state.views.set(view, found);
    state.open = undefined;
  }
  return found;
};

export const blockOf = (state: CoreState, hash: Hash, view: number): BlockEntry => {
  const key = toHex(hash);
  let found = state.blocks.get(key);
  if (found === undefined) {
    found = { facts: undefined, verdict: undefined, view, divergenceReported: false };
    state.blocks.set(key, found);
  }
  if (view > found.view) found.view = view;
  return found;
};

export const blockIfKnown = (state: CoreState, hash: Hash): BlockEntry | undefined =>
  state.blocks.get(toHex(hash));

export const emit = (state: CoreState, effect: Effect): void => {
  state.effects.push(effect);
};

export const weightAt = (state: CoreState, signer: number): bigint =>
  state.set.validators[signer]?.weight ?? 0n;

export const isLeader = (state: CoreState, view: number): boolean =>
  state.self !== undefined && state.leaderOf(view) === state.self;

/** R3 "certify": the block and all its ancestors are held and valid (a quorum outvotes our own roots). */
export const isCertified = (state: CoreState, certificate: Certificate): boolean => {
  const hash = certificate.statement.hash;
  if (equalBytes(hash, state.final.hash)) return true;
  const verdict = blockIfKnown(state, hash)?.verdict;
  return verdict === "valid" || verdict === "wrong-root";
};

/** D_k of R5. Local and never replicated. */
export const delayBound = (state: CoreState): number => {
  const { delayMs, delayMsMax } = state.parameters;
  let bound = delayMs;
  for (let i = 0; i < state.timeouts && bound < delayMsMax; i++)
    bound = Math.floor((bound * 3) / 2);
  return Math.min(bound, delayMsMax);
};

/**
 * How long after entering the view a re-proposal waits (R1): not at all in the first views above the final
 * one, then t_idle, twice that after as many views again, and so on. What is open grows with the logarithm
 * of the time in which nothing becomes final, not with the speed of the network.
 */
export const paceMs = (state: CoreState): number => {
  const { quickViewsMax, idleMs, delayMsMax } = state.parameters;
  const doublings = Math.floor((state.view - state.final.view - 1) / quickViewsMax) - 1;
  if (doublings < 0) return 0;
  return Math.min(delayMsMax, idleMs * 2 ** Math.min(doublings, 32));
};

/** Whoever was heard in this time lives. In a paced view an honest validator may have little to say. */
export const activeMs = (state: CoreState): number =>
  Math.max(state.parameters.skipMs, 2 * paceMs(state));

/** Whether validators of a quorum, with ourselves, were heard of late. */
export const isQuorumActive = (state: CoreState): boolean => {
  const since = state.nowMs - activeMs(state);
  let active = 0n;
  state.set.validators.forEach((_, i) => {
    if (i === state.self || (state.lastHeardMs[i] ?? 0) > since) active += weightAt(state, i);
  });
  return active >= state.set.quorum;
};

/**
 * Ascending views above the final one that hold anything. Every rule asks for them, and they change once or twice
 * a view. What was returned stays as it is when a view is added meanwhile.
 */
export const openViews = (state: CoreState): readonly ViewState[] => {
  if (state.open !== undefined) return state.open;
  const open: ViewState[] = [];
  for (const view of state.views.values()) if (view.view > state.final.view) open.push(view);
  state.open = open.sort((a, b) => a.view - b.view);
  return state.open;
};

/** Every vote asks for the leader of its view, mostly of the view that was asked for last. */
const remembering = (leaderOf: (view: number) => number): ((view: number) => number) => {
  let newest = 0;
  let leader = 0;
  return (view) => {
    if (view !== newest) {
      leader = leaderOf(view);
      newest = view;
    }
    return leader;
  };
};

export const createState = (options: {
  readonly epoch: number;
  readonly self: number | undefined;
  readonly set: ValidatorSet;
  readonly leaderOf: (view: number) => number;
  readonly parameters: CoreParameters;
  readonly recovered: Recovered;
  readonly executedHeight: number;
  readonly nowMs: number;
}): CoreState => {
  const { recovered, nowMs } = options;
  return {
    epoch: options.epoch,
    self: options.self,
    set: options.set,
    leaderOf: remembering(options.leaderOf),
    parameters: options.parameters,
    final: { ...recovered.final, boundary: false },
    finalization: recovered.finalization,
    view: recovered.final.view + 1,
    enteredAtMs: nowMs,
    saidAtMs: nowMs,
    retries: 0,
    views: new Map(),
    open: undefined,
    blocks: new Map(),
    allowed: false,
    floorView: recovered.floorView,
    halted: false,
    started: false,
    executedHeight: options.executedHeight,
    pendingWork: false,
    workSinceMs: nowMs,
    timeouts: 0,
    lastTimeoutView: 0,
    lastHeardMs: options.set.validators.map(() => nowMs),
    lastLevelMs: options.set.validators.map(() => nowMs),
    deafAtMs: nowMs,
    quickUntilMs: nowMs + options.parameters.idleMs,
    lastStatusReplyMs: new Map(),
    lastBehindMs: new Map(),
    quarantined: new Set(),
    nextWriteId: 1,
    pendingWrites: new Map(),
    nowMs,
    quiet: false,
    effects: [],
  };
};

/** An own vote as it is sent: a leader's N goes out as the proposal, every time. */
export const ownMessage = (state: CoreState, own: OwnVote): CoreMessage => {
  const { proposed, vote } = own;
  return proposed === undefined || !isLeader(state, vote.statement.view)
    ? { type: "vote", vote }
    : { type: "proposal", vote, ...proposed };
};
