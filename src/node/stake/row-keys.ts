/** How people name the rows of the projection `stake`: the kind of row, a slash, and whose it is. */
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { KEYS } from "../../ledger/projections/stake/rows.ts";
import { KeyReader, tagPart } from "../../ledger/row.ts";

/** By tag. */
const KINDS = [
  "parameters",
  "totals",
  "account",
  "validator",
  "standing",
  "candidates",
  "taken",
  "epoch",
] as const;

const BY_ID: Readonly<Record<string, (id: Uint8Array) => Uint8Array>> = {
  account: KEYS.account,
  validator: KEYS.identity,
  standing: KEYS.standing,
};

const refused = (parameter: "key" | "prefix"): Result<never> =>
  fail(
    "http.bad-parameter",
    "of stake there are account/ID, validator/ID, standing/ID, epoch/NUMBER, parameters, totals, candidates",
    { parameter },
  );

export const stakeKeys = {
  prefix: new Uint8Array(0),
  text(key: Uint8Array): string {
    const reader = new KeyReader(key);
    const tag = reader.tag();
    const kind = KINDS[tag] ?? "?";
    if (kind === "epoch") return `epoch/${reader.u64()}`;
    return key.length === 1 ? kind : `${kind}/${toHex(key.subarray(1))}`;
  },
  parse(text: string): Result<Uint8Array> {
    if (text === "parameters") return ok(KEYS.parameters);
    if (text === "totals") return ok(KEYS.totals);
    if (text === "candidates") return ok(KEYS.candidates);
    const epoch = /^epoch\/(0|[1-9][0-9]{0,15})$/.exec(text)?.[1];
    if (epoch !== undefined && Number.isSafeInteger(Number(epoch)))
      return ok(KEYS.epoch(Number(epoch)));
    const [, kind = "", id = ""] = /^([a-z]+)\/([0-9a-f]{64})$/.exec(text) ?? [];
    const keyOf = BY_ID[kind];
    return keyOf === undefined ? refused("key") : ok(keyOf(fromHex(id)));
  },
  /** The rows of one kind. */
  group: (text: string): Uint8Array | undefined => {
    const tag = (KINDS as readonly string[]).indexOf(text);
    return tag < 0 ? undefined : tagPart(tag);
  },
} as const;
