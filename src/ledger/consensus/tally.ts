/**
 * Votes and certificates: recording them, forming certificates from votes, finding conflicting pairs,
 * and saying before any signature check whether a message is wanted at all (R8).
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { type Failure, fail } from "../../errors.ts";
import type { Hash, StatementKind } from "../types.ts";
import {
  blockOf,
  type CoreState,
  EVIDENCE_VIEWS,
  emit,
  KINDS,
  openViews,
  type ViewState,
  viewOf,
  weightAt,
} from "./state.ts";
import type { Certificate, Proposal, Statement, Vote, Wanted } from "./types.ts";

const VERIFY: Wanted = { want: "verify" };
const DUPLICATE: Wanted = { want: "drop", code: undefined, behind: false };
const STALE: Wanted = { want: "drop", code: "consensus.stale", behind: false };
const AHEAD: Wanted = { want: "drop", code: "consensus.view-ahead", behind: true };

const sameHash = (a: Hash | undefined, b: Hash | undefined): boolean =>
  a !== undefined && b !== undefined && equalBytes(a, b);

/** The statement of this kind by this signer that is held: the one that counts, whatever it signs anew. */
const heldOf = (view: ViewState, vote: Vote): Vote | undefined =>
  view.votes[vote.statement.kind][vote.signer];

/** Votes are accepted up to the next view; a finalized view's only where they would be evidence. */
export const wantsVote = (state: CoreState, vote: Vote): Wanted => {
  const { view, hash } = vote.statement;
  if (vote.signer >= state.set.validators.length) {
    return { want: "drop", code: "consensus.unknown-signer", behind: false };
  }
  if (view > state.view + 1) return AHEAD;
  const known = state.views.get(view);
  if (view <= state.final.view && known === undefined) return STALE;
  const held = known && heldOf(known, vote);
  if (held !== undefined && equalBytes(held.statement.hash, hash)) return DUPLICATE;
  // A signer is accused once a view: more of its contradictions are worth no signature check.
  const accused = known?.accused.has(vote.signer) === true;
  if (view > state.final.view) return held !== undefined && accused ? DUPLICATE : VERIFY;
  const conflicts =
    held !== undefined || (known !== undefined && conflictsWithHeld(known, vote) !== undefined);
  return conflicts && !accused ? VERIFY : STALE;
};

export const wantsProposal = (state: CoreState, proposal: Proposal): Wanted => {
  const { view, hash, vote } = proposal;
  if (view > state.view + 1) return AHEAD;
  if (view <= state.final.view) return STALE;
  if (state.leaderOf(view) !== vote.signer) {
    return { want: "drop", code: "consensus.not-leader", behind: false };
  }
  const known = state.views.get(view);
  if (known?.proposal === undefined) return VERIFY;
  if (equalBytes(known.proposal.hash, hash) || known.leaderConflict) return DUPLICATE;
  return VERIFY;
};

export const wantsCertificate = (state: CoreState, certificate: Certificate): Wanted => {
  const { view, kind } = certificate.statement;
  if (view <= state.final.view) return STALE;
  return state.views.get(view)?.certificates[kind] === undefined ? VERIFY : DUPLICATE;
};

/** The pairs of consensus.md 3.4 other than two statements of one kind: {S, F} and {N h1, F h2}. */
const conflictsWithHeld = (view: ViewState, vote: Vote): Vote | undefined => {
  const { kind, hash } = vote.statement;
  const held = (other: StatementKind): Vote | undefined => view.votes[other][vote.signer];
  if (kind === "nullify") return held("finalize");
  if (kind === "finalize") {
    const skip = held("nullify");
    if (skip !== undefined) return skip;
    const notarize = held("notarize");
    return notarize !== undefined && !equalBytes(notarize.statement.hash, hash)
      ? notarize
      : undefined;
  }
  const finalize = held("finalize");
  return finalize !== undefined && !equalBytes(finalize.statement.hash, hash)
    ? finalize
    : undefined;
};

