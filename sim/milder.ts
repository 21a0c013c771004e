/**
 * Milder faults, for shrink.ts: flags off, and numbers towards where they do the least. Which way that is the
 * description of faults says, so that a new kind needs nothing here. Moments are none of it: they say when.
 */
import { FAULT_SHAPES } from "./fault-shape.ts";
import type { Fault } from "./scenario.ts";
import type { Field, IntegerShape } from "./shape.ts";

/** One field of a fault, as it is and where it is mildest. */
export type Degree = {
  readonly name: string;
  readonly value: number | boolean;
  readonly mildest: number | boolean;
  readonly shape: Field;
};

const isDegree = (shape: Field): boolean =>
  shape.type === "boolean" ||
  (shape.type === "integer" && shape.moment !== true && shape.mild !== "none");

const mildestOf = ({ min, max, mild }: IntegerShape): number =>
  mild === "most" ? max : Math.min(max, Math.max(min, 0));

/** What of a fault may be milder than it is. */
export const degreesOf = (fault: Fault): readonly Degree[] =>
  Object.entries(FAULT_SHAPES[fault.kind].fields)
    .filter(([, shape]) => isDegree(shape))
    .flatMap(([name, shape]): Degree[] => {
      const value: unknown = Reflect.get(fault, name);
      if (typeof value !== "number" && typeof value !== "boolean") return [];
      const mildest = shape.type === "integer" ? mildestOf(shape) : false;
      return value === mildest ? [] : [{ name, value, mildest, shape }];
    });

/** The fault with these fields at their mildest. */
export const calmed = (fault: Fault, degrees: readonly Degree[]): Fault => ({
  ...fault,
  ...Object.fromEntries(degrees.map(({ name, mildest }) => [name, mildest])),
});

/** The fault with one number at half of what it does: half as far from the mildest, or a cap of twice as much. */
export const halved = (fault: Fault, name: string): Fault => {
  const degree = degreesOf(fault).find((one) => one.name === name);
  if (degree === undefined) return fault;
  const { value, mildest, shape } = degree;
  if (typeof value !== "number" || typeof mildest !== "number") return fault;
  const isCap = shape.type === "integer" && shape.mild === "most";
  const half = isCap
    ? Math.min(mildest, Math.max(1, value * 2))
    : mildest + Math.trunc((value - mildest) / 2);
  return { ...fault, [name]: half };
};
