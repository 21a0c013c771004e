import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDelayFile, parseDelayFile } from "../../../src/cli/time/delay-file.ts";
import { LIMITS } from "../../../src/limits.ts";

const file = {
  chainId: "time-test",
  seed: new Uint8Array(32).fill(1),
  parameters: { checkpoints: 2, iterations: 3 },
  checkpoints: new Uint8Array(32).fill(2),
};
const text = formatDelayFile(file);
const malformed = { code: "time.proof-malformed" };

describe("the file of a delay", () => {
  it("is read as it was written", () => {
    expect(parseDelayFile(text)).toEqual({ ok: true, value: file });
  });

  it("is refused with keys missing, more or twice, and with values that do not fit", () => {
    const json = JSON.parse(text) as Record<string, unknown>;
    for (const key of Object.keys(json)) {
      const { [key]: _, ...less } = json;
      expect(parseDelayFile(JSON.stringify(less))).toMatchObject(malformed);
      expect(parseDelayFile(JSON.stringify({ ...json, [key]: null }))).toMatchObject(malformed);
    }
    for (const more of [
      { more: 1 },
      { checkpoints: 3 },
      { checkpoints: LIMITS.delayCheckpointsMax + 1 },
      { iterations: LIMITS.delaySegmentIterationsMax + 1 },
      { iterations: 0 },
    ]) {
      expect(parseDelayFile(JSON.stringify({ ...json, ...more }))).toMatchObject(malformed);
    }
    expect(parseDelayFile(text.replace("{", '{"version":1,'))).toMatchObject(malformed);
    expect(parseDelayFile(text + " ".repeat(LIMITS.timeFileCharactersMax))).toMatchObject(
      malformed,
    );
  });

  it("is never made of arbitrary text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (garbage) => {
        expect(parseDelayFile(garbage)).toMatchObject(malformed);
      }),
    );
  });
});
