/** Adversaries that bend what others have really signed: certificates, votes in other names, answers of sync. */
import { compareBytes } from "../../src/crypto/bytes.ts";
import { decodeBlock, encodeBlock } from "../../src/ledger/block.ts";
import type { PeerId } from "../../src/ledger/ports.ts";
import { finalize } from "../../src/ledger/statement.ts";
import type { Certificate, Statement, StatementKind, Vote } from "../../src/ledger/types.ts";
import { encodeMessage, type Message } from "../../src/ledger/wire.ts";
import { LIMITS } from "../../src/limits.ts";
import { claimMore } from "./traffic.ts";
import type { Powers, StrategyFactory } from "./types.ts";
import type { Proposal } from "./votes.ts";

type SyncResponse = Message & { readonly type: "sync-response" };

const KEPT = 24;
/** The other kind that a statement's signatures are shown under; the hash has to fit it. */
const OTHER_KIND: Readonly<Record<StatementKind, StatementKind>> = {
  notarize: "finalize",
  finalize: "notarize",
  nullify: "notarize",
};

const keep = <T>(list: T[], item: T): void => {
  list.push(item);
  if (list.length > KEPT) list.shift();
};

const weightOf = (powers: Powers, votes: readonly Vote[]): bigint =>
  votes.reduce((sum, { signer }) => sum + (powers.set.validators[signer]?.weight ?? 0n), 0n);

const certificateOf = (votes: readonly Vote[], statement: Statement): Certificate => {
  const sorted = [...votes].sort((a, b) => a.signer - b.signer);
  return {
    statement,
    signers: sorted.map(({ signer }) => signer),
    signatures: sorted.map(({ signature }) => signature),
  };
};

/** What may be wrong about a certificate whose every signature somebody really made. */
const CHANGES = [
  "other epoch",
  "other kind",
  "names shifted",
  "signers twice",
  "other view",
] as const;
type Change = (typeof CHANGES)[number];
/** Votes shown as a certificate while they are too few, and whole certificates with one thing changed. */
export const BENT_WAYS = ["below the quorum", ...CHANGES] as const;

const changed = (statement: Statement, change: Change): Statement => {
  switch (change) {
    case "other epoch":
      return { ...statement, epoch: statement.epoch + 1 };
    case "other kind":
      return { ...statement, kind: OTHER_KIND[statement.kind] };
    case "other view":
      return { ...statement, view: statement.view + 1 };
    default:
      return statement;
  }
};

const bent = (powers: Powers, certificate: Certificate, change: Change) => {
  const setSize = powers.set.validators.length;
  const { signers, signatures } = certificate;
  const statement = changed(certificate.statement, change);
  switch (change) {
    case "names shifted": // Each signature under the next one's name.
      return {
        ...{ statement, signers, setSize },
        signatures: [...signatures.slice(1), ...signatures.slice(0, 1)],
      };
    case "signers twice": // In a set that is said to be twice as large.
      return {
        statement,
        signers: [...signers, ...signers.map((signer) => signer + setSize)],
        signatures: [...signatures, ...signatures],
        setSize: 2 * setSize,
      };
    default:
      return { statement, signers, signatures, setSize };
  }
};

/** Up to this many validators every certificate below the quorum is shown. */
const SMALL_SET = 12;

/** In a large network each vote would make a certificate of all votes before it: a few sizes do, and the last. */
const isWorthShowing = (votes: number, setSize: number): boolean =>
  setSize <= SMALL_SET || (votes & (votes - 1)) === 0 || 3 * votes > 2 * setSize - 3;

/**
 * Sends the votes that it has seen as a certificate while they are less than a quorum, with their real
 * signatures, and real certificates with one thing changed: epoch, kind, view, names, or signers twice.
 */
export const bendCertificates: StrategyFactory = (powers) => {
  const setSize = powers.set.validators.length;
  const certificates: Certificate[] = [];
  const votes = new Map<string, Vote[]>();
  const early = (vote: Vote): void => {
    // Who has joined the set of a later epoch has no place in a certificate of this one.
    if (vote.signer >= setSize) return;
    const { epoch, view, kind, hash } = vote.statement;
    const key = `${epoch}/${view}/${kind}/${Buffer.from(hash).toString("hex")}`;
    const known = votes.get(key) ?? [];
    if (known.some(({ signer }) => signer === vote.signer)) return;
    known.push({ ...vote, signature: vote.signature.slice() });
    votes.set(key, known);
    for (const oldest of votes.keys()) {
      if (votes.size <= KEPT) break;
      votes.delete(oldest);
    }
    const own = kind === "nullify" ? [] : [powers.vote(vote.statement)];
    const all = known.some(({ signer }) => signer === powers.self) ? known : [...known, ...own];
    const certificate = certificateOf(all, vote.statement);
    if (weightOf(powers, all) >= powers.set.quorum) return keep(certificates, certificate);
    if (!isWorthShowing(known.length, setSize)) return;
    const shown = { ...certificate, setSize };
    if (powers.lieToAll(powers.flooded(), { type: "certificate", certificate: shown }))
      powers.mark("bent certificate below the quorum");
  };
  /** Of one signer alone no name can be shifted: what is sent then is true. */
  const show = (peer: PeerId, certificate: Certificate, change: Change): void => {
    const message: Message = {
      type: "certificate",
      certificate: bent(powers, certificate, change),
    };
    const isTrue = change === "names shifted" && certificate.signers.length < 2;
    if (isTrue) powers.send(peer, message);
    else if (powers.lie(peer, message)) powers.mark(`bent certificate ${change}`);
  };
  return {
    incoming: (_peer, _bytes, read) => {
      const message = read();
      if (message?.type === "vote" || message?.type === "proposal") early(message.vote);
      const isOfSet = message?.type === "certificate" && message.certificate.setSize === setSize;
      if (isOfSet) keep(certificates, message.certificate);
      return false;
    },
    tick: () => {
      if (certificates.length === 0) return;
      for (const peer of powers.flooded()) {
        show(peer, powers.random.pick(certificates), powers.random.pick(CHANGES));
      }
    },
  };
};

