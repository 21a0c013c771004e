/**
 * Every row of the table of refusals (docs/refusals.md), by what decides in the product: a right proof is made and
 * taken, bent, handed in, and refused with the code that the table says; where it says none, what bounds it holds.
 */
import { describe, expect, it } from "vitest";
import { ERRORS } from "../../src/errors.ts";
import type { Act } from "./refusals/act.ts";
import { BEACON_ACTS } from "./refusals/beacon-acts.ts";
import { GENESIS_ACTS } from "./refusals/genesis-acts.ts";
import { KEY_ACTS } from "./refusals/key-acts.ts";
import { PLACE_ACTS } from "./refusals/place-acts.ts";
import { POWER_ACTS } from "./refusals/power-acts.ts";
import { PROOFS, SUBJECTS, WAYS } from "./refusals/rows.ts";
import { SPACE_ACTS } from "./refusals/space-acts.ts";
import { STAKE_ACTS } from "./refusals/stake-acts.ts";
import { TABLE } from "./refusals/table.ts";
import { TIME_ACTS } from "./refusals/time-acts.ts";
import { WORK_ACTS } from "./refusals/work-acts.ts";
import { World } from "./refusals/world.ts";

const ACTS: Readonly<Record<string, Act>> = {
  ...SPACE_ACTS,
  ...PLACE_ACTS,
  ...STAKE_ACTS,
  ...WORK_ACTS,
  ...TIME_ACTS,
  ...BEACON_ACTS,
  ...GENESIS_ACTS,
  ...KEY_ACTS,
  ...POWER_ACTS,
};

const ROWS = TABLE.flatMap(({ rows }) => rows);

describe("the table of refusals", () => {
  it("has every way of cheating with every proof, of events and of validators", () => {
    const wanted = PROOFS.flatMap((proof) =>
      SUBJECTS.flatMap((subject) => WAYS.map((way) => `${proof}/${subject}/${way}`)),
    );
    const there = new Set(ROWS.map(({ id }) => id.split("/").slice(0, 3).join("/")));
    expect([...there].sort()).toEqual(wanted.toSorted());
    for (const { proof, subject, rows, left } of TABLE) {
      expect(left.length).toBeGreaterThan(0);
      for (const { id } of rows) expect(id.startsWith(`${proof}/${subject}/`)).toBe(true);
    }
  });

  it("has an act for each row, and no other ones", () => {
    const ids = ROWS.map(({ id }) => id);
    expect(Object.keys(ACTS).sort()).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("says of each row either where it is refused, or what bounds it", () => {
    for (const { refused, holds } of ROWS) {
      expect(refused === undefined).toBe(holds !== undefined);
      for (const code of Object.values(refused ?? {})) expect(ERRORS).toHaveProperty([code]);
    }
  });

  it("takes what is right, by every kind of author and proposer", () => {
    const world = new World();
    const batches = ["clerk", "v0", "warden"].map((by) => world.sealed(world.parts(by)));
    for (const batch of batches) expect(world.admit(batch)).toBe("accepted");
    for (const proposer of ["v0", "v1", "v2", "v3"]) {
      expect(world.vote(batches, proposer)).toBe("valid");
    }
  });
});

describe.each(TABLE)("$proof, of $subject $title", ({ rows }) => {
  it.each(rows)("$id: $tried", ({ id, refused = {} }) => {
    const act = ACTS[id];
    if (act === undefined) throw new Error("no act");
    expect(act()).toEqual(refused);
  });
});
