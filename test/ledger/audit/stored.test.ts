/** Rows of a folder that speak for themselves and that no other row is held against. */
import { describe, expect, it } from "vitest";
import { Writer } from "../../../src/crypto/codec.ts";
import { judgeRow, type StoredContext } from "../../../src/ledger/audit/stored.ts";
import { metaKey } from "../../../src/ledger/keys.ts";
import { LIMITS } from "../../../src/limits.ts";
import { createChain } from "../replica/support.ts";

const WINDOW = LIMITS.certificateWindowHeights;

describe("the note of which certificates were forgotten", () => {
  const context = (height: number): StoredContext => ({
    hasher: createChain().hasher,
    setOf: () => undefined,
    hashAt: () => undefined,
    read: () => undefined,
    tip: { epoch: 3, view: 70, height },
    facts: new Map(),
  });
  const judge = (value: Uint8Array, height = WINDOW + 200) =>
    judgeRow(context(height), "m", metaKey("forgotten"), value).finding;
  const note = (epoch: number, view: number, kept: number) =>
    new Writer(24).u64(epoch).u64(view).u64(kept).finish();

  it("is of what the chain has left behind", () => {
    expect(judge(note(3, 69, 200))).toBeUndefined();
    expect(judge(note(2, 9_000, 64))).toBeUndefined();
    const wrong = { subject: "fact", code: "state.mismatch" };
    expect(judge(note(3, 71, 64))).toMatchObject(wrong);
    expect(judge(note(4, 0, 64))).toMatchObject(wrong);
    expect(judge(note(3, 1, 201))).toMatchObject(wrong);
    // Nothing is forgotten before the window has moved.
    expect(judge(note(0, 0, 0), WINDOW + 1)).toBeUndefined();
    expect(judge(note(0, 0, 0), WINDOW)).toMatchObject(wrong);
  });

  it("is three numbers", () => {
    const good = note(3, 69, 200);
    for (const value of [
      new Uint8Array(1),
      new Uint8Array(0),
      new Uint8Array(24).fill(255),
      good.subarray(0, 23),
      new Uint8Array([...good, 0]),
    ]) {
      expect(judge(value)).toMatchObject({ subject: "fact", code: "state.mismatch" });
    }
  });
});
