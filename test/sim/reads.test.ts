/** I15: the checkers of reads are shown heights that are not final, and sessions that go back. */
import { describe, expect, it } from "vitest";
import { FINALIZE } from "../../sim/checkers/decode.ts";
import { sessionsMonotone, shownIsFinal } from "../../sim/checkers/reads.ts";
import type { Reading } from "../../sim/checkers/types.ts";
import {
  type BlockSpec,
  bytesOf,
  createRig,
  dumpOf,
  type EventSpec,
  hashOf,
  proposalFrame,
  type Rig,
  say,
  sized,
} from "./rig.ts";
import { statusWith } from "./support.ts";

describe("what is shown as final", () => {
  const first: BlockSpec = { view: 1, height: 1 };
  const second: BlockSpec = { view: 2, height: 2, parent: hashOf(first) };

  const shown = (rig: Rig, spec: BlockSpec, slot = 0): void =>
    rig.checker.status?.(
      slot,
      statusWith({
        finalHeight: spec.height,
        executedHeight: spec.height,
        finalHash: hashOf(spec),
      }),
    );

  const finalized = (signers: readonly number[]): Rig => {
    const rig = createRig(shownIsFinal);
    for (const spec of [first, second]) rig.checker.sent?.(0, 1, "consensus", proposalFrame(spec));
    for (const slot of signers) say(rig, slot, { view: 2, kind: FINALIZE, hash: hashOf(second) });
    return rig;
  };

  it("has the signatures of a quorum, of itself or of a descendant", () => {
    const rig = finalized([0, 1, 3]);
    shown(rig, second);
    shown(rig, first);
    expect(rig.found).toEqual([]);
  });

  it("is reported where there is none", () => {
    const rig = finalized([0, 1, 1]);
    shown(rig, second, 3);
    expect(rig.found).toEqual([]);
    shown(rig, first);
    expect(rig.found).toEqual(["I15"]);
  });

  it("is reported where more is executed than is final", () => {
    const rig = finalized([0, 1, 2]);
    rig.checker.status?.(
      0,
      statusWith({ finalHeight: 2, executedHeight: 3, finalHash: hashOf(second) }),
    );
    expect(rig.found).toEqual(["I15"]);
  });
});

describe("a session of reads", () => {
  const key = bytesOf("6c", "0000", "6b", "0000");
  const put = (height: number, body: string): EventSpec => ({
    type: "record.put",
    height,
    payload: Buffer.concat(["6c", "6b", body].map((text) => sized(Buffer.from(text, "hex")))),
  });
  const log = [put(2, "0a"), put(4, "0b"), put(4, "0c"), put(7, "0d")];
  const row = (height: number, body: string): Uint8Array =>
    bytesOf("00".repeat(32), height, 0, sized(Buffer.from(body, "hex")));

  const read = (
    ...readings: readonly (Partial<Reading> & { readonly row?: readonly [number, string] })[]
  ): string[] => {
    const rig = createRig(sessionsMonotone);
    for (const { row: shown, ...reading } of readings) {
      const value = shown === undefined ? undefined : row(...shown);
      const [height, finalHeight] = [reading.height ?? 5, reading.finalHeight ?? 5];
      const usual = { session: 0, slot: 0, height, finalHeight, floor: 0, key, value };
      rig.checker.read?.({ ...usual, ...reading });
    }
    rig.checker.end?.([dumpOf(log)]);
    return rig.found;
  };

  it("sees the record as it was at a height from the claimed to the final one", () => {
    expect(read({ row: [4, "0c"] })).toEqual([]);
    expect(read({ height: 3, finalHeight: 3, row: [2, "0a"] })).toEqual([]);
    expect(read({ height: 3, finalHeight: 4, row: [4, "0c"] })).toEqual([]);
    expect(read({ height: 1, finalHeight: 1 })).toEqual([]);
    expect(read({ height: 8, finalHeight: 9, row: [7, "0d"] })).toEqual([]);
  });

  it("is reported for what is old, of the future, overwritten or was never written", () => {
    expect(read({ row: [2, "0a"] })).toEqual(["I15"]);
    expect(read({ height: 5, finalHeight: 6, row: [7, "0d"] })).toEqual(["I15"]);
    expect(read({ row: [4, "0b"] })).toEqual(["I15"]);
    expect(read({ row: [4, "0e"] })).toEqual(["I15"]);
    expect(read({})).toEqual(["I15"]);
    expect(read({ height: 1, finalHeight: 1, row: [2, "0a"] })).toEqual(["I15"]);
  });

  it("never goes back, at whatever node, nor behind what it was told of its own writes", () => {
    const early = { height: 3, finalHeight: 4, slot: 1 };
    expect(read({ ...early, row: [2, "0a"] }, { ...early, row: [4, "0c"] })).toEqual([]);
    expect(read({ ...early, row: [4, "0c"] }, { ...early, row: [2, "0a"] })).toEqual(["I15"]);
    const other = { ...early, session: 1 };
    expect(read({ ...early, row: [4, "0c"] }, { ...other, row: [2, "0a"] })).toEqual([]);
    expect(read({ ...early, floor: 4, row: [2, "0a"] })).toEqual(["I15"]);
  });
});
