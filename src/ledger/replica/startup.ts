/**
 * Reading what a node has on its disks before it takes part: the genesis (written on the first start),
 * the final tip, what is executed, certificates and own votes above the tip.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { type Failure, fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { genesisPoint, keepsPoints } from "../chain-point.ts";
import type { OwnVote, Recovered } from "../consensus/types.ts";
import { certificateKey } from "../keys.ts";
import type { StoreOp } from "../ports.ts";
import { readExecution } from "../records.ts";
import { decodeCertificate } from "../statement.ts";
import type { Certificate, ExecutionRoots, Hash } from "../types.ts";
import {
  type BlockStore,
  type EpochStart,
  genesisOps,
  STORE_FORMAT,
  type Tip,
  validatorSetOp,
} from "./block-store.ts";
import { storeFailure } from "./committer.ts";
import type { Context } from "./context.ts";
import type { OpenIndex } from "./open-index.ts";
import { readAll } from "./read-all.ts";
import type { VoteStore } from "./vote-store.ts";

export type Loaded = {
  readonly tip: Tip;
  readonly start: EpochStart;
  readonly executed: ExecutionRoots;
  readonly ownVotes: readonly OwnVote[];
  /** Why this node may not vote, if it may not. */
  readonly votesFailure: Failure | undefined;
};

/** Calls back with what is on disk, or with why this folder cannot be used. */
export const load = (
  context: Context,
  store: BlockStore,
  { votes, open }: { readonly votes: VoteStore; readonly open: OpenIndex },
  ids: { readonly self: Hash; readonly genesisHash: Hash },
  done: (result: Result<Loaded>) => void,
): void => {
  ensureGenesis(context, store, ids.genesisHash, (failure) => {
    if (failure !== undefined) return done(failure);
    open.load((damaged) => {
      if (damaged !== undefined) return done(damaged);
      loadRest(context, store, votes, ids, done);
    });
  });
};

/**
 * Whether the votes are not there, or not as they were written: that stays so, and the node follows on without
 * voting. Any other failure is of this reading alone and tells nothing of the votes: the start ends with it, as
 * where the data cannot be read, and the next one reads again.
 */
const isUnusable = ({ code }: Failure): boolean =>
  code === "votes.missing" || code === "store.corrupt";

const loadRest = (
  context: Context,
  store: BlockStore,
  votes: VoteStore,
  ids: { readonly self: Hash },
  done: (result: Result<Loaded>) => void,
): void => {
  votes.load(ids.self, (own) => {
    if (!own.ok && !isUnusable(own)) return done(own);
    const tip = store.tip();
    const start = store.epochStart();
    const executed = tip === undefined ? undefined : lastExecuted(context, tip.height);
    if (tip === undefined || start === undefined || executed === undefined) {
      return done(fail("store.corrupt", "the final tip or its execution record is missing"));
    }
    done(
      ok({
        tip,
        start,
        executed,
        ownVotes: own.ok ? own.value : [],
        votesFailure: own.ok ? undefined : own,
      }),
    );
  });
};

const ensureGenesis = (
  context: Context,
  store: BlockStore,
  expected: Hash,
  done: (failure?: Failure) => void,
): void => {
  const stored = store.genesisHash();
  if (stored !== undefined && !equalBytes(stored, expected)) {
    const detail = `the folder holds the chain ${toHex(stored).slice(0, 16)}, not this genesis`;
    return done(fail("folder.foreign", detail));
  }
  if (stored !== undefined && store.format() !== STORE_FORMAT) {
    const detail =
      `the data is in storage format ${store.format()}, this version reads ${STORE_FORMAT}: ` +
      "delete the folder db (not keys) and start, the peers have it";
    return done(fail("folder.format", detail));
  }
  if (store.validatorSet(1) !== undefined) return done(pointFailure(context, store));
  const { genesis, hasher, executor, nextSet } = context.options;
  const write = (ops: readonly StoreOp[], next: () => void): void => {
    context.ports.store.write(ops, { sync: true }, (failure) => {
      if (failure !== undefined) done(storeFailure(failure, "genesis"));
      else next();
    });
  };
  const execution = executor.executeGenesis(genesis);
  const point = keepsPoints(genesis) ? genesisPoint(hasher, expected, genesis) : undefined;
  const ops = [...execution.ops, ...genesisOps(expected, genesis.timeMs, [], point)];
  // The sets are read from the genesis rows, so those are written first; set 1 marks that all is there.
  write(ops, () => {
    write(
      [0, 1].map((epoch) => validatorSetOp(nextSet(context.read, epoch))),
      () => done(),
    );
  });
};

/** A chain that keeps points can go on only from that of its tip. */
const pointFailure = (context: Context, store: BlockStore): Failure | undefined => {
  if (!keepsPoints(context.options.genesis)) return undefined;
  if (store.point(0) === undefined) {
    const detail =
      "the data has no beacon: delete the folder db (not keys) and start, the peers have it";
    return fail("folder.format", detail);
  }
  const { height } = store.tip() ?? { height: 0 };
  return store.point(height) === undefined
    ? fail("store.corrupt", `the point of the final height ${height} is missing`, { height })
    : undefined;
};

/** Execution is at most a few heights behind the tip; the search goes down to the genesis if it must. */
export const lastExecuted = (context: Context, tipHeight: number): ExecutionRoots | undefined => {
  for (let height = tipHeight; height >= 0; height--) {
    const record = readExecution(context.read, height);
    if (record !== undefined) return record;
  }
  return undefined;
};

/** What the core of `epoch` starts from. Certificates above the tip are read from the store. */
export const recover = (
  context: Context,
  store: BlockStore,
  votes: VoteStore,
  args: { readonly epoch: number; readonly tip: Tip; readonly ownVotes: readonly OwnVote[] },
  done: (result: Result<Recovered>) => void,
): void => {
  const { epoch, tip, ownVotes } = args;
  const continues = tip.epoch === epoch && tip.height > 0;
  const view = continues ? tip.view : 0;
  const floorView =
    votes.floor.epoch > epoch
      ? Number.MAX_SAFE_INTEGER
      : votes.floor.epoch === epoch
        ? votes.floor.view
        : 0;
  const range = {
    gte: certificateKey(epoch, view + 1, 0),
    lt: certificateKey(epoch + 1, 0, 0),
  };
  const max = LIMITS.recoveredCertificatesMax;
  readAll(context.ports.store, range, max, (failure, entries) => {
    if (failure !== undefined) return done(failure);
    const certificates: Certificate[] = [];
    for (const [, value] of entries) {
      const certificate = decodeCertificate(value);
      if (!certificate.ok) return done(fail("store.corrupt", "a stored certificate is damaged"));
      certificates.push(certificate.value);
    }
    done(
      ok({
        final: { view, height: tip.height, hash: tip.hash },
        finalization: continues ? store.certificate(epoch, view, "finalize") : undefined,
        certificates,
        ownVotes: ownVotes.filter((own) => own.vote.statement.epoch === epoch),
        floorView,
      }),
    );
  });
};
