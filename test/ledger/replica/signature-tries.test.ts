/** What one solution buys: one check of it, and so many checks of signatures under it. */
import { beforeAll, describe, expect, it } from "vitest";
import { readSealed } from "../../../src/ledger/batch.ts";
import { SignatureTries } from "../../../src/ledger/replica/signature-tries.ts";
import type { Batch } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { flipped } from "../../proofs/refusals/act.ts";
import { EQUIHASH_WORK, type Parts, World } from "../../proofs/refusals/world.ts";
import { hasher } from "../execution-support.ts";

const MAX = LIMITS.signatureTriesMax;

let world: World;
let right: Parts;
let other: Batch;

/** The same batch under so many other signatures, none of which is right. */
const forgeries = (count: number, from = right): Batch[] =>
  Array.from({ length: count }, (_, i) =>
    world.sealed({ ...from, signature: new Uint8Array(right.signature.length).fill(i + 1) }),
  );

const counting = (): (() => { work: number; signatures: number }) => {
  const { work, signatures } = world.asked;
  return () => ({ work: world.asked.work - work, signatures: world.asked.signatures - signatures });
};

beforeAll(() => {
  world = new World(EQUIHASH_WORK);
  right = world.parts("clerk");
  other = world.sealed(world.parts("warden"));
});

/** A node that has seen none of them. */
const fresh = (node = "v0") => {
  const pool = world.pool(node);
  const admit = (batch: Batch, from?: string) => world.admit(batch, node, pool, from);
  return { pool, admit, asked: counting() };
};

describe("one batch under many wrong signatures", () => {
  it("is tried to the limit for clients, and its work once", () => {
    const { admit, asked } = fresh();
    const all = forgeries(MAX + 2);
    const codes = all.map((batch) => admit(batch));
    expect(codes.slice(0, MAX)).toEqual(Array(MAX).fill("batch.signature"));
    expect(codes.slice(MAX)).toEqual(["node.overloaded", "node.overloaded"]);
    expect(asked()).toEqual({ work: 1, signatures: MAX });
    // What has been tried is known for what it is, and another batch has tries of its own.
    expect(all.slice(0, 1).map((batch) => admit(batch))).toEqual(["batch.signature"]);
    expect(admit(other)).toBe("accepted");
  });

  it("is taken up to the limit when the right one comes, and beyond it from a peer", () => {
    for (const [wrong, from] of [
      [MAX - 1, undefined],
      [MAX + 1, "v1"],
    ] as const) {
      const { admit } = fresh();
      for (const batch of forgeries(wrong)) admit(batch);
      expect(admit(world.sealed(right), from)).toBe("accepted");
    }
  });

  it("spends what one peer has, and not what another or a client has", () => {
    const { admit } = fresh();
    const codes = forgeries(MAX + 1).map((batch) => admit(batch, "v1"));
    expect(codes.at(-2)).toBe("batch.signature");
    expect(codes.at(-1)).toBe("node.overloaded");
    expect(admit(world.sealed(right), "v1")).toBe("node.overloaded");
    const [wrong] = forgeries(MAX + 2).slice(-1);
    expect(wrong && admit(wrong, "v2")).toBe("batch.signature");
    expect(admit(world.sealed(right))).toBe("accepted");
  });

  it("counts those that wait too", () => {
    const { pool, asked } = fresh();
    const codes: string[] = [];
    for (const { bytes } of forgeries(MAX + 3)) {
      const sealed = readSealed(hasher, bytes);
      if (!sealed.ok) throw new Error(sealed.detail);
      pool.admit(sealed.value, undefined, (result) => {
        codes.push(result.ok ? "accepted" : result.code);
      });
    }
    expect(codes).toEqual(Array(3).fill("node.overloaded"));
    world.settle();
    expect(codes.filter((code) => code === "batch.signature")).toHaveLength(MAX);
    expect(asked().signatures).toBe(MAX);
  });

  it("counts none that is right, whatever else it is refused for", () => {
    // A node that has no sector hosts nothing.
    const { admit } = fresh("v3");
    const hostless = world.sealed({ ...right, space: undefined });
    const codes = Array.from({ length: MAX + 2 }, () => admit(hostless));
    expect(new Set(codes)).toEqual(new Set(["space.no-host"]));
  });
});

describe("a made-up solution", () => {
  it("is checked once, however often its batch is signed anew", () => {
    const { admit, asked } = fresh();
    const { work } = right;
    if (work === undefined) throw new Error("no work");
    const spoiled = {
      ...right,
      work: { ...work, bytes: flipped(work.bytes, work.bytes.length - 1) },
    };
    const codes = forgeries(MAX + 4, spoiled).map((batch) => admit(batch));
    expect(new Set(codes)).toEqual(new Set(["work.solution"]));
    expect(asked()).toEqual({ work: 1, signatures: 0 });
    // Of the batch with its real solution nothing is known by that.
    expect(admit(world.sealed(right))).toBe("accepted");
    expect(asked()).toEqual({ work: 2, signatures: 1 });
  });

  it("is known in a block for what it was at admission", () => {
    const { pool, admit, asked } = fresh();
    const [first, again] = forgeries(2);
    if (first === undefined || again === undefined) throw new Error("no forgeries");
    expect(admit(first)).toBe("batch.signature");
    expect(world.vote([again], "v0", {}, pool)).toBe("batch.signature");
    expect(world.vote([world.sealed(right)], "v0", {}, pool)).toBe("valid");
    expect(asked()).toEqual({ work: 1, signatures: 3 });
  });
});

describe("the counts", () => {
  it("are kept to the limit, and the oldest is forgotten", () => {
    const tries = new SignatureTries();
    const idAt = (i: number) =>
      hasher.ht("test/id", Uint8Array.of(i >> 16, (i >> 8) & 255, i & 255));
    for (let left = MAX; left > 0; left--) tries.take(undefined, idAt(0));
    for (let i = 1; i < LIMITS.verdictCacheMax; i++) tries.take(undefined, idAt(i));
    expect(tries.isSpent(undefined, idAt(0))).toBe(true);
    expect(tries.isSpent("v1", idAt(0))).toBe(false);
    tries.take(undefined, idAt(LIMITS.verdictCacheMax));
    expect(tries.isSpent(undefined, idAt(0))).toBe(false);
    expect(tries.size).toBe(LIMITS.verdictCacheMax);
  });

  it("leave nothing behind of what is given back", () => {
    const tries = new SignatureTries();
    const id = hasher.ht("test/id", Uint8Array.of(1));
    for (let left = MAX; left > 0; left--) tries.take("v1", id);
    expect(tries.isSpent("v1", id)).toBe(true);
    tries.give("v1", id);
    expect(tries.isSpent("v1", id)).toBe(false);
    for (let left = MAX - 1; left > 0; left--) tries.give("v1", id);
    expect(tries.size).toBe(0);
    // One that was forgotten meanwhile.
    tries.give("v1", id);
    expect(tries.size).toBe(0);
  });
});
