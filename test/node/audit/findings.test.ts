/** What an audit lists of what it finds. */
import { expect, it } from "vitest";
import type { Finding } from "../../../src/ledger/audit/finding.ts";
import { LIMITS } from "../../../src/limits.ts";
import { Findings } from "../../../src/node/audit/folder.ts";

it("are listed up to auditFindingsMax, and counted beyond it", () => {
  const findings = new Findings();
  const found = (height: number): Finding => ({
    subject: "row",
    code: "state.mismatch",
    detail: "of a test",
    height,
  });
  for (let n = 0; n < LIMITS.auditFindingsMax; n++) findings.add(found(1000 - n));
  expect([findings.list.length, findings.total]).toEqual([LIMITS.auditFindingsMax, findings.total]);
  expect(findings.total).toBe(LIMITS.auditFindingsMax);
  findings.add(found(1));
  findings.add(undefined);
  expect(findings.list).toHaveLength(LIMITS.auditFindingsMax);
  expect(findings.total).toBe(LIMITS.auditFindingsMax + 1);
  expect(findings.sorted()[0]?.height).toBe(1001 - LIMITS.auditFindingsMax);
});
