/** Who looks after the sectors of a node: what cannot be read or removed, and what can never be committed to. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHasher } from "../../src/crypto/hash.ts";
import { TetradError } from "../../src/errors.ts";
import type { ParsedGenesis } from "../../src/ledger/genesis.ts";
import type { LedgerHandle } from "../../src/ledger/handle.ts";
import {
  NO_PROVER_ROW,
  proverRow,
  SPACE,
  sectorRow,
} from "../../src/ledger/projections/space/index.ts";
import { VALIDATORS } from "../../src/ledger/projections/validators.ts";
import { layerPaths } from "../../src/node/space/files.ts";
import { type Renewer, startRenewer } from "../../src/node/space/renewer.ts";
import { openSectorFiles } from "../../src/node/space/sector-files.ts";
import { SPACE_PROFILES } from "../../src/proofs/space/parameters.ts";
import { encodeSectorHeader } from "../../src/proofs/space/sector-header.ts";
import { Loop, ManualTime } from "../ledger/replica/ports.ts";

const CHAIN = "chain-a";
const EPOCH = 1_000;
const LOOK_MS = 2_000;
const REST_MS = 60_000;
const NOBODY = 65_534;
const PARAMETERS = SPACE_PROFILES.dev;
const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const SELF = bytes(2);

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-renewer-"));
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

/** Nothing is forbidden to root. */
const asNobody = (act: () => void): void => {
  if (process.geteuid?.() !== 0) return act();
  process.seteuid?.(NOBODY);
  try {
    act();
  } finally {
    process.seteuid?.(0);
  }
};

/** The head of a sector and of its layers: who looks after them reads no more. */
const putSector = (number: number): string => {
  const { lgNodes, layers } = PARAMETERS;
  const file = join(folder, `${number}.sector`);
  const statement = {
    ...{ validatorId: SELF, sectorNo: number, beacon: bytes(4), lgNodes, layers },
    ...{ commC: bytes(number), commRl: bytes(number) },
  };
  writeFileSync(file, encodeSectorHeader({ chainId: CHAIN, genesisHash: bytes(1), statement }));
  const paths = layerPaths(file);
  mkdirSync(paths.folder);
  writeFileSync(paths.treeC, "");
  return file;
};

type Entry = { readonly number: number; readonly fromEpoch: number; readonly endEpoch: number };
const ended = (number: number): Entry => ({ number, fromEpoch: 2, endEpoch: EPOCH - 1 });
const live = (number: number): Entry => ({ number, fromEpoch: 2, endEpoch: EPOCH + 1_000 });

/** A node whose chain goes on by a height between two looks. */
class Machine {
  readonly time = new ManualTime(new Loop(), 0);
  readonly said: string[] = [];
  readonly counted: string[] = [];
  readonly gauges = new Map<string, number>();
  readonly renewer: Renewer;
  entries: readonly Entry[] = [];
  isForgotten = false;
  isBroken = false;
  #height = 100;

  constructor() {
    this.renewer = startRenewer({
      ...{ parameters: PARAMETERS, self: SELF, folder, wanted: 1, duty: 100 },
      handle: this.#handle() as LedgerHandle,
      keeper: { isForgotten: () => this.isForgotten },
      chain: {
        genesis: { chainId: CHAIN, proofs: { stake: null } },
        ...{ hash: bytes(1), hasher: createHasher(CHAIN) },
      } as ParsedGenesis,
      ...{ clock: this.time.clock, timers: this.time },
      logger: { log: (level, text) => void (level === "warn" && this.said.push(text)) },
      metrics: {
        observe: () => undefined,
        gauge: (name, value) => void this.gauges.set(name, value),
        count: (name, _by, labels) => void this.counted.push(`${name} ${labels?.["code"] ?? ""}`),
      },
    });
  }

  look(ms = LOOK_MS): void {
    this.#height += 1;
    this.time.advance(ms);
  }

