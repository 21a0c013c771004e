/** A block above the final tip as the tree of blocks holds it (block-tree.ts), and what the tree asks of the chain. */
import { toHex } from "../../crypto/bytes.ts";
import type { Failure } from "../../errors.ts";
import type { LaneHead } from "../batch.ts";
import type { ChainPoint } from "../chain-point.ts";
import type { BlockFacts, Verdict } from "../consensus/types.ts";
import type { PeerId } from "../ports.ts";
import type { Batch, Block, ExecutionRoots, Hash } from "../types.ts";
import type { ActorKey, BatchTotals, EpochSnapshot, ParentBlock } from "../validity.ts";
import type { Message } from "../wire.ts";
import type { Tip } from "./block-store.ts";

export type Held = {
  readonly hash: Hash;
  /** Height of the tip when it was first wanted. */
  readonly wantedAt: number;
  block: Block | undefined;
  /** In block order; undefined where missing. */
  batches: (Batch | undefined)[];
  /** Of the batches that are here. */
  totals: BatchTotals;
  /** What was found right and is not looked at again: all that needs no batch, and all that needs no verifier. */
  passed: "nothing" | "proposal" | "batches";
  verdict: Verdict | undefined;
  /** The leader that has proposed it, bytes and all. */
  proposer: PeerId | undefined;
  failure: Failure | undefined;
  /** The core asked for it; otherwise it is only some block's ancestor. */
  wanted: boolean;
  readonly sources: PeerId[];
  nextSource: number;
  cancelFetch: (() => void) | undefined;
  verifying: boolean;
  /** Block and batches are durable already: append need not write them again. */
  persisted: boolean;
  /** Of work, after this block; undefined until it was asked for. */
  price: bigint | undefined;
  /** Last batch of each lane in this block, by actor. */
  laneHeads: ReadonlyMap<string, LaneHead> | undefined;
  /** Beacon and epoch after this block, with its verdict, where the chain keeps them. */
  point: ChainPoint | undefined;
};

export type TreeChain = {
  tip(): Tip;
  /** The height of the tip after the append under way, whose lanes and heights the store may show already. */
  settledHeight(): number;
  executedHeight(): number;
  epoch(): EpochSnapshot;
  rootsAt(height: number): ExecutionRoots | undefined;
  actorKey(actor: Hash): ActorKey | undefined;
  /** The final block of a height, as a parent. */
  finalHashAt(height: number): Hash | undefined;
  finalTimeAt(height: number): number | undefined;
  finalPoint(height: number): ChainPoint | undefined;
  finalLaneHead(actor: Hash): LaneHead;
  tipParent(): ParentBlock;
  send(peer: PeerId, message: Message): void;
  connected(): readonly PeerId[];
  verdict(facts: BlockFacts, verdict: Verdict): void;
  /** The core still holds this hash above what is final: it asks once and waits for the verdict. */
  isOpen(hash: Hash): boolean;
  /** A block is too far ahead: somebody knows a final height near this one. */
  behind(height: number, sources: readonly PeerId[]): void;
};

/** Of a block that is here: its batches that are not. */
export const missingOf = ({ block, batches }: Held): readonly Hash[] =>
  block?.batchDigests.filter((_, i) => batches[i] === undefined) ?? [];

/** The last batch of each lane in a block, by actor. */
export const laneHeadsOf = (batches: readonly Batch[]): Map<string, LaneHead> => {
  const heads = new Map<string, LaneHead>();
  for (const batch of batches) heads.set(toHex(batch.actor), { seq: batch.laneSeq, id: batch.id });
  return heads;
};
