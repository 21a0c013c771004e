/** What the command says of outcomes. */
import { describe, expect, it } from "vitest";
import { printReceipts, refusalOf, rowsOf } from "../../src/cli/verbs/append.ts";
import type { OutcomeJson, ReceiptJson } from "../../src/client/api.ts";
import { ERRORS } from "../../src/errors.ts";
import type { WaitLevel } from "../../src/ledger/handle.ts";
import { recordPut } from "../../src/ledger/projections/events.ts";
import type { Batch } from "../../src/ledger/types.ts";
import { fakeContext } from "./fake-context.ts";

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

  it("of batches that were kept from before are printed too, and exit as nothing", () => {
    const event = recordPut.encode({ topic: "t", key: "k", body: new Uint8Array(1) });
    const batch = { id: new Uint8Array(32), events: [event] } as unknown as Batch;
    const mine = { batch, receipt: receipt([accepted]), interrupted: false };
    const refused = receipt([{ kind: "refused", code: "event.conflict" }]);
    for (const output of ["table", "json", "ndjson"] as const) {
      const { context, said } = fakeContext({ output });
      printReceipts(context, [mine], [{ batch, receipt: refused, interrupted: true }]);
      expect(said.out).toContain("event.conflict");
      expect(said.out.includes('"kept": true') || said.out.includes('"kept":true')).toBe(
        output !== "table",
      );
      expect(said.err).toContain("the last 1 event(s) are of earlier commands");
      expect(said.err).toContain("have no effect: event.conflict");
    }
  });

  it.each(["accepted", "committed"] as const)("are pending, not accepted, at level %s", (level) => {
    const event = recordPut.encode({ topic: "t", key: "k", body: new Uint8Array(1) });
    const batch = { id: new Uint8Array(32), events: [event] } as unknown as Batch;
    const [row] = rowsOf({ batch, receipt: receipt(undefined, level), interrupted: false });
    expect(row?.["outcome"]).toBe("pending");
  });
});
