/** How people name the rows of the projections `certificates` and `ct`. */
import {
  certificateKey,
  certificatesPrefix,
  ctEntriesPrefix,
  ctEntryKey,
  ctIndexKey,
  ctTreeKey,
  domainPrefix,
  issuerKey,
  nameKey,
  plainName,
  serialKey,
  settledKey,
} from "../../ca/index.ts";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { KeyReader } from "../../ledger/row.ts";

const badKey = (detail: string): Result<never> =>
  fail("http.bad-parameter", `the key ${detail}`, { parameter: "key" });

const ID = /^[0-9a-f]{64}$/;
const INDEX = /^(0|[1-9][0-9]{0,15})$/;
const NAME_CHARACTERS_MAX = 253;

const isIndex = (text: string): boolean => INDEX.test(text) && Number.isSafeInteger(Number(text));

/** Rows without a name of their own: bookkeeping. */
const rawKey = (key: Uint8Array): string => `row/${toHex(key)}`;

/**
 * A fingerprint is a certificate; issuer/ID, request/INDEX, serial/ISSUER/SERIAL and name/NAME/FINGERPRINT
 * are the others.
 */
export const certificateKeys = {
  prefix: certificatesPrefix,
  text(key: Uint8Array): string {
    const reader = new KeyReader(key);
    const tag = reader.tag();
    if (tag === 0) return `issuer/${toHex(reader.hash())}`;
    if (tag === 2) return `request/${reader.u64()}`;
    if (tag === 3) return toHex(reader.hash());
    if (tag === 4) return `serial/${toHex(reader.hash())}/${reader.text()}`;
    if (tag === 5) return `name/${plainName(reader.text())}/${toHex(reader.hash())}`;
    return rawKey(key);
  },
  parse(text: string): Result<Uint8Array> {
    if (ID.test(text)) return ok(certificateKey(fromHex(text)));
    const [kind, first = "", second = "", ...rest] = text.split("/");
    if (rest.length === 0) {
      if (kind === "issuer" && ID.test(first) && second === "")
        return ok(issuerKey(fromHex(first)));
      if (kind === "request" && isIndex(first) && second === "") {
        return ok(settledKey(Number(first)));
      }
      if (kind === "serial" && ID.test(first) && /^([0-9A-F]{2}){1,20}$/.test(second)) {
        return ok(serialKey(fromHex(first), second));
      }
      if (kind === "name" && /^[a-z0-9.:-]+$/.test(first) && ID.test(second)) {
        if (first.length <= NAME_CHARACTERS_MAX) return ok(nameKey(first, fromHex(second)));
      }
      if (kind === "row" && /^([0-9a-f]{2}){1,512}$/.test(first) && second === "") {
        return ok(fromHex(first));
      }
    }
    return badKey(
      "is a fingerprint, issuer/ID, request/INDEX, serial/ISSUER/SERIAL or name/NAME/ID",
    );
  },
  /** A domain selects its own names and those below it. */
  group: (text: string): Uint8Array => domainPrefix(text.toLowerCase().slice(0, 512)),
} as const;

/** An index is an entry, "tree" the tree; a fingerprint gives the index. */
export const ctKeys = {
  prefix: ctEntriesPrefix,
  text(key: Uint8Array): string {
    const reader = new KeyReader(key);
    const tag = reader.tag();
    if (tag === 0) return "tree";
    return tag === 1 ? String(reader.u64()) : toHex(reader.hash());
  },
  parse(text: string): Result<Uint8Array> {
    if (text === "tree") return ok(ctTreeKey);
    if (isIndex(text)) return ok(ctEntryKey(Number(text)));
    if (ID.test(text)) return ok(ctIndexKey(fromHex(text)));
    return badKey('is the index of an entry, "tree", or the fingerprint of a certificate');
  },
} as const;
