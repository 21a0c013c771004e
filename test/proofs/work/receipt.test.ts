/** The receipt of an execution binds all of its parts. */
import { expect, it } from "vitest";
import { createHasher } from "../../../src/crypto/hash.ts";
import { type Execution, executionReceipt } from "../../../src/proofs/work/index.ts";
import { filled, hasher } from "./support.ts";

const execution: Execution = {
  eventId: filled(1),
  codeHash: filled(2),
  stateBefore: filled(3),
  stateAfter: filled(4),
  units: 712,
};

it("is another for any other part, and on another chain", () => {
  const others: Execution[] = [
    { ...execution, eventId: filled(9) },
    { ...execution, codeHash: filled(9) },
    { ...execution, stateBefore: filled(9) },
    { ...execution, stateAfter: filled(9) },
    { ...execution, stateBefore: filled(4), stateAfter: filled(3) },
    { ...execution, units: 713 },
  ];
  const all = [execution, ...others].map((one) => executionReceipt(hasher, one));
  all.push(executionReceipt(createHasher("work-test-2"), execution));
  expect(new Set(all.map((hash) => Buffer.from(hash).toString("hex"))).size).toBe(all.length);
  expect(() => executionReceipt(hasher, { ...execution, eventId: filled(1, 31) })).toThrow(
    RangeError,
  );
});
