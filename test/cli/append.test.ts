/** What the command says of outcomes. */
import { describe, expect, it } from "vitest";
import { refusalOf, rowsOf } from "../../src/cli/verbs/append.ts";
import type { OutcomeJson, ReceiptJson } from "../../src/client/api.ts";
import { ERRORS } from "../../src/errors.ts";
import type { WaitLevel } from "../../src/ledger/handle.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import type { Batch } from "../../src/ledger/types.ts";

const receipt = (outcomes?: readonly OutcomeJson[], level: WaitLevel = "projected"): ReceiptJson =>
  outcomes === undefined ? { batchId: "00", level } : { batchId: "00", level, outcomes };

const accepted: OutcomeJson = { kind: "accepted" };

describe("outcomes", () => {
  it("end the command with the code of the first refused event", () => {
    for (const code of ["event.conflict", "event.forbidden", "event.invalid"] as const) {
      const failure = refusalOf([
        receipt([accepted]),
        receipt([accepted, { kind: "refused", code }]),
      ]);
      expect(failure?.code).toBe(code);
      expect(failure?.spec.exitCode).toBe(ERRORS[code].exitCode);
    }
    expect(refusalOf([receipt([accepted]), receipt()])).toBeUndefined();
  });

  it("count as event.invalid under a code of a projection of one's own", () => {
    const failure = refusalOf([receipt([{ kind: "refused", code: "shop.sold-out" }])]);
    expect(failure).toMatchObject({ code: "event.invalid" });
    expect(failure?.message).toContain("shop.sold-out");
    expect(refusalOf([receipt([{ kind: "refused" }])])?.code).toBe("event.invalid");
  });

  it.each(["accepted", "committed"] as const)("are pending, not accepted, at level %s", (level) => {
    const event = recordPut.encode({ topic: "t", key: "k", body: new Uint8Array(1) });
    const batch = { id: new Uint8Array(32), events: [event] } as unknown as Batch;
    const [row] = rowsOf({ batch, receipt: receipt(undefined, level), interrupted: false });
    expect(row?.["outcome"]).toBe("pending");
  });
});