const isOwnStatement = (view: ViewState, vote: Vote): boolean => {
  const { kind, hash } = vote.statement;
  if (kind === "nullify") return view.own.nullify;
  return sameHash(kind === "notarize" ? view.own.notarize : view.own.finalize, hash);
};

/** Why a node that votes stops when it meets a statement of its own that it did not make. */
export const foreignFailure = ({ kind, epoch, view }: Statement): Failure =>
  fail(
    "votes.foreign-statement",
    `a ${kind} statement of view ${view} carries this node's signature but was not made here`,
    { epoch, view },
  );

/**
 * Records a verified vote. The first statement of a kind by a signer is the one that counts; whatever
 * conflicts with what is held becomes evidence, once a signer and view. A statement of our own that we
 * did not make means, where we vote, that another process signs with this key: stop. Before we vote it
 * means that our vote store has forgotten it: then it counts as anybody's, and we never come to vote.
 */
export const recordVote = (state: CoreState, vote: Vote): void => {
  const { view: number, kind, hash } = vote.statement;
  if (number <= state.final.view && !state.views.has(number)) return;
  const view = viewOf(state, number);
  const remembered = number > state.floorView;
  if (vote.signer === state.self && remembered && !isOwnStatement(view, vote)) {
    if (state.allowed) {
      state.halted = true;
      emit(state, { kind: "halt", failure: foreignFailure(vote.statement) });
      return;
    }
    emit(state, { kind: "forgotten", statement: vote.statement });
  }
  const held = heldOf(view, vote);
  const conflicting =
    held !== undefined && !equalBytes(held.statement.hash, hash)
      ? held
      : conflictsWithHeld(view, vote);
  // A leader's N is its proposal, in whatever message it comes (R4).
  const secondN = kind === "notarize" && held !== undefined && conflicting === held;
  if (secondN && vote.signer === state.leaderOf(number)) view.leaderConflict = true;
  if (conflicting !== undefined) state.quiet = false;
  if (conflicting !== undefined && !view.accused.has(vote.signer)) {
    view.accused.add(vote.signer);
    emit(state, { kind: "evidence", first: conflicting, second: vote });
  }
  if (held !== undefined) return;
  view.votes[kind][vote.signer] = vote;
  count(state, view, vote);
  view.dirty = true;
  if (kind === "notarize") showProposal(state, view, vote);
};

/** Adds the weight of a vote to that behind its hash: a third that lies makes a quorum with no two alike. */
const count = (state: CoreState, view: ViewState, { statement, signer }: Vote): void => {
  const { kind, hash } = statement;
  let behind = behindOf(view, kind, hash);
  if (behind === undefined) {
    behind = { hash, weight: 0n };
    view.weights[kind].push(behind);
  }
  behind.weight += weightAt(state, signer);
  if (behind.weight > view.heaviest[kind]) view.heaviest[kind] = behind.weight;
  const isOpen = view.certificates[kind] === undefined;
  if (isOpen && view.heaviest[kind] >= state.set.quorum) state.quiet = false;
};

const behindOf = (
  view: ViewState,
  kind: StatementKind,
  hash: Hash,
): ViewState["weights"]["notarize"][number] | undefined => {
  for (const behind of view.weights[kind]) if (equalBytes(behind.hash, hash)) return behind;
  return undefined;
};

/**
 * A leader that proposes one block to some and another to the rest may show no one of them both: who gets
 * the second certifies a later view without ever seeing the first. The votes of the others give it away,
 * and whoever voted for another block than the leader signed here is sent what the leader signed here:
 * then it holds the pair. At most one vote for each vote taken in, and none once the pair is known.
 */
const showProposal = (state: CoreState, view: ViewState, vote: Vote): void => {
  const leader = state.leaderOf(view.view);
  const proposed = view.votes.notarize[leader];
  if (!state.started || proposed === undefined || view.accused.has(leader)) return;
  const voters = vote.signer === leader ? view.votes.notarize : [vote];
  for (const other of voters) {
    if (other === undefined || other.signer === state.self) continue;
    if (equalBytes(other.statement.hash, proposed.statement.hash)) continue;
    emit(state, { kind: "send", to: other.signer, message: { type: "vote", vote: proposed } });
  }
};

