/** The keeper of a node's sectors, on a chain without consensus: when it writes, writes again, gives back, and stops. */
import { describe, expect, it } from "vitest";
import { equalBytes } from "../../../src/crypto/bytes.ts";
import { fail, ok, type Result } from "../../../src/errors.ts";
import type { LedgerHandle } from "../../../src/ledger/handle.ts";
import {
  NO_PROVER_ROW,
  type ProverRow,
  proverKey,
  proverRow,
  sectorCommitted,
  sectorUnitsAt,
} from "../../../src/ledger/projections/space/index.ts";
import { type SpaceKeeper, startSpaceKeeper } from "../../../src/ledger/replica/space-keeper.ts";
import {
  type LocalSector,
  type SpaceTask,
  taskKey,
} from "../../../src/ledger/replica/space-plan.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { makeAdmission } from "../../../src/proofs/space/admission.ts";
import { makeOpenings } from "../../../src/proofs/space/openings.ts";
import type { MemorySector } from "../../proofs/space/support.ts";
import { idOf } from "../execution-support.ts";
import {
  beaconOf,
  EPOCH_HEIGHTS,
  EPOCH_MS,
  genesisSector,
  laterSector,
  PARAMETERS,
  SpaceChain,
} from "../projections/space-chain.ts";

const V0 = idOf("v0");
const BLOCK_MS = EPOCH_MS / EPOCH_HEIGHTS;

type ProofTask = Exclude<SpaceTask, { readonly kind: "commit" }>;

/** A validator whose events are in the next block, and the sectors of its machine. */
class Machine {
  readonly chain: SpaceChain;
  readonly sectors: readonly MemorySector[];
  readonly keeper: SpaceKeeper;
  /** What was written, and what became of it. */
  readonly written: string[] = [];
  readonly proven: string[] = [];
  readonly failures: string[] = [];
  /** Numbers of sectors that cannot be read. */
  readonly damaged = new Set<number>();
  /** Whether what is written reaches the log, and proofs are ready at once. */
  arrives = true;
  readonly #ready: boolean;
  #held: (() => void)[] = [];
  #waiting: (() => EncodedEvent | undefined)[] = [];
  #listeners = new Set<() => void>();
  executed = 0;

  constructor(
    sectors: readonly MemorySector[],
    genesis: readonly MemorySector[] = [],
    ready = true,
  ) {
    this.#ready = ready;
    this.chain = new SpaceChain(undefined, genesis);
    this.sectors = sectors;
    this.chain.at(0, 0);
    this.executed = 1;
    this.keeper = startSpaceKeeper({
      ...{ handle: this.#handle(), hasher: this.chain.hasher, self: V0, parameters: PARAMETERS },
      sectors: {
        list: () => sectors.map(({ statement }) => ({ statement, hasLayers: true })),
        prove: (task, done) => {
          this.proven.push(taskKey(task));
          this.#held.push(() => done(this.#prove(task)));
          if (this.#ready) this.finish();
        },
      },
      logger: { log: () => undefined },
      metrics: {
        ...{ gauge: () => undefined, observe: () => undefined },
        count: (_, __, labels) => void this.failures.push(labels?.["code"] ?? ""),
      },
    });
  }

  #epochOf(height: number) {
    const number = Math.floor((height - 1) / EPOCH_HEIGHTS);
    const firstHeight = number * EPOCH_HEIGHTS + 1;
    const startMs = this.chain.genesis.timeMs + number * EPOCH_MS;
    return { number, firstHeight, startMs, seed: beaconOf(this.chain.hasher, firstHeight - 1) };
  }

  #handle(): LedgerHandle {
    const { chain } = this;
    const parts: Partial<LedgerHandle> = {
      status: () =>
        ({ executedHeight: this.executed }) as unknown as ReturnType<LedgerHandle["status"]>,
      // The epoch of a point is that of the next height.
      point: (height) => ({
        beacon: beaconOf(chain.hasher, height),
        epoch: this.#epochOf(height + 1),
      }),
      timeOf: (height) => chain.genesis.timeMs + (height - 1) * BLOCK_MS,
      row: (_, key) => chain.rows.get(Buffer.from(key).toString("hex")),
      write: (make) => void this.#waiting.push(make),
      onExecuted: (listener) => {
        const call = (): void => listener(this.executed, 0);
        this.#listeners.add(call);
        return () => this.#listeners.delete(call);
      },
    };
    return parts as LedgerHandle;
  }

