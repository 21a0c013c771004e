/** The words in which scenarios are described: fields of the usual kinds. Their limits are in src/limits.ts. */
import { LIMITS } from "../src/limits.ts";
import type { BooleanShape, IntegerShape, ListShape, Shape, SlotShape } from "./shape.ts";

export const SCENARIO_LIMITS = LIMITS.simScenario;

export const count = (
  about: string,
  min: number,
  max: number,
  usual?: readonly [number, number],
): IntegerShape => ({
  type: "integer",
  min,
  max,
  about,
  ...(usual === undefined ? {} : { usual }),
});

export const milliseconds = (
  about: string,
  min: number,
  max: number,
  usual?: readonly [number, number],
): IntegerShape => count(about, min, max, usual ?? [min, Math.min(max, 5_000)]);

export const microseconds = (about: string): IntegerShape =>
  count(about, 0, SCENARIO_LIMITS.operationUsMax, [0, 20_000]);

export const ppm = (about: string): IntegerShape => count(about, 0, 1_000_000, [1_000, 400_000]);

/** Bytes a millisecond. */
export const flows = (about: string, min = 1): IntegerShape =>
  count(about, min, SCENARIO_LIMITS.bytesPerMsMax, min === 0 ? [0, 0] : [20, 2_000]);

export const moment = (about: string): IntegerShape => ({
  type: "integer",
  min: 0,
  max: SCENARIO_LIMITS.spanMsMax,
  about,
  moment: true,
});

/** May be "for ever": the largest safe integer. */
export const until = (about: string): IntegerShape => ({
  type: "integer",
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
  about,
  moment: true,
});

export const down = (about: string): IntegerShape =>
  milliseconds(about, 0, SCENARIO_LIMITS.dayMsMax, [0, 4_000]);

export const offset = (about: string): IntegerShape =>
  count(about, -SCENARIO_LIMITS.dayMsMax, SCENARIO_LIMITS.dayMsMax, [-5_000, 5_000]);

export const slot = (about: string): SlotShape => ({ type: "slot", about });

export const flag = (about: string): BooleanShape => ({ type: "boolean", about });

export const list = (of: Shape, about: string, max: number): ListShape => ({
  type: "list",
  of,
  min: 0,
  max,
  about,
});

export const slots = (about: string): ListShape => ({
  ...list({ type: "slot" }, about, SCENARIO_LIMITS.nodesMax),
  distinct: true,
});
