/**
 * Keeps a validator's sectors in number: where one has lapsed, nears its end, was given back or is lost, it makes
 * another in the folder `space`, which the keeper (space-keeper.ts) then commits to and proves as any other.
 *
 * It remembers nothing: what is missing follows from the state and the disk, and a sector that was begun is gone on
 * with. It looks only where the chain runs, so that a node that catches up makes nothing for an epoch long past.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { equalBytes } from "../../crypto/bytes.ts";
import { type ErrorCode, TetradError } from "../../errors.ts";
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type { Clock, Logger, Metrics, Timers } from "../../ledger/ports.ts";
import {
  proverKey,
  proverRow,
  SPACE,
  sectorKey,
  sectorRow,
} from "../../ledger/projections/space/index.ts";
import { KEYS, STAKE, standingRow } from "../../ledger/projections/stake/rows.ts";
import { VALIDATORS, validatorKey } from "../../ledger/projections/validators.ts";
import type { SpaceKeeper } from "../../ledger/replica/space-keeper.ts";
import type { Hash } from "../../ledger/types.ts";
import { LIMITS } from "../../limits.ts";
import type { SpaceParameters } from "../../proofs/space/parameters.ts";
import type { SectorHeader } from "../../proofs/space/sector-header.ts";
import { makeFolder, writeFileAtomic } from "../folder.ts";
import {
  isSystemError,
  LAYERS_SUFFIX,
  layerPaths,
  makeLayersFolder,
  readSectorHeader,
} from "./files.ts";
import { planRenewal, type Renewal, type RenewalView } from "./renewal-plan.ts";
import { sealSector } from "./seal.ts";
import { type Known, SECTOR_SUFFIX, sectorsIn } from "./sector-files.ts";

export type RenewerOptions = {
  readonly handle: LedgerHandle;
  /** Who commits to what is made here: its word on a beacon is the only one. */
  readonly keeper: Pick<SpaceKeeper, "isForgotten">;
  readonly chain: ParsedGenesis;
  readonly parameters: SpaceParameters;
  readonly self: Hash;
  /** Folder of the sectors; how many are to go on; percent of a core for making one. */
  readonly folder: string;
  readonly wanted: number;
  readonly duty: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export type Renewer = { close(): Promise<void> };

const LOOK_MS = 2_000;
/** Looks in a row, each at a later height, that have to find a sector missing before one is made. */
const LOOKS_MIN = 3;
/** Rest after a failure: too little memory or disk, or a file that cannot be read, is not over in a moment. */
const REST_MS = 60_000;
/** How far ledger time may be from this machine's: beyond it the node catches up, or the chain stands still. */
const LAG_MS_MAX = 60_000;

const fileOf = (folder: string, number: number): string =>
  join(folder, `${number}${SECTOR_SUFFIX}`);

const MAKING = "no sector can be made";

const codeOf = (error: unknown): ErrorCode => {
  if (error instanceof TetradError) return error.code;
  return isSystemError(error) ? "store.io" : "internal";
};

type Job = { readonly file: string; readonly header: SectorHeader };

/** Sectors of this chain that were begun and have no file yet. */
const jobsIn = (folder: string, chainId: string): readonly Job[] => {
  if (!existsSync(folder)) return [];
  const suffix = SECTOR_SUFFIX + LAYERS_SUFFIX;
  return readdirSync(folder).flatMap((name): Job[] => {
    if (!name.endsWith(suffix)) return [];
    const file = join(folder, name.slice(0, -LAYERS_SUFFIX.length));
    if (existsSync(file)) return [];
    try {
      const header = readSectorHeader(layerPaths(file).job);
      return header.chainId === chainId ? [{ file, header }] : [];
    } catch (error) {
      if (error instanceof TetradError) return [];
      throw error;
    }
  });
};

