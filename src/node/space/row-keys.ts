/** How people name the rows of the projection `space`. */
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { fail, ok, type Result } from "../../errors.ts";
import {
  PARAMETERS_KEY,
  proverKey,
  proversPrefix,
  sectorKey,
} from "../../ledger/projections/space/index.ts";
import { KeyReader } from "../../ledger/row.ts";

const KEY = /^([0-9a-f]{64})(?:\/(0|[1-9][0-9]{0,15}))?$/;

/** The id of a validator is what it has, ID/NUMBER one of its sectors, "parameters" those of the chain. */
export const spaceKeys = {
  prefix: proversPrefix,
  text(key: Uint8Array): string {
    const reader = new KeyReader(key);
    const tag = reader.tag();
    if (tag === 0) return "parameters";
    const id = toHex(reader.hash());
    return tag === 1 ? id : `${id}/${reader.u64()}`;
  },
  parse(text: string): Result<Uint8Array> {
    if (text === "parameters") return ok(PARAMETERS_KEY);
    const [, id, number] = KEY.exec(text) ?? [];
    const detail = 'the key is the id of a validator, ID/NUMBER for a sector, or "parameters"';
    if (id === undefined) return fail("http.bad-parameter", detail, { parameter: "key" });
    if (number === undefined) return ok(proverKey(fromHex(id)));
    return Number.isSafeInteger(Number(number))
      ? ok(sectorKey(fromHex(id), Number(number)))
      : fail("http.bad-parameter", detail, { parameter: "key" });
  },
} as const;