  #handle(): Partial<LedgerHandle> {
    return {
      status: () => ({ executedHeight: this.#height }) as ReturnType<LedgerHandle["status"]>,
      timeOf: () => this.time.wallMs,
      point: () => {
        const epoch = { number: EPOCH, firstHeight: 1, startMs: 0, seed: bytes(5) };
        return { beacon: bytes(6), epoch };
      },
      row: (projection, key) => {
        if (this.isBroken) throw new TetradError("store.io", "the disk is gone");
        if (projection === VALIDATORS) return new Uint8Array(1);
        if (projection !== SPACE) return undefined;
        return key[0] === 1
          ? proverRow.encode({ ...NO_PROVER_ROW, sectors: this.entries })
          : sectorRow.encode({
              ...{ beacon: bytes(4), beaconHeight: 16, commC: bytes(0), commRl: bytes(0) },
              ...{ committedHeight: 1, committedEpoch: 1, seed: bytes(0) },
              done: PARAMETERS.admissionChallenges,
            });
      },
    };
  }
}

const FAILED = "tetrad_space_failures_total store.io";

describe("what cannot be read", () => {
  it("is said once, counted, and looked at again a minute later", async () => {
    const machine = new Machine();
    machine.entries = [live(0)];
    machine.isBroken = true;
    machine.look();
    expect(machine.counted).toEqual([FAILED]);
    expect(machine.said).toEqual([expect.stringContaining("the disk is gone")]);
    machine.look(REST_MS - 1);
    expect(machine.counted).toHaveLength(1);
    machine.look(1);
    expect(machine.counted).toHaveLength(2);
    expect(machine.said).toHaveLength(1);
    machine.isBroken = false;
    machine.look(REST_MS);
    expect(machine.gauges.get("tetrad_space_sectors")).toBe(1);
    // What fails anew is said anew.
    machine.isBroken = true;
    machine.look();
    expect(machine.said).toHaveLength(2);
    await machine.renewer.close();
    expect(machine.time.pending).toBe(0);
  });

  it("may be the folder", async () => {
    const machine = new Machine();
    const files = openSectorFiles(
      folder,
      { genesis: { chainId: CHAIN }, hasher: createHasher(CHAIN) } as ParsedGenesis,
      machine.time.clock.monotonicMs,
    );
    putSector(0);
    expect(files.list()).toHaveLength(1);
    chmodSync(folder, 0o111);
    asNobody(() => machine.look());
    expect(machine.counted).toEqual([FAILED]);
    // The keeper goes on with what was there, and does not end the node either.
    asNobody(() => expect(files.list()).toHaveLength(1));
    await machine.renewer.close();
  });
});

describe("files that prove nothing any more", () => {
  it("are removed, each for itself, and again until they are gone with all their layers", async () => {
    const machine = new Machine();
    machine.entries = [ended(0), ended(1), live(2)];
    const [first = "", second = "", third = ""] = [0, 1, 2].map(putSector);
    const held = layerPaths(first).folder;
    chmodSync(folder, 0o777);
    for (const path of [layerPaths(second).folder, layerPaths(third).folder])
      chmodSync(path, 0o777);
    chmodSync(held, 0o555);
    asNobody(() => machine.look());
    expect(machine.counted).toEqual([FAILED]);
    expect(machine.said).toEqual([expect.stringContaining(first)]);
    expect([first, held, second, layerPaths(second).folder].map(existsSync)).toEqual([
      ...[true, true, false, false],
    ]);
    chmodSync(held, 0o777);
    asNobody(() => machine.look(REST_MS - 1));
    expect(existsSync(first)).toBe(true);
    asNobody(() => machine.look());
    expect([first, held, third].map(existsSync)).toEqual([false, false, true]);
    await machine.renewer.close();
  });
});

describe("a sector that was made by hand", () => {
  const begun = (): boolean => existsSync(layerPaths(join(folder, "1.sector")).folder);

  it("is waited for while its beacon is looked for", async () => {
    const machine = new Machine();
    putSector(0);
    for (let looks = 0; looks < 10; looks++) machine.look();
    expect(begun()).toBe(false);
    expect(machine.gauges.get("tetrad_space_sectors_missing")).toBe(0);
    await machine.renewer.close();
  });

  it("keeps nobody from making another where the chain does not know its beacon", async () => {
    const machine = new Machine();
    putSector(0);
    machine.isForgotten = true;
    for (let looks = 0; looks < 3; looks++) machine.look();
    expect(machine.gauges.get("tetrad_space_sectors_missing")).toBe(1);
    expect(begun()).toBe(true);
    expect(readFileSync(layerPaths(join(folder, "1.sector")).height, "utf8")).toMatch(/^96\n$/);
    await machine.renewer.close();
    expect(machine.said).toEqual([]);
  });
});