/** Stores a verified certificate once and counts its signatures as votes. */
export const recordCertificate = (state: CoreState, certificate: Certificate): void => {
  const { view: number, kind, hash } = certificate.statement;
  if (number <= state.final.view) return;
  const view = viewOf(state, number);
  if (view.certificates[kind] !== undefined) return;
  view.certificates[kind] = certificate;
  emit(state, { kind: "keep", certificate });
  certificate.signers.forEach((signer, i) => {
    const signature = certificate.signatures[i];
    if (signature === undefined || state.halted) return;
    // What is held was compared with all else when it came: of most certificates that is every vote.
    if (signer !== state.self && sameHash(view.votes[kind][signer]?.statement.hash, hash)) return;
    recordVote(state, { statement: certificate.statement, signer, signature });
  });
  if (kind !== "nullify") needBlock(state, hash, number, certificate.signers);
};

/** Asks the replica to bring a block to a verdict, once; it keeps trying by itself. */
export const needBlock = (
  state: CoreState,
  hash: Hash,
  view: number,
  sources: readonly number[],
): void => {
  const known = state.blocks.has(toHex(hash));
  const entry = blockOf(state, hash, view);
  if (known || entry.verdict !== undefined || equalBytes(hash, state.final.hash)) return;
  emit(state, {
    kind: "need",
    hash,
    block: undefined,
    sources: sources.filter((s) => s !== state.self),
  });
};

/**
 * Asks for every block that holds this node up: named by a certificate or by an own N, or final, and
 * without a verdict. A view whose block never comes cannot be left, so no single question is relied on.
 */
export const needOpenBlocks = (state: CoreState): void => {
  const sources = state.set.validators.map((_, i) => i).filter((i) => i !== state.self);
  const ask = (hash: Hash | undefined, view: number): void => {
    if (hash === undefined || blockOf(state, hash, view).verdict !== undefined) return;
    emit(state, { kind: "need", hash, block: undefined, sources });
  };
  if (state.final.height === undefined) ask(state.final.hash, state.final.view);
  for (const view of openViews(state)) {
    const { notarize, finalize } = view.certificates;
    for (const hash of [view.own.notarize, notarize?.statement.hash, finalize?.statement.hash]) {
      if (hash !== undefined && !equalBytes(hash, state.final.hash)) ask(hash, view.view);
    }
  }
};

/** Forms every certificate that the held votes allow. True when one was formed. */
export const formCertificates = (state: CoreState, view: ViewState): boolean => {
  if (!view.dirty) return false;
  view.dirty = false;
  let formed = false;
  for (const kind of KINDS) {
    if (view.certificates[kind] !== undefined || view.heaviest[kind] < state.set.quorum) continue;
    const certificate = quorumOf(state, view, kind);
    if (certificate === undefined) continue;
    recordCertificate(state, certificate);
    formed = true;
  }
  return formed;
};

/** The hash with a quorum behind it, of two the one with the lowest signer: that takes liars of a third. */
const quorumOf = (
  state: CoreState,
  view: ViewState,
  kind: StatementKind,
): Certificate | undefined => {
  const held = view.votes[kind].filter((vote) => vote !== undefined);
  const first = held.find(({ statement: { hash } }) => {
    const weight = behindOf(view, kind, hash)?.weight;
    return weight !== undefined && weight >= state.set.quorum;
  });
  if (first === undefined) return undefined;
  const { statement } = first;
  const votes = held.filter((vote) => equalBytes(vote.statement.hash, statement.hash));
  return {
    statement,
    signers: votes.map((vote) => vote.signer),
    signatures: votes.map((vote) => vote.signature),
  };
};

/** Forgets views that are final and too old to hold evidence, and blocks that only they named. */
export const prune = (state: CoreState): void => {
  state.open = undefined;
  for (const number of state.views.keys()) {
    if (number <= state.final.view - EVIDENCE_VIEWS) state.views.delete(number);
  }
  for (const [key, entry] of state.blocks) {
    if (entry.view <= state.final.view && key !== toHex(state.final.hash)) state.blocks.delete(key);
  }
};
