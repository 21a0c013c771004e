/** Drivers of time and shares on a chain without consensus: real threads, real files, one block after another. */
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { readPoint } from "../../../src/ledger/chain-point.ts";
import type { LedgerHandle } from "../../../src/ledger/handle.ts";
import { type Claim, claimOf } from "../../../src/ledger/projections/claims.ts";
import { timeOkAt, workUnitsAt } from "../../../src/ledger/projections/power-inputs.ts";
import { timeRunsAt } from "../../../src/ledger/projections/time.ts";
import { workSharesAt } from "../../../src/ledger/projections/work.ts";
import { readRow } from "../../../src/ledger/row.ts";
import type { EncodedEvent, Hash } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { type Claimant, startClaimant } from "../../../src/node/claims/claimant.ts";
import { timeKind } from "../../../src/node/claims/time-kind.ts";
import { workKind } from "../../../src/node/claims/work-kind.ts";
import { codesOf, genesis, hasher, idOf } from "../../ledger/execution-support.ts";
import {
  ClaimChain,
  SHARE_PARAMETERS,
  TIME_PARAMETERS,
} from "../../ledger/projections/claims-support.ts";

const root = mkdtempSync(join(tmpdir(), "tetrad-claims-"));
afterAll(() => rmSync(root, { recursive: true }));

const self = idOf("v0");
const BLOCK_MS = 250;
const EPOCH_BLOCKS = 60;

/** The ledger of one validator: what it writes is in the next block. */
class Ledger {
  readonly chain = new ClaimChain();
  readonly codes: string[] = [];
  readonly failures: string[] = [];
  /** How long the threads may take for what is due. */
  patienceMs = 5_000;
  readonly #waiting: (() => EncodedEvent | undefined)[] = [];
  readonly #listeners = new Set<() => void>();

  get handle(): LedgerHandle {
    const { chain } = this;
    const parts: Partial<LedgerHandle> = {
      status: () =>
        ({
          executedHeight: chain.height,
          finalHeight: chain.height,
          finalHash: chain.roots.stateRoot,
        }) as ReturnType<LedgerHandle["status"]>,
      point: (height) => readPoint(chain.store.read, height),
      timeOf: (height) => genesis.timeMs + height * BLOCK_MS,
      row: (projection, key) => readRow(chain.store.read, projection, key)?.value,
      write: (make) => void this.#waiting.push(make),
      onExecuted: (listener) => {
        const call = (): void => listener(chain.height, 0);
        this.#listeners.add(call);
        return () => this.#listeners.delete(call);
      },
    };
    return parts as LedgerHandle;
  }

  start(folder: string, members: readonly Hash[] = []): Claimant[] {
    const { handle } = this;
    const epochMs = EPOCH_BLOCKS * BLOCK_MS;
    const logger = { log: () => undefined };
    const of = { chainId: "execution-test-1", hasher, handle, self, epochMs, logger, dutyMax: 100 };
    const options = {
      ...{ handle, epochMs, idleMs: BLOCK_MS, logger },
      clock: { monotonicMs: () => 0, wallMs: () => genesis.timeMs + this.chain.height * BLOCK_MS },
      metrics: {
        ...{ gauge: () => undefined, observe: () => undefined },
        count: (_: string, __?: number, labels?: Readonly<Record<string, string>>) =>
          void this.failures.push(`${labels?.["proof"]} ${labels?.["code"]}`),
      },
    };
    const time = { ...of, folder: join(folder, "time"), parameters: TIME_PARAMETERS, members };
    const work = { ...of, folder: join(folder, "work"), parameters: SHARE_PARAMETERS };
    return [
      startClaimant({ ...options, kind: timeKind(time) }),
      startClaimant({ ...options, kind: workKind({ ...work, threads: 1, unitsWanted: () => 2 }) }),
    ];
  }

