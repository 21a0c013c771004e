import { describe, expect, it } from "vitest";
import { SLOT_VERSION, SPACE_SLOT, WORK_SLOT } from "../../src/ledger/batch-proofs.ts";
import { checkSlots } from "../../src/ledger/batch-work.ts";
import { SPACE_PROFILES } from "../../src/proofs/space/parameters.ts";
import { WORK_PROFILES } from "../../src/proofs/work/parameters.ts";

const slot = (kind: number, version = SLOT_VERSION) => ({
  kind,
  version,
  bytes: new Uint8Array(3),
});
const [work, space] = [WORK_PROFILES.dev, SPACE_PROFILES.dev];

describe("the slots of a batch", () => {
  it.each([
    ["no work where work is asked for", { work, space: null }, [], "work.missing"],
    [
      "space alone where work is asked for too",
      { work, space },
      [slot(SPACE_SLOT)],
      "work.missing",
    ],
    [
      "work where none is asked for",
      { work: null, space },
      [slot(WORK_SLOT)],
      "batch.proofs-unsupported",
    ],
    [
      "space where none is asked for",
      { work, space: null },
      [slot(WORK_SLOT), slot(SPACE_SLOT)],
      "batch.proofs-unsupported",
    ],
    [
      "a later version",
      { work, space: null },
      [slot(WORK_SLOT, SLOT_VERSION + 1)],
      "batch.proofs-unsupported",
    ],
    [
      "a kind that nobody knows",
      { work, space },
      [slot(WORK_SLOT), slot(9)],
      "batch.proofs-unsupported",
    ],
    [
      "work and space where both are",
      { work, space },
      [slot(WORK_SLOT), slot(SPACE_SLOT)],
      undefined,
    ],
    ["nothing where nothing is", { work: null, space: null }, [], undefined],
  ])("with %s", (_what, asked, slots, code) => {
    expect(checkSlots(asked, slots)?.code).toBe(code);
  });
});
