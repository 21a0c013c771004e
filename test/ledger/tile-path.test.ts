import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatTilePath, parseTilePath } from "../../src/ledger/tile-path.ts";

describe("paths of tiles", () => {
  it("are those of c2sp.org/tlog-tiles", () => {
    expect(formatTilePath({ index: 1_234_067, width: 256 })).toBe("x001/x234/067");
    expect(formatTilePath({ index: 0, width: 1 })).toBe("000.p/1");
    expect(parseTilePath("x001/x234/067.p/8")).toEqual({ index: 1_234_067, width: 8 });
  });

  it("have one spelling: what is read is what is written", () => {
    fc.assert(
      fc.property(fc.nat(10 ** 15 - 1), fc.integer({ min: 1, max: 256 }), (index, width) => {
        const place = { index, width };
        expect(parseTilePath(formatTilePath(place))).toEqual(place);
      }),
    );
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[x0-9./p]{1,20}$/));
    fc.assert(
      fc.property(text, (path) => {
        const place = parseTilePath(path);
        if (place !== undefined) expect(formatTilePath(place)).toBe(path);
      }),
    );
  });

  it.each([
    "",
    "0",
    "00",
    "0000",
    "x000/001",
    "001/002",
    "x001/x002",
    "000.p/0",
    "000.p/01",
    "000.p/256",
    "000.p/1000",
    "000.p/",
    "000.p/1/",
    "x001/x001/x001/x001/x001/001",
    "../000",
  ])("refuse %j", (path) => {
    expect(parseTilePath(path)).toBeUndefined();
  });
});
