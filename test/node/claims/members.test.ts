/** Whom an operator names to share runs of time with, and that one that joined later has its power by it. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { readPoint } from "../../../src/ledger/chain-point.ts";
import type { Genesis } from "../../../src/ledger/genesis.ts";
import type { LedgerHandle } from "../../../src/ledger/handle.ts";
import { timeProvenAt } from "../../../src/ledger/projections/time.ts";
import { timeRunCommitted, timeRunProven } from "../../../src/ledger/projections/time-events.ts";
import { readRow } from "../../../src/ledger/row.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import {
  type NamingOptions,
  namedMembers,
  namedValidator,
} from "../../../src/node/claims/members.ts";
import { startSharer } from "../../../src/node/claims/sharer.ts";
import { codesOf, idOf, genesis as plain } from "../../ledger/execution-support.ts";
import {
  answerOf,
  membersOf,
  runOf,
  TIME_PARAMETERS,
} from "../../ledger/projections/claims-support.ts";
import {
  bond,
  grant,
  register,
  StakeChain,
  genesis as staked,
} from "../../ledger/stake/support.ts";

const idText = (name: string): string => toHex(idOf(name));

/** As the node v0 reads its configuration on a chain; what it warned of. */
const namingOf = (genesis: Genesis, row: LedgerHandle["row"] = () => undefined) => {
  const warned: unknown[] = [];
  const options: NamingOptions = {
    ...{ genesis, self: idOf("v0"), handle: { row } },
    logger: { log: (level, _, fields) => void warned.push([level, fields?.["id"]]) },
  };
  return { options, warned };
};

describe("who is named to share time", () => {
  it("is a validator of the genesis by name or id, and any other by id", () => {
    const { options, warned } = namingOf(staked);
    const texts = ["v3", idText("v1"), "v2"];
    expect(namedMembers(options, texts)).toEqual(membersOf(["v1", "v2", "v3"]));
    expect(namedMembers(options, [])).toEqual([]);
    expect(warned).toEqual([]);
    // Not in the log yet: the node goes on, and says so.
    expect(namedValidator(options, "time_shared_with", idText("nia"))).toEqual(idOf("nia"));
    expect(warned).toEqual([["warn", idText("nia")]]);
  });

  it("is whose id it is, though another has that for a name", () => {
    const [first, ...rest] = staked.validators;
    if (first === undefined) throw new Error("no validator");
    const validators = [{ ...first, name: idText("v2") }, ...rest];
    const { options } = namingOf({ ...staked, validators });
    expect(namedMembers({ ...options, self: idOf("v3") }, [idText("v2")])).toEqual([idOf("v2")]);
  });

  it.each([
    ["nia", "one that joined later is named by its id"],
    [idText("nia").slice(1), "is no validator of the genesis"],
    [idText("nia").toUpperCase(), "is no validator of the genesis"],
    ["v0", "is this node itself"],
    [idText("v0"), "is this node itself"],
  ])("is nobody else: %s", (text, words) => {
    const { options } = namingOf(staked);
    for (const name of [
      () => namedMembers(options, ["v1", text]),
      () => namedValidator(options, "time_shared_with", text),
    ]) {
      expect(name).toThrowError(
        expect.objectContaining({
          code: "config.invalid",
          message: expect.stringContaining(words),
        }),
      );
    }
  });

  it("is named once, and by id only where validators can join", () => {
    const twice = ["v1", "v2", idText("v1")];
    const { options } = namingOf(staked);
    expect(() => namedMembers(options, twice)).toThrowError(/twice, by name and by id/);
    const fixed = namingOf(plain).options;
    expect(namedMembers(fixed, [idText("v1")])).toEqual([idOf("v1")]);
    expect(() => namedMembers(fixed, [idText("nia")])).toThrowError(/validator of the genesis$/);
  });
});

const timed: Genesis = {
  ...staked,
  proofs: { ...staked.proofs, beacon: { depth: 4 }, time: TIME_PARAMETERS },
  provers: staked.validators.map(({ name }) => ({
    ivrfRoot: sha256(Buffer.from(name)),
    sectors: [],
  })),
};

/** A chain that asks for time, and a handle for each of its validators. */
class Shared {
  readonly chain = new StakeChain(timed);
  readonly refused: string[] = [];
  readonly #waiting: { readonly by: string; readonly make: () => EncodedEvent | undefined }[] = [];
  readonly #listeners: (() => void)[] = [];

  get epoch() {
    const point = readPoint(this.chain.store.read, this.chain.height);
    if (point === undefined) throw new Error("no point");
    return point.epoch;
  }

