/** Views begin again at 1 with each epoch: what an adversary remembers of one it remembers by both. */
import type { Statement } from "../../src/ledger/types.ts";
import { Recent } from "../checkers/recent.ts";

export type At = Pick<Statement, "epoch" | "view">;

/** What is made for so many views is remembered: nobody asks again for what lies further back. */
const KEPT = 64;

export const nameOf = ({ epoch, view, kind }: Statement): string => `${epoch}/${view}/${kind}`;

/** Whether one view comes after another, as each does where there is none yet. */
export const isAfter = (one: At, other: At | undefined): boolean =>
  other === undefined ||
  one.epoch > other.epoch ||
  (one.epoch === other.epoch && one.view > other.view);

export const isSameView = (one: At, other: At | undefined): boolean =>
  one.epoch === other?.epoch && one.view === other.view;

/** What is made once a view, and is the same for everybody who is told of it. */
export const createOnce = <T>(): ((at: At, make: () => T | undefined) => T | undefined) => {
  const made = new Recent<string, T>(KEPT);
  return ({ epoch, view }, make) => {
    const name = `${epoch}/${view}`;
    const one = made.get(name) ?? make();
    if (one !== undefined) made.set(name, one);
    return one;
  };
};
