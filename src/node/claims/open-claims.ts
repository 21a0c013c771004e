/** Starts what a node does for the proofs of an epoch, on a chain that asks for them. */
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Logger, Metrics } from "../../ledger/ports.ts";
import { KEYS, STAKE, standingRow, sumOf } from "../../ledger/projections/stake/rows.ts";
import type { Hash } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";
import type { NodeConfig } from "../config.ts";
import type { NodePaths } from "../folder.ts";
import { realClock } from "../real-ports.ts";
import { type Claimant, startClaimant } from "./claimant.ts";
import { namedMembers, namedValidator } from "./members.ts";
import { startSharer } from "./sharer.ts";
import { timeKind } from "./time-kind.ts";
import { workKind } from "./work-kind.ts";

export type OpenClaimantsOptions = {
  readonly config: Pick<
    NodeConfig,
    "timeDuty" | "timeMembers" | "timeSharedWith" | "workThreads" | "workDuty" | "workUnits"
  >;
  readonly paths: Pick<NodePaths, "time" | "work">;
  readonly chain: ParsedGenesis;
  readonly handle: LedgerHandle;
  readonly self: Hash;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

/** Units that the stake bonded on this validator can use: more of them give no more power. */
const unitsOfStake = ({ chain, handle, self }: OpenClaimantsOptions): number => {
  const { stake } = chain.genesis.proofs;
  const row = stake === null ? undefined : handle.row(STAKE, KEYS.standing(self));
  if (stake === null || row === undefined) return 1;
  const each = stake.stakePerWorkUnit;
  const units = (sumOf(standingRow.decode(row).bonds) + each - 1n) / each;
  return Number(units < BigInt(LIMITS.workSharesMax) ? units : BigInt(LIMITS.workSharesMax));
};

/** Elapsed time by runs of its own, for others too where the operator says so, or by those of another. */
const timeClaimant = (
  options: OpenClaimantsOptions,
  start: (members: readonly Hash[]) => Claimant,
): Claimant => {
  const { config, chain, handle, self, logger } = options;
  const { timeMembers, timeSharedWith } = config;
  const naming = { genesis: chain.genesis, handle, self, logger };
  if (timeSharedWith === undefined) return start(namedMembers(naming, timeMembers));
  const timekeeper = namedValidator(naming, "time_shared_with", timeSharedWith);
  return startSharer({ handle, self, timekeeper, logger });
};

/** None on a chain that asks for neither time nor work. */
export const openClaimants = (options: OpenClaimantsOptions): Claimant => {
  const { config, paths, chain, handle, self, logger, metrics } = options;
  const { genesis, hasher } = chain;
  const { epochMs, idleMs } = genesis.parameters;
  const { time, work } = genesis.proofs;
  const common = { handle, epochMs, idleMs, clock: realClock, logger, metrics };
  const of = { chainId: genesis.chainId, hasher, handle, self, epochMs, logger };
  const claimants: Claimant[] = [];
  if (time !== null) {
    const own = { folder: paths.time, parameters: time, dutyMax: config.timeDuty };
    const start = (members: readonly Hash[]): Claimant =>
      startClaimant({ ...common, kind: timeKind({ ...of, ...own, members }) });
    claimants.push(timeClaimant(options, start));
  }
  if (work !== null) {
    const own = {
      ...{ folder: paths.work, parameters: work.shares },
      ...{ threads: config.workThreads, dutyMax: config.workDuty },
      unitsWanted: () => config.workUnits ?? unitsOfStake(options),
    };
    claimants.push(startClaimant({ ...common, kind: workKind({ ...of, ...own }) }));
  }
  return {
    async close() {
      await Promise.all(claimants.map((claimant) => claimant.close()));
    },
  };
};