  #prove(task: ProofTask): Result<Uint8Array> {
    const numbers =
      task.kind === "window"
        ? task.sectors.map(({ sectorNo }) => sectorNo)
        : [task.sector.sectorNo];
    const sector = numbers.find((number) => this.damaged.has(number));
    if (sector !== undefined) return fail("space.damaged", "gone", { sector });
    const own = numbers.map((number) =>
      this.sectors.find(({ statement }) => statement.sectorNo === number),
    );
    const [first] = own;
    if (first === undefined) return fail("space.damaged", "not here", { sector: numbers[0] ?? 0 });
    if (task.kind === "admission") {
      return ok(
        makeAdmission(first.hashes, first.graph, first.reader, PARAMETERS.layers, task.nodes),
      );
    }
    const trees = own.flatMap((one) => (one === undefined ? [] : [one.reader.stored]));
    return ok(makeOpenings(first.hashes, trees, task.challenges));
  }

  /** What is being proven is done. */
  finish(): void {
    for (const done of this.#held.splice(0)) done();
  }

  /** The next blocks, with what waits to be written in the first of them. */
  blocks(count: number): void {
    for (let i = 0; i < count; i++) {
      const height = this.executed + 1;
      const { number, firstHeight } = this.#epochOf(height);
      this.chain.at(number, height - firstHeight, (height - firstHeight) * BLOCK_MS);
      for (const make of this.arrives ? this.#waiting.splice(0) : []) {
        const event = make();
        if (event === undefined) this.written.push("nothing");
        else this.written.push(`${event.type} ${this.chain.write(V0, event)}`);
      }
      this.executed = height;
      for (const listener of [...this.#listeners]) listener();
    }
  }

  to(epoch: number, heights = 1): void {
    this.blocks(epoch * EPOCH_HEIGHTS + heights - this.executed);
  }
}

const own = genesisSector(V0);

describe("the keeper of sectors", () => {
  it("brings a sector of the folder onto the chain, and answers every epoch", () => {
    const machine = new Machine([laterSector(V0, 3, 16)]);
    machine.to(0, 60);
    expect(machine.written).toEqual([
      "space.sector.committed accepted",
      "space.sector.proven accepted",
      "space.sector.proven accepted",
    ]);
    machine.to(3, 20);
    expect(machine.written.slice(3)).toEqual([
      "space.window.proven accepted",
      "space.window.proven accepted",
      "space.window.proven accepted",
    ]);
    expect(sectorUnitsAt(machine.chain.read, V0, 3)).toBe(1n);
    expect(machine.failures).toEqual([]);
  });

  it("writes an event that has not arrived again, after some heights and not for ever", () => {
    const machine = new Machine([own], [own]);
    machine.arrives = false;
    machine.to(1, 99);
    const answers = machine.proven.filter((key) => key === "window 1 0");
    // The response time of this chain is 8 heights: a second try would come too late.
    expect(answers).toHaveLength(1);
    const admissions = machine.proven.filter((key) => key === "admission 0 0");
    expect(admissions).toHaveLength(8);
    // All of them are said at most once: the first makes the others superfluous.
    machine.arrives = true;
    machine.blocks(1);
    const accepted = machine.written.filter((one) => one.endsWith("accepted"));
    expect(accepted).toEqual(["space.sector.proven accepted"]);
    expect(new Set(machine.written.slice(1))).toEqual(new Set(["nothing"]));
  });

  it("proves one thing at a time", () => {
    const machine = new Machine([own], [own], false);
    machine.to(1, 5);
    expect(machine.proven).toEqual(["admission 0 0"]);
    machine.finish();
    machine.blocks(1);
    expect(machine.proven).toEqual(["admission 0 0", "window 1 0"]);
  });

  it("gives a sector back that it could not open in two epochs in a row, so that others count", () => {
    const second = genesisSector(V0, 4);
    const machine = new Machine([own, second], [own, second]);
    machine.to(1, 50);
    expect(machine.written.at(-1)).toBe("space.window.proven accepted");
    machine.damaged.add(4);
    machine.to(2, 50);
    expect(machine.written.filter((one) => one.startsWith("space.sector.dropped"))).toEqual([]);
    machine.to(3, 50);
    expect(machine.written.at(-1)).toBe("space.sector.dropped accepted");
    expect(machine.failures).toEqual(machine.failures.map(() => "space.damaged"));
    machine.to(4, 50);
    expect(machine.written.at(-1)).toBe("space.window.proven accepted");
    expect(sectorUnitsAt(machine.chain.read, V0, 4)).toBe(1n);
    // Its number is used up: it is not committed to again.
    machine.to(6, 50);
    expect(machine.written.filter((one) => one.startsWith("space.sector.committed"))).toEqual([]);
  });

  it("keeps a sector that is damaged in one epoch and read again in the next", () => {
    const machine = new Machine([own], [own]);
    machine.to(1, 50);
    for (const epoch of [2, 4]) {
      machine.damaged.add(0);
      machine.to(epoch, 50);
      machine.damaged.clear();
      machine.to(epoch + 1, 50);
      expect(machine.written.at(-1)).toBe("space.window.proven accepted");
    }
    expect(machine.written.filter((one) => one.startsWith("space.sector.dropped"))).toEqual([]);
  });

  it("writes and proves nothing after it was stopped, whatever is under way", () => {
    const machine = new Machine([own], [own], false);
    machine.to(1, 3);
    const proven = machine.proven.length;
    machine.keeper.stop();
    machine.finish();
    machine.to(2, 10);
    expect(machine.proven).toHaveLength(proven);
    expect(machine.written.filter((one) => one !== "nothing")).toEqual([]);
    const early = new Machine([own], [own]);
    early.keeper.stop();
    early.to(1, 10);
    expect(early.written.filter((one) => one !== "nothing")).toEqual([]);
  });
});

describe("the beacon that a sector was begun from", () => {
  /** Only so much of a node that its keeper looks for a beacon: executed heights, and nothing in any row. */
  const looking = (
    sector: MemorySector,
    from: number,
    more: Partial<LocalSector> = {},
    prover?: ProverRow,
  ) => {
    const { hasher, genesis } = new SpaceChain();
    const stored = prover === undefined ? undefined : proverRow.encode(prover);
    let executed = from;
    let listener = (): void => undefined;
    const asked: number[] = [];
    const said: string[] = [];
    const written: (EncodedEvent | undefined)[] = [];
    const parts: Partial<LedgerHandle> = {
      status: () => ({ executedHeight: executed }) as ReturnType<LedgerHandle["status"]>,
      point: (height) => {
        asked.push(height);
        const epoch = {
          number: 1,
          firstHeight: 1,
          startMs: genesis.timeMs,
          seed: hasher.chainHash,
        };
        return { beacon: beaconOf(hasher, height), epoch };
      },
      timeOf: () => genesis.timeMs + EPOCH_MS,
      row: (_, key) => (equalBytes(key, proverKey(V0)) ? stored : undefined),
      write: (make) => void written.push(make()),
      onExecuted: (call) => {
        listener = () => call(executed, 0);
        return () => undefined;
      },
    };
    const keeper = startSpaceKeeper({
      ...{ handle: parts as LedgerHandle, hasher, self: V0, parameters: PARAMETERS },
      sectors: {
        list: () => [{ statement: sector.statement, hasLayers: true, ...more }],
        prove: () => undefined,
      },
      logger: { log: (_level, _text, fields) => void said.push(String(fields?.["code"] ?? "")) },
      metrics: { count: () => undefined, gauge: () => undefined, observe: () => undefined },
    });
    const step = (heights = 1): number => {
      asked.length = 0;
      executed += heights;
      listener();
      return asked.length;
    };
    const isForgotten = (): boolean => keeper.isForgotten(sector.statement.beacon);
    const beaconHeight = (): number | undefined => {
      const event = written[0];
      const decoded = event === undefined ? undefined : sectorCommitted.decode(event.payload);
      return decoded?.ok === true ? decoded.value.beaconHeight : undefined;
    };
    return { step, said, beaconHeight, isForgotten };
  };

  const TALL = LIMITS.beaconHistory + 100_000;

  it("is found as far back as a commitment may name it, a few thousand heights a turn", () => {
    const at = TALL - LIMITS.beaconHistory + 2_000 - (TALL % LIMITS.gridHeights);
    const grid = at - (at % LIMITS.gridHeights);
    const { step, beaconHeight, said } = looking(laterSector(V0, 3, grid), TALL);
    let turns = 0;
    while (beaconHeight() === undefined && turns < 40) {
      expect(step()).toBeLessThan(5_000);
      turns += 1;
    }
    expect(beaconHeight()).toBe(grid);
    expect(turns).toBeGreaterThan(10);
    expect(said).not.toContain("space.beacon");
  });

  it.each([
    ["the genesis", 0],
    ["a height that is forgotten", 64],
    ["no height of this chain", 7],
  ])(
    "is not committed to where it is that of %s on a long chain, which is said once",
    (_, height) => {
      const { step, beaconHeight, said, isForgotten } = looking(laterSector(V0, 3, height), TALL);
      for (let turns = 0; turns < 3; turns++) step();
      // While it is looked for, nobody makes another in its place.
      expect(isForgotten()).toBe(height === 0);
      for (let turns = 0; turns < 40; turns++) step();
      expect(beaconHeight()).toBeUndefined();
      expect(isForgotten()).toBe(true);
      expect(said.filter((code) => code === "space.beacon")).toHaveLength(1);
      // Nothing is looked through any more but what is new.
      expect(step()).toBeLessThan(10);
    },
  );

  const entry = { number: 3, fromEpoch: 0, endEpoch: 100 };
  it.each([
    ["is on the chain", {}, { ...NO_PROVER_ROW, sectors: [entry] }],
    ["was on it", {}, { ...NO_PROVER_ROW, hasLost: true, lostUpTo: 3 }],
    ["lacks its layers", { hasLayers: false }, undefined],
  ])("is not looked for where the sector %s: nothing of it is said", (_, more, prover) => {
    const { step, beaconHeight, said, isForgotten } = looking(
      laterSector(V0, 3, 0),
      TALL,
      more,
      prover,
    );
    for (let turns = 0; turns < 40; turns++) step();
    expect(said).toEqual([]);
    expect(beaconHeight()).toBeUndefined();
    expect(isForgotten()).toBe(false);
  });

  it("is found when the node comes to its height", () => {
    const { step, beaconHeight, isForgotten } = looking(laterSector(V0, 3, 96), 50);
    for (let turns = 0; turns < 45; turns++) step();
    expect(beaconHeight()).toBeUndefined();
    expect(isForgotten()).toBe(true);
    for (let turns = 0; turns < 5; turns++) step();
    expect(beaconHeight()).toBe(96);
    expect(isForgotten()).toBe(false);
  });

  it("is found above what was looked through, a few thousand heights a turn", () => {
    const at = 100_000 * LIMITS.gridHeights;
    const { step, beaconHeight, isForgotten } = looking(laterSector(V0, 3, at), 50);
    // As after a long proof, or a node that catches up: many heights between two turns.
    expect(step(at + 500_000)).toBeLessThan(5_000);
    let turns = 1;
    for (; beaconHeight() === undefined && turns < 40; turns++) {
      expect(isForgotten()).toBe(false);
      expect(step()).toBeLessThan(5_000);
    }
    expect(beaconHeight()).toBe(at);
    expect(turns).toBeGreaterThan(5);
  });

  it("is looked for above and below in what one turn has", () => {
    const { step, said, isForgotten } = looking(laterSector(V0, 3, 7), TALL);
    for (let turns = 0; turns < 4; turns++) expect(step(50_000)).toBeLessThan(5_000);
    expect(isForgotten()).toBe(false);
    for (let turns = 0; turns < 40; turns++) expect(step()).toBeLessThan(5_000);
    expect(isForgotten()).toBe(true);
    expect(said.filter((code) => code === "space.beacon")).toHaveLength(1);
    expect(step()).toBeLessThan(10);
  });

  it("is taken from the height kept with the sector while a commitment may name it", () => {
    const kept = TALL - LIMITS.beaconHistory + 256;
    const grid = kept + LIMITS.gridHeights - (kept % LIMITS.gridHeights);
    const near = looking(laterSector(V0, 3, grid), TALL, { beaconHeight: grid });
    expect(near.beaconHeight()).toBe(grid);
    expect(near.isForgotten()).toBe(false);
    const far = looking(laterSector(V0, 3, 64), TALL, { beaconHeight: 64 });
    for (let turns = 0; turns < 40; turns++) far.step();
    expect(far.beaconHeight()).toBeUndefined();
    expect(far.isForgotten()).toBe(true);
  });
});