  /** A block with what waits; then the threads have the time for what is due on it. */
  async step(boundary = false): Promise<void> {
    const events = this.#waiting.splice(0).flatMap((make) => make() ?? []);
    const batches = events.map((event) => ({ by: "v0", events: [event] }));
    const execution = this.chain.run(this.chain.input(batches), { boundary });
    this.codes.push(...codesOf(execution));
    for (const listener of this.#listeners) listener();
    for (let waited = 0; waited < this.patienceMs; waited += 5) {
      if (this.#waiting.length >= this.#due() || this.#listeners.size === 0) return;
      await pause(5);
    }
  }

  /** Events that a node has to say on this block. */
  #due(): number {
    const { height, epoch } = this.chain;
    return [this.claims()[0], this.claims()[1]].filter((claim) => {
      if (claim === undefined) return height < epoch.firstHeight + EPOCH_BLOCKS / 2;
      return claim.state === 0 && height >= claim.committedHeight + LIMITS.challengeDelayHeights;
    }).length;
  }

  /** Those of time and of work of this epoch. */
  claims(): readonly (Claim | undefined)[] {
    const { read } = this.chain.store;
    const { number } = this.chain.epoch;
    return [timeRunsAt(read, self), workSharesAt(read, self)].map((claims) =>
      claimOf<Claim>(claims, number),
    );
  }

  /** Blocks to the end of the epoch, unless `until` holds before. */
  async epoch(until: () => boolean = () => false): Promise<void> {
    const from = this.chain.epoch.firstHeight;
    for (let height = this.chain.height + 1; height < from + EPOCH_BLOCKS; height++) {
      const isLast = height === from + EPOCH_BLOCKS - 1;
      await this.step(isLast);
      if (until()) return;
    }
  }

  provenIn(epoch: number): readonly [boolean, bigint | undefined] {
    const { read } = this.chain.store;
    return [timeOkAt(read, self, epoch), workUnitsAt(read, self, epoch)];
  }

  isCommitted(): boolean {
    return this.claims().every((claim) => claim?.state === 0);
  }
}

const close = async (claimants: readonly Claimant[]): Promise<void> => {
  await Promise.all(claimants.map((claimant) => claimant.close()));
};

const PROVEN = [true, 2n];
const NOTHING = [false, 0n];

describe("claims of a node", () => {
  it("are made in every epoch, answered in time, and nothing is kept for longer", async () => {
    const ledger = new Ledger();
    const folder = join(root, "every");
    const claimants = ledger.start(folder);
    for (const epoch of [0, 1, 2]) {
      await ledger.epoch();
      expect(ledger.provenIn(epoch)).toEqual(PROVEN);
    }
    await close(claimants);
    expect(ledger.codes).toEqual(Array(12).fill("accepted"));
    expect(ledger.failures).toEqual([]);
    const kept = ["time", "work"].flatMap((name) => readdirSync(join(folder, name)));
    expect(kept.every((name) => Number.parseInt(name, 10) >= 1)).toBe(true);
  });

  it("go on after a restart: with work that is not over, and with what is committed", async () => {
    const ledger = new Ledger();
    const folder = join(root, "again");
    const first = ledger.start(folder);
    await ledger.step();
    await close(first);
    expect(existsSync(join(folder, "time", "0.run"))).toBe(true);
    const second = ledger.start(folder);
    await ledger.epoch(() => ledger.isCommitted());
    await close(second);
    const third = ledger.start(folder);
    await ledger.epoch();
    expect(ledger.provenIn(0)).toEqual(PROVEN);
    await close(third);
    expect(new Set(ledger.codes)).toEqual(new Set(["accepted"]));
  });

  it("go on with the members that a run was begun for, and have others from the next one on", async () => {
    const ledger = new Ledger();
    const folder = join(root, "members");
    const [one, two] = [[idOf("v1")], [idOf("v2")]];
    const membersIn = (epoch: number) =>
      claimOf(timeRunsAt(ledger.chain.store.read, self), epoch)?.members;
    // Without members before, with one, and with another: each is asked for when a run has begun.
    let claimants = ledger.start(folder);
    for (const [epoch, [begun, wanted]] of [
      [[], one],
      [one, two],
    ].entries()) {
      await ledger.step();
      await close(claimants);
      claimants = ledger.start(folder, wanted);
      await ledger.epoch();
      expect(membersIn(epoch)).toEqual(begun);
      expect(ledger.provenIn(epoch)).toEqual(PROVEN);
    }
    await close(claimants);
    expect(new Set(ledger.codes)).toEqual(new Set(["accepted"]));
  });

  it("begin a run anew where nobody knows whom it was begun for", async () => {
    const ledger = new Ledger();
    const folder = join(root, "anew");
    const first = ledger.start(folder, [idOf("v1")]);
    await ledger.step();
    await close(first);
    const second = ledger.start(folder, [idOf("v2")]);
    await ledger.epoch();
    expect(claimOf(timeRunsAt(ledger.chain.store.read, self), 0)?.members).toEqual([idOf("v2")]);
    expect(ledger.provenIn(0)).toEqual(PROVEN);
    await close(second);
  });

  it("commit to no run that was begun for others, and too late to begin another", async () => {
    const ledger = new Ledger();
    const folder = join(root, "late");
    const first = ledger.start(folder, [idOf("v1")]);
    await ledger.step();
    await close(first);
    // The work of the epoch ends while the node is down.
    await ledger.epoch(() => ledger.chain.height === EPOCH_BLOCKS - 18);
    const second = ledger.start(folder, [idOf("v2")]);
    await ledger.epoch();
    expect(ledger.codes).not.toContain("time.proof-invalid");
    expect(ledger.provenIn(0)[0]).toBe(false);
    // It is said once, and not with every block.
    expect(ledger.failures.filter((failure) => failure.startsWith("time"))).toEqual([
      "time time.state",
    ]);
    await ledger.epoch();
    expect(claimOf(timeRunsAt(ledger.chain.store.read, self), 1)?.members).toEqual([idOf("v2")]);
    expect(ledger.provenIn(1)).toEqual(PROVEN);
    await close(second);
    expect(new Set(ledger.codes)).toEqual(new Set(["accepted"]));
  });

  it("are missing for the epoch that the node was down in, and for no other", async () => {
    const ledger = new Ledger();
    const folder = join(root, "down");
    const first = ledger.start(folder);
    await ledger.epoch();
    await close(first);
    await ledger.epoch();
    expect(ledger.provenIn(1)).toEqual(NOTHING);
    const second = ledger.start(folder);
    await ledger.epoch();
    expect(ledger.provenIn(2)).toEqual(PROVEN);
    await close(second);
    expect(new Set(ledger.codes)).toEqual(new Set(["accepted"]));
  });

  it("answer nothing that they cannot: what was committed is gone or damaged", async () => {
    const ledger = new Ledger();
    const folder = join(root, "gone");
    const first = ledger.start(folder);
    await ledger.epoch(() => ledger.isCommitted());
    await close(first);
    rmSync(join(folder, "time", "0.run"));
    truncateSync(join(folder, "work", "0.shares"), 200);
    ledger.patienceMs = 50;
    const second = ledger.start(folder);
    await ledger.epoch();
    expect(ledger.provenIn(0)).toEqual(NOTHING);
    expect(ledger.codes).toEqual(["accepted", "accepted"]);
    expect(ledger.failures).toContain("time time.state");
    ledger.patienceMs = 5_000;
    await ledger.epoch();
    expect(ledger.provenIn(1)).toEqual(PROVEN);
    await close(second);
  });
});
