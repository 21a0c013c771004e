/**
 * An answer that comes over sessions, put together from its parts. While the path to a member changes, parts go over
 * two of them and overtake each other: each goes where it says that it belongs. A part that was lost with a path
 * leaves a gap, and the request ends by its time; bytes are never joined across it. Pure.
 */
import { concatBytes } from "../../crypto/bytes.ts";
import type { BulkFrame } from "./frames.ts";

type Part = Pick<BulkFrame & { readonly kind: "part" }, "last" | "place" | "bytes">;

export class Assembly {
  readonly #parts: (Uint8Array | undefined)[] = [];
  #count = 0;
  /** How many parts there are, once the last one is here. */
  #end: number | undefined;

  /** The answer when this part completes it. "wrong": no answer has this part beside those that are here. */
  take({ last, place, bytes }: Part): Uint8Array | "more" | "wrong" {
    if (this.#parts[place] !== undefined) return "wrong";
    if (last) {
      if (this.#end !== undefined || this.#parts.length > place) return "wrong";
      this.#end = place + 1;
    } else if (this.#end !== undefined && place >= this.#end) return "wrong";
    this.#parts[place] = bytes;
    this.#count += 1;
    if (this.#count !== this.#end) return "more";
    return concatBytes(...this.#parts.filter((part) => part !== undefined));
  }
}
