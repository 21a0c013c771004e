/** Builds the block that a leader proposes: batches from the mempool, roots as executed, the next time. */
import { ZERO_HASH } from "../../crypto/bytes.ts";
import { LIMITS } from "../../limits.ts";
import { checkProofs, type WorkVerdict } from "../batch-work.ts";
import { batchesRoot, encodeBlock, PROTOCOL_VERSION, proofsHash } from "../block.ts";
import { encodeBlockProofs } from "../block-proofs.ts";
import type { Batch, Block, ExecutionRoots, Hash, Header } from "../types.ts";
import {
  type ActorKey,
  type EpochSnapshot,
  isBoundaryTime,
  type ParentBlock,
  referenceCheck,
} from "../validity.ts";
import type { BatchPool } from "./batch-pool.ts";
import type { BlockTree } from "./block-tree.ts";
import type { Context } from "./context.ts";

export type BuildInput = {
  readonly context: Context;
  readonly pool: BatchPool;
  readonly tree: BlockTree;
  readonly epoch: EpochSnapshot;
  readonly view: number;
  readonly parentView: number;
  readonly parent: ParentBlock;
  readonly proposer: number;
  readonly roots: ExecutionRoots;
  /** What this node must reveal at the height (own-ivrf-keys.ts). */
  readonly reveal: Uint8Array;
  readonly actorKey: (actor: Hash) => ActorKey | undefined;
};

/**
 * A block on `parent` with everything in it valid, and its batches in block order. Undefined where this node
 * cannot open its sectors as it must.
 */
export const buildBlock = (
  input: BuildInput,
): { block: Block; batches: readonly Batch[] } | undefined => {
  const { context, parent, epoch, roots } = input;
  const timeMs = Math.max(parent.timeMs + 1, context.ports.clock.wallMs());
  const batches = selectBatches(input, timeMs);
  const digests = batches.map((batch) => batch.digest);
  const boundary = isBoundaryTime(epoch, timeMs);
  const openings = openingsOn(input);
  if (openings === undefined) return undefined;
  const parts = { reveal: input.reveal, openings };
  const proofs = encodeBlockProofs(context.options.genesis.proofs, parts);
  const header: Header = {
    protocolVersion: PROTOCOL_VERSION,
    chainHash: context.hasher.chainHash,
    epoch: epoch.set.epoch,
    view: input.view,
    height: parent.height + 1,
    parentView: input.parentView,
    parentHash: parent.hash,
    timeMs,
    batchesRoot: batchesRoot(context.hasher, digests),
    batchCount: digests.length,
    executedHeight: roots.height,
    logSize: roots.logSize,
    logRoot: roots.logRoot,
    stateRoot: roots.stateRoot,
    proofsHash: proofsHash(context.hasher, proofs),
    nextSetHash: boundary ? epoch.nextSetHash : ZERO_HASH,
    proposer: input.proposer,
  };
  return { block: encodeBlock(context.hasher, header, digests, proofs), batches };
};

const openingsOn = ({ pool, tree, epoch, parent }: BuildInput): Uint8Array | undefined => {
  const beacon = tree.beaconAt(parent.hash, parent.height);
  return pool.space.blockOpenings(epoch.set, parent.height + 1, beacon);
};

const selectBatches = (input: BuildInput, timeMs: number): readonly Batch[] => {
  const { context, pool, tree, parent, roots } = input;
  const point = {
    height: parent.height + 1,
    timeMs,
    hashAt: (height: number) => tree.hashAt(parent.hash, height),
    timeAt: (height: number) => tree.timeAt(parent.hash, height),
  };
  const checkRef = referenceCheck(point);
  const { asked } = pool.work;
  const workVerdict = (digest: Hash): WorkVerdict | undefined => pool.workVerdict(digest);
  return pool.mempool.select({
    hasher: context.hasher,
    orderSeed: tree.orderSeed(parent),
    laneHead: (actor) => tree.laneHead(parent.hash, actor),
    includable: (batch) => {
      const key = input.actorKey(batch.actor);
      if (key === undefined || key.registeredHeight > roots.height) return false;
      const refused = checkRef(batch) ?? checkProofs(asked, batch, workVerdict);
      return (refused ?? pool.space.check(batch)) === undefined;
    },
    byEffort: asked.work !== null,
    batchesMax: LIMITS.blockBatchesMax,
    bytesMax: LIMITS.blockBytesMax,
    eventsMax: LIMITS.blockEventsMax,
    checkUnitsOf: (batch) => context.options.registry.checkUnits(batch.events),
    checkUnitsMax: LIMITS.blockCheckUnitsMax,
  });
};
