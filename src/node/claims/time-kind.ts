/** Elapsed time as a claim: a timekeeper in its thread, whose state is a file in the node's folder. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { equalBytes } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Logger } from "../../ledger/ports.ts";
import type { Answer } from "../../ledger/projections/claims.ts";
import { TIME, type TimeClaim, timeRunsOf, timeRunsRowKey } from "../../ledger/projections/time.ts";
import { timeRunCommitted, timeRunProven } from "../../ledger/projections/time-events.ts";
import type { EncodedEvent, Hash } from "../../ledger/types.ts";
import { membersRoot } from "../../proofs/time/members.ts";
import {
  leavesRequired,
  TIME_REFERENCE,
  type TimeParameters,
} from "../../proofs/time/parameters.ts";
import { timePart, timeParts } from "../../proofs/time/parts.ts";
import { keptFromOf } from "../../proofs/time/run.ts";
import type { TimeStatement } from "../../proofs/time/statement.ts";
import { makeFolder } from "../folder.ts";
import { createStateFile, readStateFile } from "../timekeeper/state-file.ts";
import { startTimekeeper } from "../timekeeper/timekeeper.ts";
import type { ClaimKind, ClaimWork, WorkEpoch } from "./claimant.ts";
import { pacedDuty } from "./plan.ts";

export type TimeKindOptions = {
  readonly folder: string;
  readonly chainId: string;
  readonly hasher: Hasher;
  readonly handle: LedgerHandle;
  readonly self: Hash;
  readonly parameters: TimeParameters;
  readonly epochMs: number;
  /** Percent of a core that the thread may take. */
  readonly dutyMax: number;
  /** Who shares the runs, in ascending order of id. */
  readonly members: readonly Hash[];
  readonly logger: Logger;
};

const FILE = /^([0-9]{1,16})\.run(\.lock)?$/;

/** What a leaf takes beside its tail: most of it where the tail is short. */
const LEAF_NS = 5_000;

const leafMs = ({ tailBlocks }: TimeParameters): number =>
  (tailBlocks * TIME_REFERENCE.stepNs + LEAF_NS) / 1_000_000;

/** What an answer computes again: of each opened leaf all that are under the same kept label. */
const answerMs = (parameters: TimeParameters, duty: number): number =>
  (parameters.challenges * 2 ** keptFromOf(parameters) * leafMs(parameters) * 100) / duty;

/**
 * The root of the members of a run from that seed that is kept; undefined where none is. What cannot be read, or is of
 * another chain, is begun anew.
 */
const keptFor = (path: string, seed: Hash): Hash | undefined => {
  if (!existsSync(path)) return undefined;
  try {
    const { statement } = readStateFile(path);
    return equalBytes(statement.seed, seed) ? statement.members : undefined;
  } catch (error) {
    if (error instanceof TetradError && error.code === "time.state") return undefined;
    throw error;
  }
};

const work = (
  options: TimeKindOptions,
  { epoch }: Pick<TimeStatement, "epoch">,
  path: string,
  duty: number,
): ClaimWork<TimeClaim> => {
  const { parameters, members, epochMs, logger } = options;
  const least = leavesRequired(parameters, epochMs);
  const keeper = startTimekeeper(
    { path, leaves: 2 ** parameters.leavesLog2Max, duty },
    {
      onReady: (leaves) => logger.log("debug", "keeping time", { epoch, leaves }),
      onProgress: () => {},
      onOpening: () => {},
    },
  );
  return {
    finished: keeper.finished.then(({ leaves, phi }): EncodedEvent => {
      if (leaves < least) {
        const detail = `${leaves} leaves of ${least}: give it more time or a larger time_duty`;
        throw new TetradError("time.short", detail);
      }
      logger.log("info", "the run of this epoch is over", { epoch, leaves });
      return timeRunCommitted.encode({ epoch, leaves, phi, members });
    }),
    finish: () => keeper.finish(),
    hurry: () => keeper.setDuty(options.dutyMax),
    absorb: (height, hash) => keeper.absorb(height, hash),
    async answer({ claim, part, challenge }: Answer<TimeClaim>) {
      const { phi } = await keeper.finished;
      if (!equalBytes(phi, claim.phi)) return undefined;
      const { proof } = await keeper.open(challenge, timePart(parameters, part), []);
      return timeRunProven.encode({ epoch, part, proof });
    },
    close: () => keeper.stop(),
  };
};

/** Elapsed time of a node, whose runs are kept in `folder`. */
export const timeKind = (options: TimeKindOptions): ClaimKind<TimeClaim> => {
  const { folder, chainId, hasher, handle, self, parameters, epochMs, dutyMax } = options;
  const wholeMs = 2 ** parameters.leavesLog2Max * leafMs(parameters);
  const duty = pacedDuty(wholeMs, epochMs, dutyMax);
  const key = timeRunsRowKey(self);
  const claims = (): readonly TimeClaim[] => {
    const row = handle.row(TIME, key);
    return row === undefined ? [] : timeRunsOf(row);
  };
  const rootOf = (ids: readonly Hash[]): Hash => membersRoot(hasher, ids);
  /** The members with that root: those of now, or of a restart before, when the operator named others. */
  const membersWith = (root: Hash): readonly Hash[] | undefined => {
    const before = claims().map((claim) => claim.members);
    return [options.members, [], ...before].find((ids) => equalBytes(rootOf(ids), root));
  };
  const pathOf = (epoch: number): string => join(folder, `${epoch}.run`);
  makeFolder(folder, 0o700);
  return {
    name: "time",
    answerMs: answerMs(parameters, duty),
    claims,
    partsOf: () => timeParts(parameters),
    open({ number, seed }: WorkEpoch, fresh: boolean) {
      const path = pathOf(number);
      const root = keptFor(path, seed);
      if (root === undefined && !fresh) return undefined;
      const begunFor = root === undefined ? undefined : membersWith(root);
      // A commitment says whom the run was begun for: with other members it would cost the epoch's one try.
      if (begunFor === undefined && !fresh) {
        const detail = "the run was begun for other members, and it is too late for another one";
        throw new TetradError("time.state", detail);
      }
      if (begunFor === undefined) {
        const members = rootOf(options.members);
        const statement = { epoch: number, seed, timekeeper: self, members };
        createStateFile(path, { chainId, parameters, statement });
      }
      const members = begunFor ?? options.members;
      return work({ ...options, members }, { epoch: number }, path, duty);
    },
    forget(before) {
      for (const name of readdirSync(folder)) {
        const epoch = FILE.exec(name)?.[1];
        if (epoch !== undefined && Number(epoch) < before) rmSync(join(folder, name));
      }
    },
  };
};
