/** Checks that the events of space share: each is a refusal with its code, or nothing. */
import { LIMITS } from "../../../limits.ts";
import type { EventContext, Refusal } from "../../projection.ts";
import { refuse } from "../../projection.ts";

export type Part = { readonly from: number; readonly openings: Uint8Array };

/** Which challenges a part answers, when it is the next one: its bytes say how many they are. */
export type PartRange = { readonly from: number; readonly to: number };

/**
 * The range of a part. `done` of `total` are answered, one takes `bytes`, and a part holds `most`. Codes:
 * event.invalid (its place in the batch), space.part, space.proof-shape.
 */
export const partRange = (
  { from, openings }: Part,
  { position }: Pick<EventContext, "position">,
  of: {
    readonly done: number;
    readonly total: number;
    readonly bytes: number;
    readonly most: number;
  },
): PartRange | Refusal => {
  // Before anything is hashed: what one batch can cost is bounded by its first places.
  if (position >= LIMITS.spacePartPositionsMax) {
    return refuse("event.invalid", "openings stand in the first places of a batch");
  }
  if (from !== of.done || of.done >= of.total) {
    return refuse("space.part", `challenge ${from} is not the next one: ${of.done} of ${of.total}`);
  }
  const count = openings.length / of.bytes;
  const most = Math.min(of.most, of.total - of.done);
  if (!Number.isInteger(count) || count < 1 || count > most) {
    const detail = `${openings.length} bytes are not 1 to ${most} openings of ${of.bytes}`;
    return refuse("space.proof-shape", detail);
  }
  return { from, to: from + count };
};

export const isRefusal = (value: object): value is Refusal => "code" in value;
