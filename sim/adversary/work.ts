/**
 * An adversary about work: it hands on what clients gave it without their work or with false work, and
 * proposes blocks of such batches. It cannot sign for a client, but work is not under the signature.
 */
import { toHex } from "../../src/crypto/bytes.ts";
import { decodeBatch, sealBatch } from "../../src/ledger/batch.ts";
import { batchesRoot, decodeBlock, encodeBlock } from "../../src/ledger/block.ts";
import { notarize } from "../../src/ledger/statement.ts";
import type { Batch, Hash } from "../../src/ledger/types.ts";
import { Recent } from "../checkers/recent.ts";
import { createOnce } from "./by-view.ts";
import { falseSlots, type SlotPowers, WORK_WAYS, type WorkWay } from "./false-slots.ts";
import type { StrategyFactory } from "./types.ts";
import type { Proposal } from "./votes.ts";

const KEPT = 256;

/** A batch with false work, and how it is false. */
type False = { readonly bytes: Uint8Array; readonly digest: Hash; readonly way: WorkWay };

export const falseWork: StrategyFactory = (powers) => {
  const known = new Recent<string, Batch>(KEPT);
  const made = new Recent<string, False>(KEPT);
  const once = createOnce<Proposal>();
  const { hasher, random, beaconAt, genesis } = powers;
  const makers: SlotPowers = { hasher, random, beaconAt, puzzle: genesis.proofs.work?.puzzle };

  const falsified = (batch: Batch): False | undefined => {
    const way = powers.random.pick(WORK_WAYS);
    const slots = falseSlots(makers, way, batch, [...known.values()]);
    if (slots === undefined) return undefined;
    const unsigned = { ...batch, core: batch.bytes.subarray(0, 186), signingMessage: batch.id };
    const other = sealBatch(powers.hasher, unsigned, batch.signature, slots);
    if (toHex(other.digest) === toHex(batch.digest)) return undefined;
    const { bytes, digest } = other;
    made.set(toHex(digest), { bytes, digest, way });
    return { bytes, digest, way };
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
      const found = asked.filter((one) => one !== undefined);
      if (found.length === 0) return false;
      const batches = found.map(({ bytes }) => bytes);
      if (powers.lie(peer, { type: "batches", batches }))
        for (const { way } of found) powers.mark(`work ${way}`);
      return found.length === asked.length;
    },
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type === "batch") {
        const batch = note(message.batch);
        if (batch === undefined || powers.random.below(2) === 0) return false;
        const other = falsified(batch);
        if (other === undefined) return false;
        if (powers.lie(peer, { type: "batch", batch: other.bytes }))
          powers.mark(`work ${other.way}`);
        return true;
      }
      if (message?.type !== "proposal" || message.block === undefined) return false;
      const other = once(message.vote.statement, () => worthless(message));
      if (other === undefined) return false;
      if (powers.lie(peer, other)) powers.mark("false work in a block");
      return true;
    },
  };
};
