/** Shares of work as a claim: searched for in threads, and kept in the node's folder as they are found. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { equalBytes } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Logger } from "../../ledger/ports.ts";
import type { Answer } from "../../ledger/projections/claims.ts";
import {
  WORK,
  type WorkClaim,
  workSharesOf,
  workSharesRowKey,
} from "../../ledger/projections/work.ts";
import { workSharesCommitted, workSharesProven } from "../../ledger/projections/work-events.ts";
import type { EncodedEvent, Hash } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";
import {
  commitShares,
  encodeSharePart,
  openShares,
  type ShareParameters,
  type ShareSubject,
  shareParts,
  verifySharePart,
} from "../../proofs/work/index.ts";
import { makeFolder } from "../folder.ts";
import { searchShares } from "../work/search.ts";
import type { ClaimKind, ClaimWork, WorkEpoch } from "./claimant.ts";
import { pacedDuty } from "./plan.ts";
import { hasShares, openSharesFile } from "./shares-file.ts";

export type WorkKindOptions = {
  readonly folder: string;
  readonly chainId: string;
  readonly hasher: Hasher;
  readonly handle: LedgerHandle;
  readonly self: Hash;
  readonly parameters: ShareParameters;
  readonly epochMs: number;
  readonly threads: number;
  /** Percent of the time in which each thread may compute. */
  readonly dutyMax: number;
  /** Units that the node wants to show, as they are wanted when an epoch begins. */
  readonly unitsWanted: () => number;
  readonly logger: Logger;
};

const FILE = /^([0-9]{1,16})\.shares$/;
/** A try at N = 8192 on the machine of docs/proofs.md: what the pace of a search is reckoned with. */
const TRY_MS = 2 / 8192;

const sharesFor = ({ difficulty, triesPerUnit }: ShareParameters, units: number): number =>
  Math.min(LIMITS.workSharesMax, Math.max(1, Math.ceil((units * triesPerUnit) / difficulty)));

const work = (
  options: WorkKindOptions,
  { number: epoch }: WorkEpoch,
  subject: ShareSubject,
  path: string,
): ClaimWork<WorkClaim> => {
  const { hasher, parameters, chainId, threads, epochMs, logger } = options;
  const file = openSharesFile(path, subject, parameters);
  const count = sharesFor(parameters, options.unitsWanted());
  const tries = (count - file.nonces.length) * parameters.difficulty;
  const workMs = (tries * parameters.scryptN * TRY_MS) / threads;
  let duty = pacedDuty(workMs, epochMs, options.dutyMax);
  const stop = new AbortController();
  const until = new AbortController();
  const search = { chainId, parameters, subject, threads, count, filled: file.nonces };
  const found = searchShares({
    ...search,
    ...{ signal: stop.signal, until: until.signal },
    duty: () => duty,
    onShare: (slot, nonce) => file.append(slot, nonce),
  });
  const nonces = found.then((result) => result.nonces);
  nonces.catch(() => {});
  return {
    finished: nonces.then((list): EncodedEvent | undefined => {
      if (list.length === 0) return undefined;
      logger.log("info", "the shares of this epoch are found", { epoch, count: list.length });
      return workSharesCommitted.encode({ epoch, ...commitShares(hasher, list) });
    }),
    finish: () => until.abort(),
    hurry: () => {
      duty = options.dutyMax;
    },
    absorb: () => {},
    async answer({ claim, part, challenge }: Answer<WorkClaim>) {
      const list = (await nonces).slice(0, claim.count);
      const opening = openShares(hasher, list, challenge);
      if (!equalBytes(opening.commitment.root, claim.root)) return undefined;
      const bytes = encodeSharePart(parameters, opening, part);
      const verdict = verifySharePart(hasher, parameters, subject, claim, challenge, {
        number: part,
        bytes,
      });
      // One false share on the chain ends the claim, so that a damaged file must not be answered from.
      if (!verdict.ok) throw TetradError.from(verdict);
      return workSharesProven.encode({ epoch, part, shares: bytes });
    },
    async close() {
      stop.abort(new TetradError("node.stopping", "the node stops"));
      await found.catch(() => {});
    },
  };
};

/** Shares of a node, which are kept in `folder`. */
export const workKind = (options: WorkKindOptions): ClaimKind<WorkClaim> => {
  const { folder, handle, self, parameters } = options;
  const key = workSharesRowKey(self);
  makeFolder(folder, 0o700);
  return {
    name: "work",
    answerMs: 1_000,
    claims: () => {
      const row = handle.row(WORK, key);
      return row === undefined ? [] : workSharesOf(row);
    },
    partsOf: ({ count }) => shareParts(parameters, count),
    open(epoch: WorkEpoch, fresh: boolean) {
      const path = join(folder, `${epoch.number}.shares`);
      const subject = { epochSeed: epoch.seed, validator: self };
      const isKept = hasShares(path, subject, parameters);
      return isKept || fresh ? work(options, epoch, subject, path) : undefined;
    },
    forget(before) {
      for (const name of readdirSync(folder)) {
        const epoch = FILE.exec(name)?.[1];
        if (epoch !== undefined && Number(epoch) < before) rmSync(join(folder, name));
      }
    },
  };
};
