import { describe, expect, it } from "vitest";
import { unverified } from "../../../src/cli/audit/open.ts";
import { TetradError } from "../../../src/errors.ts";

describe("why an audit could not be finished", () => {
  it("says what to do about a node that does not answer", () => {
    const error = unverified(new TetradError("cli.unreachable", "no answer"));
    expect(error).toMatchObject({
      code: "audit.unverified",
      message: "cli.unreachable: no answer",
      data: { next: expect.stringContaining("--api") },
    });
  });

  it("has no advice for a node's keys where a folder is in use", () => {
    const error = unverified(new TetradError("folder.locked", "in use", { folder: "db" }));
    expect(error).toMatchObject({ code: "audit.unverified", data: { folder: "db" } });
    expect((error as TetradError).data).not.toHaveProperty("next");
  });

  it("leaves wrong usage as it is", () => {
    const wrong = new TetradError("cli.usage", "no such folder");
    expect(unverified(wrong)).toBe(wrong);
  });
});
