/** What an act of the table of refusals gives: what each place has said of the same forgery. */
import { expect } from "vitest";
import type { Batch } from "../../../src/ledger/types.ts";
import type { Parts, World } from "./world.ts";

export type Seen = {
  readonly genesis?: string;
  readonly admission?: string;
  readonly vote?: string;
  readonly execution?: string;
};

export type Act = () => Seen;

/** Nothing is refused; the act has looked that what is said instead holds. */
export const NOTHING: Seen = {};

/** One batch at a node that takes it in, and in a block that is voted on. */
export const both = (world: World, batch: Batch, node?: string): Seen => ({
  admission: world.admit(batch, node),
  vote: world.vote([batch]),
});

/** As `both`, of a batch of the clerk's that was right before it was bent. */
export const bent = (world: World, bend: (right: Parts) => Partial<Parts>): Seen => {
  const right = world.parts("clerk");
  const taken = both(world, world.sealed(right));
  expect(taken).toEqual({ admission: "accepted", vote: "valid" });
  return both(world, world.sealed({ ...right, ...bend(right) }));
};

export const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};
