import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import {
  checkLocationParameters,
  LOCATION_DEFAULT,
  type LocationParameters,
} from "../../../src/proofs/location/parameters.ts";

const verdict = (change: Partial<LocationParameters>): string => {
  const checked = checkLocationParameters({ ...LOCATION_DEFAULT, ...change });
  return checked.ok ? "ok" : checked.code;
};
const WRONG = "location.parameters";
const zonesOf = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `z${i}`, rttMaxUs: i + 1 }));

describe("parameters of network location", () => {
  it("take what init asks for", () => {
    expect(verdict({})).toBe("ok");
  });

  it.each(["rounds", "labels"] as const)("have a range for %s", (name) => {
    const [least, most] = name === "rounds" ? LIMITS.locationRounds : LIMITS.locationLabels;
    for (const right of [least, most]) expect(verdict({ [name]: right })).toBe("ok");
    for (const wrong of [least - 1, most + 1, 1.5, Number.NaN]) {
      expect(verdict({ [name]: wrong })).toBe(WRONG);
    }
  });

  it("have one zone at least, and so many at most", () => {
    const [least, most] = LIMITS.locationZones;
    for (const right of [least, most]) expect(verdict({ zones: zonesOf(right) })).toBe("ok");
    for (const wrong of [least - 1, most + 1]) {
      expect(verdict({ zones: zonesOf(wrong) })).toBe(WRONG);
    }
  });

  it("have times within their range, from near to far", () => {
    const [least, most] = LIMITS.locationRttUs;
    const of = (...times: readonly number[]) => ({
      zones: times.map((rttMaxUs, i) => ({ name: `z${i}`, rttMaxUs })),
    });
    expect(verdict(of(least, most))).toBe("ok");
    for (const wrong of [of(least - 1), of(most + 1), of(2, 2), of(3, 2), of(1.5)]) {
      expect(verdict(wrong)).toBe(WRONG);
    }
  });

  it("have names that are names, each once", () => {
    const of = (...names: readonly string[]) => ({
      zones: names.map((name, i) => ({ name, rttMaxUs: i + 1 })),
    });
    expect(verdict(of("a", "eu-west.1", "x".repeat(LIMITS.nameBytesMax)))).toBe("ok");
    const wrong = [
      of("a", "a"),
      of(""),
      of("A"),
      of("a b"),
      of("x".repeat(LIMITS.nameBytesMax + 1)),
    ];
    for (const one of wrong) expect(verdict(one)).toBe(WRONG);
  });
});
