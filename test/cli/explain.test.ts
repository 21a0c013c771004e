/** What `nexus explain` shows of an event's data on a terminal of some width. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shortData } from "../../src/cli/verbs/explain.ts";
import { widthOf } from "../../src/cli/width.ts";

describe("data on one line", () => {
  it("is whole where it fits, and counted in bytes where it does not", () => {
    expect(shortData("x".repeat(80), 80)).toBe("x".repeat(80));
    const cut = shortData("ü".repeat(81), 80);
    expect(widthOf(cut)).toBe(80);
    expect(cut).toMatch(/^ü+… \(162 bytes; --full shows them\)$/);
  });

  it("takes no more than the terminal has, but for a narrow one", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 300 }),
        fc.integer({ min: 60, max: 200 }),
        (data, columns) => {
          const shown = shortData(data, columns);
          expect(shown === data || widthOf(shown) <= columns).toBe(true);
        },
      ),
    );
    expect(shortData("x".repeat(90), 4)).toMatch(/^x{19}… \(90 bytes; /);
  });
});