  handle(by: string): LedgerHandle {
    const { chain } = this;
    const handle: Partial<LedgerHandle> = {
      status: () => ({ executedHeight: chain.height }) as ReturnType<LedgerHandle["status"]>,
      point: (height) => readPoint(chain.store.read, height),
      row: (projection, key) => readRow(chain.store.read, projection, key)?.value,
      write: (make) => void this.#waiting.push({ by, make }),
      onExecuted: (call) => {
        this.#listeners.push(() => call(chain.height, 0));
        return () => undefined;
      },
    };
    return handle as LedgerHandle;
  }

  step(boundary = false): void {
    const batches = this.#waiting
      .splice(0)
      .flatMap(({ by, make }) => [make() ?? []].flat().map((event) => ({ by, events: [event] })));
    const codes = codesOf(this.chain.next(batches, boundary));
    this.refused.push(...codes.filter((code) => code !== "accepted"));
    for (const listener of this.#listeners) listener();
  }

  /** v0 computes and proves a run of this epoch for these members. */
  prove(members: readonly Uint8Array[], names: readonly string[]): void {
    const { number: epoch } = this.epoch;
    const run = runOf(this, { members: names });
    const { phi } = run.finish().commitment;
    const commitment = timeRunCommitted.encode({ epoch, leaves: 64, phi, members });
    expect(this.chain.codes(["v0", commitment])).toEqual(["accepted"]);
    const { height } = this.chain;
    for (let i = 0; i < LIMITS.challengeDelayHeights; i++) this.step();
    const beacon = readPoint(this.chain.store.read, height + LIMITS.challengeDelayHeights)?.beacon;
    if (beacon === undefined) throw new Error("no beacon");
    const proof = answerOf(run, beacon);
    const proven = timeRunProven.encode({ epoch, part: 0, proof });
    expect(this.chain.codes(["v0", proven])).toEqual(["accepted"]);
  }
}

describe("a validator that joined after the genesis", () => {
  it("shares a run that was begun for it, and has its power by that", async () => {
    const shared = new Shared();
    const { chain } = shared;
    const joins = ["nia", "ned"].flatMap((name, i) => {
      const owner = ["ann", "bob"][i] ?? "";
      return [
        ["root", grant(owner, 2_000n)] as const,
        [owner, register(name, owner)] as const,
        [owner, bond(name, 2_000n)] as const,
      ];
    });
    const codes = joins.flatMap((event) => chain.codes(event));
    expect(codes).toEqual(joins.map(() => "accepted"));
    const naming = namingOf(timed, shared.handle("v0").row);
    const ids = namedMembers(naming.options, ["v1", "v2", "v3", idText("nia")]);
    expect(naming.warned).toEqual([]);

    const { options } = namingOf(timed, shared.handle("nia").row);
    const timekeeper = namedValidator({ ...options, self: idOf("nia") }, "time_shared_with", "v0");
    const logger = { log: () => undefined };
    const sharers = ["v1", "v2", "v3", "nia", "ned"].map((name) =>
      startSharer({ handle: shared.handle(name), self: idOf(name), timekeeper, logger }),
    );
    for (const epoch of [0, 1, 2]) {
      expect(shared.epoch.number).toBe(epoch);
      shared.prove(ids, ["v1", "v2", "v3", "nia"]);
      shared.step();
      shared.step();
      const ok = ["nia", "ned"].map((name) => timeProvenAt(chain.store.read, idOf(name), epoch));
      expect(ok).toEqual([true, false]);
      shared.step(true);
    }
    expect(shared.refused).toEqual([]);
    for (const epoch of [2, 3, 4]) {
      expect(chain.powers(epoch)).toMatchObject({ v0: 1_000n, v1: 2_000n, nia: 2_000n });
      expect(chain.powers(epoch)).not.toHaveProperty("ned");
    }
    await Promise.all(sharers.map((sharer) => sharer.close()));
  });

  it("has none where the run names the others only", () => {
    const shared = new Shared();
    const { chain } = shared;
    for (const event of [
      ["root", grant("ann", 2_000n)] as const,
      ["ann", register("nia", "ann")] as const,
      ["ann", bond("nia", 2_000n)] as const,
    ]) {
      expect(chain.codes(event)).toEqual(["accepted"]);
    }
    const others = ["v1", "v2", "v3"];
    const logger = { log: () => undefined };
    for (const name of [...others, "nia"]) {
      startSharer({
        ...{ handle: shared.handle(name), self: idOf(name), timekeeper: idOf("v0"), logger },
      });
    }
    shared.prove(namedMembers(namingOf(timed).options, others), others);
    shared.step();
    shared.step(true);
    expect(chain.powers(2)).toEqual({ v0: 1_000n, v1: 2_000n, v2: 3_000n, v3: 4_000n });
  });
});