/** Speaks in the names of others: their votes under its own signature, their proposals in its own hands. */
export const impersonate: StrategyFactory = (powers) => {
  const seen: Message[] = [];
  const twisted = (message: Message): Message | undefined => {
    if (message.type === "proposal") return { ...message, parentView: message.parentView + 1 };
    if (message.type !== "vote") return undefined;
    const { statement, signer } = message.vote;
    const count = powers.set.validators.length;
    if (powers.random.below(2) === 0) {
      const vote = { ...message.vote, signer: (signer + 1) % count };
      return { type: "vote", vote };
    }
    const view = statement.view + powers.random.below(3);
    const { signature } = powers.vote({ ...statement, view });
    return { type: "vote", vote: { statement: { ...statement, view }, signer, signature } };
  };
  return {
    incoming: (_peer, _bytes, read) => {
      const message = read();
      if (message?.type === "vote" || message?.type === "proposal") keep(seen, message);
      return false;
    },
    tick: () => {
      if (seen.length === 0) return;
      for (const peer of powers.flooded()) {
        const message = twisted(powers.random.pick(seen));
        if (message !== undefined) powers.lie(peer, message);
      }
    },
  };
};

/**
 * The last block of an answer with another state, under a certificate for it that looks whole, or under the
 * true one, which is for another block.
 */
const otherTip = (
  powers: Powers,
  response: SyncResponse,
  forged: boolean,
): SyncResponse | undefined => {
  const last = response.blocks.at(-1);
  const decoded = last === undefined ? undefined : decodeBlock(powers.hasher, last.block);
  if (last === undefined || decoded === undefined || !decoded.ok) return undefined;
  const { header, batchDigests, proofs } = decoded.value;
  const stateRoot = powers.hasher.ht("adversary", header.stateRoot);
  const block = encodeBlock(powers.hasher, { ...header, stateRoot }, batchDigests, proofs);
  const blocks = [...response.blocks.slice(0, -1), { ...last, block: block.bytes }];
  if (!forged) return { ...response, blocks };
  const { statement, signers, setSize } = response.certificate;
  const changed = finalize(statement.epoch, statement.view, block.hash);
  const own = powers.vote(changed).signature;
  const signatures = signers.map((signer, i) =>
    signer === powers.self
      ? own
      : (response.certificate.signatures[i] ?? new Uint8Array(LIMITS.falconSignatureBytes)),
  );
  return {
    ...response,
    blocks,
    certificate: { statement: changed, signers, signatures, setSize },
  };
};

/** A block that it has seen proposed, as if it were final, under a certificate of its own making. */
const fromProposal = (
  powers: Powers,
  proposal: Proposal,
  from: number,
): SyncResponse | undefined => {
  if (proposal.block === undefined) return undefined;
  const { epoch, view, hash } = proposal.vote.statement;
  const statement = finalize(epoch, view, hash);
  const setSize = powers.set.validators.length;
  const { signature } = powers.vote(statement);
  const signers = Array.from({ length: setSize }, (_, i) => i);
  const certificate = { statement, setSize, signers, signatures: signers.map(() => signature) };
  return {
    type: "sync-response",
    from,
    certificate,
    blocks: [{ block: proposal.block, batches: [] }],
  };
};

/**
 * Answers those who catch up with what looks right: the true blocks under another tip with its own
 * certificate or the true one, the same without a block in the middle, without batches, or the answer to
 * another question. It claims to have more than anybody, so that it is asked, and then shows proposals as if
 * they were final.
 */
export const lyingSnapshot: StrategyFactory = (powers) => {
  let older: SyncResponse | undefined;
  let proposal: Proposal | undefined;
  let forged = false;
  const lie = (response: SyncResponse): Message | undefined => {
    switch (powers.random.below(4)) {
      case 0:
        forged = !forged;
        return otherTip(powers, response, forged);
      case 1:
        return {
          ...response,
          blocks: response.blocks.filter((_, i, all) => i !== all.length >> 1),
        };
      case 2:
        return { ...response, blocks: response.blocks.map((one) => ({ ...one, batches: [] })) };
      default:
        return older === undefined ? undefined : { ...older, from: response.from };
    }
  };
  const fits = (answer: Message): boolean =>
    encodeMessage(answer).length <= LIMITS.syncResponseBytesMax;
  return {
    watch: (message) => {
      if (message?.type === "proposal" && message.block !== undefined) proposal = message;
    },
    outgoing: (peer, _class, bytes, read) => {
      const message = read();
      if (message?.type === "status") return claimMore(powers, peer, message);
      if (message?.type === "sync-none" && proposal !== undefined) {
        const answer = fromProposal(powers, proposal, message.from);
        if (answer !== undefined) powers.lie(peer, answer);
        return true;
      }
      if (message?.type !== "sync-response") return false;
      const answer = lie(message);
      older ??= message;
      if (answer === undefined || !fits(answer)) return false;
      // Blocks without batches are whole without them, and the answer to the same question is no other.
      if (compareBytes(encodeMessage(answer), bytes) === 0) return false;
      powers.lie(peer, answer);
      return true;
    },
  };
};
