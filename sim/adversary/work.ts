/**
 * An adversary about work: it hands on what clients gave it without their work or with false work, and
 * proposes blocks of such batches. It cannot sign for a client, but work is not under the signature.
 */
import { toHex } from "../../src/crypto/bytes.ts";
import { decodeBatch, sealBatch } from "../../src/ledger/batch.ts";
import { slotOf, WORK_SLOT } from "../../src/ledger/batch-proofs.ts";
import { workSlot } from "../../src/ledger/batch-work.ts";
import { batchesRoot, decodeBlock, encodeBlock } from "../../src/ledger/block.ts";
import { notarize } from "../../src/ledger/statement.ts";
import type { Batch, ProofSlot } from "../../src/ledger/types.ts";
import { Recent } from "../checkers/recent.ts";
import type { Powers, StrategyFactory } from "./types.ts";
import type { Proposal } from "./votes.ts";

const KEPT = 256;

const WAYS = ["omitted", "forged", "borrowed", "replayed", "understated"] as const;

const noise = (powers: Powers, of: Uint8Array, effort: Uint8Array): Uint8Array => {
  const bytes = powers.random.bytes(of.length);
  bytes.set(effort);
  return bytes;
};

/** The slots of a batch that shows false work; undefined where there is nothing to make it of. */
const falseSlots = (
  powers: Powers,
  way: (typeof WAYS)[number],
  batch: Batch,
  known: readonly Batch[],
): readonly ProofSlot[] | undefined => {
  const own = slotOf(batch.proofs, WORK_SLOT)?.bytes;
  if (own === undefined) return undefined;
  const isSame = (one: Batch): boolean => toHex(one.actor) === toHex(batch.actor);
  const workOf = (one: Batch | undefined): readonly ProofSlot[] | undefined =>
    one === undefined ? undefined : one.proofs;
  switch (way) {
    case "omitted":
      return [];
    case "forged":
      return [workSlot(noise(powers, own, own.subarray(0, 4)))];
    case "borrowed":
      return workOf(known.find((one) => !isSame(one)));
    case "replayed":
      return workOf(known.find((one) => isSame(one) && one.laneSeq !== batch.laneSeq));
    case "understated":
      return [workSlot(noise(powers, own, Uint8Array.of(0, 0, 0, 1)))];
  }
};

export const falseWork: StrategyFactory = (powers) => {
  const known = new Recent<string, Batch>(KEPT);
  const made = new Recent<string, Uint8Array>(KEPT);
  const proposals = new Map<number, Proposal>();

  const falsified = (batch: Batch): Batch | undefined => {
    const way = powers.random.pick(WAYS);
    const slots = falseSlots(powers, way, batch, [...known.values()]);
    if (slots === undefined) return undefined;
    const unsigned = { ...batch, core: batch.bytes.subarray(0, 186), signingMessage: batch.id };
    const other = sealBatch(powers.hasher, unsigned, batch.signature, slots);
    if (toHex(other.digest) === toHex(batch.digest)) return undefined;
    powers.mark(`work ${way}`);
    made.set(toHex(other.digest), other.bytes);
    return other;
  };

  /** Its own block, with false work in every batch whose bytes it has seen. */
  const worthless = (proposal: Proposal): Proposal | undefined => {
    if (proposal.block === undefined) return undefined;
    const block = decodeBlock(powers.hasher, proposal.block);
    if (!block.ok) return undefined;
    const { header, batchDigests, proofs } = block.value;
    const digests = batchDigests.map((digest) => {
      const batch = known.get(toHex(digest));
      return (batch === undefined ? undefined : falsified(batch)?.digest) ?? digest;
    });
    if (digests.every((digest, i) => digest === batchDigests[i])) return undefined;
    const batches = batchesRoot(powers.hasher, digests);
    const other = encodeBlock(powers.hasher, { ...header, batchesRoot: batches }, digests, proofs);
    powers.mark("work missing in a block");
    const vote = powers.vote(notarize(header.epoch, header.view, other.hash));
    return { ...proposal, block: other.bytes, vote };
  };

  const note = (bytes: Uint8Array): Batch | undefined => {
    const decoded = decodeBatch(powers.hasher, bytes.slice());
    if (decoded.ok) known.set(toHex(decoded.value.digest), decoded.value);
    return decoded.ok ? decoded.value : undefined;
  };

  return {
    watch: (message) => {
      if (message?.type === "batch") note(message.batch);
      if (message?.type === "batches") for (const bytes of message.batches) note(bytes);
    },
    incoming: (peer, _bytes, read) => {
      const message = read();
      if (message?.type !== "batch-request") return false;
      const asked = message.digests.map((digest) => made.get(toHex(digest)));
      const batches = asked.filter((bytes) => bytes !== undefined);
      if (batches.length === 0) return false;
      powers.send(peer, { type: "batches", batches });
      return batches.length === asked.length;
    },
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type === "batch") {
        const batch = note(message.batch);
        const other = batch === undefined ? undefined : falsified(batch);
        if (other === undefined || powers.random.below(2) === 0) return false;
        powers.send(peer, { type: "batch", batch: other.bytes });
        return true;
      }
      if (message?.type !== "proposal" || message.block === undefined) return false;
      const { view } = message.vote.statement;
      const other = proposals.get(view) ?? worthless(message);
      if (other === undefined) return false;
      proposals.set(view, other);
      powers.send(peer, other);
      return true;
    },
  };
};
