/** Holds what a verb printed against the table of shapes. */
import { expect } from "vitest";
import { SHAPES } from "../../src/cli/shapes.ts";

/** One item has the fields that the table promises, and those in `more`. */
export const itemFits = (verb: string, item: unknown, more: readonly string[] = []): void => {
  for (const field of [...(SHAPES[verb]?.fields ?? []), ...more]) {
    // Names such as "$schema" are names, not paths.
    expect(item, `${verb}: ${field}`).toHaveProperty([field]);
  }
};

/** The value of `-o json`: a list where the table says so, of at least one item. */
export const fits = (verb: string, value: unknown, more: readonly string[] = []): void => {
  expect(Array.isArray(value), verb).toBe(SHAPES[verb]?.list);
  const items: unknown[] = Array.isArray(value) ? value : [value];
  expect(items.length, verb).toBeGreaterThan(0);
  for (const item of items) itemFits(verb, item, more);
};
