/** An answer from its parts, in whatever order they come. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Assembly } from "../../../src/transport/bulk/assembly.ts";

type Part = Parameters<Assembly["take"]>[0];

const partsOf = (count: number): readonly Part[] =>
  Array.from({ length: count }, (_, place) => ({
    ...{ place, last: place === count - 1 },
    bytes: Uint8Array.of(place, place),
  }));

const wholeOf = (count: number): Uint8Array =>
  Uint8Array.from({ length: 2 * count }, (_, i) => i >> 1);

const shuffled = fc
  .integer({ min: 1, max: 17 })
  .chain((count) => fc.shuffledSubarray([...partsOf(count)], { minLength: count }));

describe("an answer", () => {
  it("is the same in any order of its parts, and is there with the last that comes", () => {
    fc.assert(
      fc.property(shuffled, (parts) => {
        const assembly = new Assembly();
        const taken = parts.map((part) => assembly.take(part));
        expect(taken.slice(0, -1)).toEqual(parts.slice(1).map(() => "more"));
        expect(taken.at(-1)).toEqual(wholeOf(parts.length));
      }),
    );
  });

  it("is never there while a part is missing", () => {
    fc.assert(
      fc.property(shuffled, fc.nat(), (parts, nat) => {
        const assembly = new Assembly();
        const missing = nat % parts.length;
        for (const part of parts.filter((_, at) => at !== missing)) {
          expect(assembly.take(part)).toBe("more");
        }
      }),
    );
  });

  it("has each part once, one end, and nothing behind it", () => {
    const [first, second, third] = partsOf(3);
    if (first === undefined || second === undefined || third === undefined) throw new RangeError();
    const takes = (...parts: readonly Part[]): unknown[] => {
      const assembly = new Assembly();
      return parts.map((part) => assembly.take(part));
    };
    expect(takes(first, first)).toEqual(["more", "wrong"]);
    expect(takes(third, { ...third, place: 1 })).toEqual(["more", "wrong"]);
    expect(takes(third, { ...third, place: 4 })).toEqual(["more", "wrong"]);
    expect(takes({ ...second, last: true }, { ...third, last: false })).toEqual(["more", "wrong"]);
    expect(takes({ ...third, last: false }, { ...second, last: true })).toEqual(["more", "wrong"]);
  });
});
