import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatTimeFile, parseTimeFile, type TimeFile } from "../../../src/cli/time/file.ts";
import { LIMITS } from "../../../src/limits.ts";
import { openBlock } from "../../../src/proofs/time/open.ts";
import { selfSeed } from "../../../src/proofs/time/statement.ts";
import { described, filled, fullRun, parametersOf, proofOf } from "../../proofs/time/support.ts";

const run = fullRun(
  described(45, { blocks: new Map([[3, { height: 20, hash: filled(50) }]]) }),
  parametersOf(2),
);
const { commitment } = run.finish();
const seed = selfSeed(run.hasher, run.chi, commitment.phi);
const block = openBlock(run, 20);
const file: TimeFile = {
  chainId: "time-test",
  parameters: run.parameters,
  statement: run.statement,
  commitment,
  challenge: { kind: "self", seed },
  proof: proofOf(run, seed, run.parameters.selfChallenges),
  blocks: block.ok ? [block.value] : [],
};
const text = formatTimeFile(file);

describe("a proof file", () => {
  it("is read as it was written", () => {
    expect(parseTimeFile(text)).toEqual({ ok: true, value: file });
  });

  it("is refused with a key more, less or twice, and with a value of another kind", () => {
    const json = JSON.parse(text) as Record<string, unknown>;
    for (const key of Object.keys(json)) {
      const { [key]: _, ...less } = json;
      expect(parseTimeFile(JSON.stringify(less))).toMatchObject({ code: "time.proof-malformed" });
      for (const value of [null, -1, 1.5, "x", [], {}, true]) {
        if (key === "blocks" && Array.isArray(value)) continue;
        const wrong = { ...json, [key]: value };
        if (key === "chainId" && value === "x") continue;
        expect(parseTimeFile(JSON.stringify(wrong)), `${key}: ${value}`).toMatchObject({
          code: "time.proof-malformed",
        });
      }
    }
    expect(parseTimeFile(JSON.stringify({ ...json, more: 1 })).ok).toBe(false);
    expect(parseTimeFile(text.replace("{", '{"version":1,')).ok).toBe(false);
    expect(parseTimeFile(text.slice(1)).ok).toBe(false);
  });

  it("is refused over its limits", () => {
    const spaces = " ".repeat(LIMITS.timeFileCharactersMax - text.length);
    expect(parseTimeFile(text + spaces).ok).toBe(true);
    expect(parseTimeFile(`${text}${spaces} `)).toMatchObject({ code: "time.proof-malformed" });
    const shown = (count: number): string =>
      formatTimeFile({ ...file, blocks: Array.from({ length: count }, () => filled(1)) });
    expect(parseTimeFile(shown(LIMITS.timeShownBlocksMax)).ok).toBe(true);
    expect(parseTimeFile(shown(LIMITS.timeShownBlocksMax + 1)).ok).toBe(false);
  });

  it("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (garbage) => {
        expect(parseTimeFile(garbage)).toMatchObject({ code: "time.proof-malformed" });
      }),
    );
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ maxLength: 3 }), (at, put) => {
        const changed = text.slice(0, at) + put + text.slice(at + 1);
        const parsed = parseTimeFile(changed);
        if (!parsed.ok) expect(parsed.code).toBe("time.proof-malformed");
      }),
    );
  });
});
