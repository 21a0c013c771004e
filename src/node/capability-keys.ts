/** How people name the rows of the projection `capabilities`: an id is a capability; held/ID and actor/ID are the others. */
import { fromHex, toHex } from "../crypto/bytes.ts";
import { fail, ok, type Result } from "../errors.ts";
import { CAPABILITY_KEYS } from "../ledger/projections/capabilities.ts";
import { tagPart } from "../ledger/row.ts";

/** By tag. */
const KINDS = ["", "held", "actor"] as const;

const BY_KIND: Readonly<Record<string, (id: Uint8Array) => Uint8Array>> = {
  "": CAPABILITY_KEYS.one,
  held: CAPABILITY_KEYS.held,
  actor: CAPABILITY_KEYS.actor,
};

export const capabilityKeys = {
  /** Capabilities themselves: the others are kept for the rules. */
  prefix: tagPart(0),
  text(key: Uint8Array): string {
    const kind = KINDS[key[0] ?? -1] ?? "?";
    const id = toHex(key.subarray(1));
    return kind === "" ? id : `${kind}/${id}`;
  },
  parse(text: string): Result<Uint8Array> {
    const [, , kind = "", id] = /^(([a-z]+)\/)?([0-9a-f]{64})$/.exec(text) ?? [];
    const keyOf = BY_KIND[kind];
    return keyOf === undefined || id === undefined
      ? fail(
          "http.bad-parameter",
          "the key is the id of a capability, held/ACTOR for what an actor holds, or actor/ACTOR",
          { parameter: "key" },
        )
      : ok(keyOf(fromHex(id)));
  },
  /** The rows of one kind. */
  group: (text: string): Uint8Array | undefined => {
    const tag = (KINDS as readonly string[]).indexOf(text);
    return tag < 1 ? undefined : tagPart(tag);
  },
} as const;