class SpaceRenewer implements Renewer {
  readonly #options: RenewerOptions;
  readonly #abort = new AbortController();
  #cancel: (() => void) | undefined;
  #making: Promise<void> | undefined;
  #looks = 0;
  #height = 0;
  #restUntilMs = 0;
  /** What failed last time, by what was done, with its code: that is not said again. */
  readonly #told = new Map<string, string>();

  constructor(options: RenewerOptions) {
    this.#options = options;
    this.#next();
  }

  async close(): Promise<void> {
    this.#cancel?.();
    this.#abort.abort();
    await this.#making;
  }

  #next(delayMs = LOOK_MS): void {
    this.#cancel = this.#options.timers.set(delayMs, () => {
      const isDone = this.#try("the sectors of this node cannot be looked after", () =>
        this.#look(),
      );
      if (!this.#abort.signal.aborted) this.#next(isDone ? LOOK_MS : REST_MS);
    });
  }

  /** Nobody is above a timer to catch anything: what fails is tried again later, and the node goes on. */
  #try(what: string, act: () => void): boolean {
    try {
      act();
      this.#told.delete(what);
      return true;
    } catch (error) {
      this.#failed(what, error);
      return false;
    }
  }

  /** Counted each time, and said once while it is the same. */
  #failed(what: string, error: unknown): void {
    if (this.#abort.signal.aborted) return;
    const { clock, logger, metrics } = this.#options;
    this.#restUntilMs = clock.monotonicMs() + REST_MS;
    const code = codeOf(error);
    metrics.count("tetrad_space_failures_total", 1, { code });
    const text = error instanceof Error ? error.message : String(error);
    if (this.#told.get(what) !== code) logger.log("warn", `${what}: ${text}`, { code });
    this.#told.set(what, code);
  }

  /** Whether the chain lets this validator have sectors now. */
  get #mayHold(): boolean {
    const { handle, chain, self } = this.#options;
    if (chain.genesis.proofs.stake === null) {
      return handle.row(VALIDATORS, validatorKey(self)) !== undefined;
    }
    const row = handle.row(STAKE, KEYS.standing(self));
    const standing = row === undefined ? undefined : standingRow.decode(row);
    return standing !== undefined && !standing.left && !standing.tombstoned;
  }

  #view(height: number, jobs: readonly Job[], local: readonly Known[]): RenewalView | undefined {
    const { handle, keeper, self, parameters, wanted } = this.#options;
    const epoch = handle.point(height)?.epoch.number;
    if (epoch === undefined) return undefined;
    const row = handle.row(SPACE, proverKey(self));
    return {
      ...{ parameters, epoch, wanted },
      prover: row === undefined ? undefined : proverRow.decode(row),
      sector: (number) => {
        const stored = handle.row(SPACE, sectorKey(self, number));
        return stored === undefined ? undefined : sectorRow.decode(stored);
      },
      local,
      jobs: jobs.map(({ header }) => header.statement),
      isKnown: ({ statement }) => !keeper.isForgotten(statement.beacon),
    };
  }

  #look(): void {
    const { handle, folder, chain, self, clock, metrics, wanted } = this.#options;
    const height = handle.status().executedHeight;
    const timeMs = height === 0 ? undefined : handle.timeOf(height);
    const isCurrent = timeMs !== undefined && Math.abs(clock.wallMs() - timeMs) <= LAG_MS_MAX;
    if (this.#making !== undefined || !isCurrent || height === this.#height) return;
    this.#height = height;
    const jobs = jobsIn(folder, chain.genesis.chainId).filter(({ header }) =>
      equalBytes(header.statement.validatorId, self),
    );
    const local = sectorsIn(folder, chain.genesis.chainId).filter(({ statement }) =>
      equalBytes(statement.validatorId, self),
    );
    const view = this.#view(height, jobs, local);
    if (view === undefined) return;
    const plan = planRenewal(view);
    const isMember = this.#mayHold;
    metrics.gauge("tetrad_space_sectors", plan.counting);
    metrics.gauge(
      "tetrad_space_sectors_missing",
      isMember ? Math.max(0, wanted - plan.goingOn - plan.coming) : 0,
    );
    const isWanted = isMember && (plan.next !== undefined || plan.unfinished.length > 0);
    this.#looks = isWanted ? this.#looks + 1 : 0;
    if (clock.monotonicMs() < this.#restUntilMs) return;
    if (this.#looks >= LOOKS_MIN) this.#make(plan, height, jobs);
    // Who makes sectors by hand looks after their files too.
    else if (wanted > 0 && plan.goingOn >= wanted && plan.coming === 0) this.#clear(plan, local);
  }

  #make(plan: Renewal, height: number, jobs: readonly Job[]): void {
    this.#looks = 0;
    const { logger, metrics } = this.#options;
    const begun = jobs.find(({ header }) => header.statement.sectorNo === plan.unfinished[0]);
    const work = begun === undefined ? this.#begin(plan.next ?? 0, height) : this.#goOn(begun);
    this.#making = work
      .then(
        (number) => {
          this.#told.delete(MAKING);
          metrics.count("tetrad_space_renewals_total");
          logger.log("info", "a sector is made in the place of one that counts no more", {
            sector: number,
          });
        },
        (error: unknown) => this.#failed(MAKING, error),
      )
      .finally(() => {
        this.#making = undefined;
      });
  }

  /** From the newest beacon of the grid, so that the chain knows it for as long as may be. */
  async #begin(number: number, height: number): Promise<number> {
    const { handle, chain, self, parameters, folder, logger } = this.#options;
    const { genesis, hash } = chain;
    const beaconHeight = height - (height % LIMITS.gridHeights);
    const beacon = handle.point(beaconHeight)?.beacon;
    if (beacon === undefined) throw new TetradError("space.beacon", `no beacon of ${beaconHeight}`);
    const { lgNodes, layers } = parameters;
    logger.log("info", "making a sector: fewer count than are wanted", { sector: number });
    const file = fileOf(folder, number);
    const paths = layerPaths(file);
    makeFolder(folder);
    makeLayersFolder(paths.folder);
    // Before all else: whoever commits to the sector, hours later perhaps, has to say this height.
    writeFileAtomic(paths.height, `${beaconHeight}\n`, 0o600);
    await this.#seal(file, {
      ...{ chainId: genesis.chainId, genesisHash: hash },
      statement: {
        ...{ validatorId: self, sectorNo: number, beacon, lgNodes, layers },
        ...{ commC: NO_ROOT, commRl: NO_ROOT },
      },
    });
    return number;
  }

  async #goOn({ file, header }: Job): Promise<number> {
    await this.#seal(file, header);
    return header.statement.sectorNo;
  }

  async #seal(file: string, { chainId, genesisHash, statement }: SectorHeader): Promise<void> {
    const { validatorId, sectorNo, beacon, lgNodes, layers } = statement;
    await sealSector({
      ...{ file, chainId, genesisHash, signal: this.#abort.signal, duty: this.#options.duty },
      source: { validatorId, sectorNo, beacon, lgNodes, layers },
      onProgress: () => undefined,
    });
  }

  /** What proves nothing any more makes room: for the next one, which takes as much. */
  #clear({ spent }: Renewal, local: readonly Known[]): void {
    const { folder, logger } = this.#options;
    for (const number of spent) {
      const file = fileOf(folder, number);
      // Under another name it is somebody's own, and stays.
      if (!local.some((one) => one.file === file && one.statement.sectorNo === number)) continue;
      this.#try(`${file} counts no more, and cannot be removed`, () => {
        // The sector last: what is left of the layers without it would never be found again.
        rmSync(layerPaths(file).folder, { recursive: true, force: true });
        rmSync(file, { force: true });
        logger.log("info", "the file of a sector that counts no more is removed", {
          sector: number,
        });
      });
    }
  }
}

const NO_ROOT = new Uint8Array(32);

/** Begins to look after the sectors of a running node. It ends with `close`, before the replica does. */
export const startRenewer = (options: RenewerOptions): Renewer => new SpaceRenewer(options);
