/** What an accusation in the log must be, from docs/protocol.md: read and checked by the oracle itself. */
import { FINALIZE, NOTARIZE, NULLIFY, SIGNATURE_BYTES, statementBytes } from "./decode.ts";
import { Cursor, hex } from "./oracle.ts";
import type { CheckContext } from "./types.ts";

type Signed = { readonly kind: number; readonly hash: string; readonly signature: Uint8Array };

const readSigned = (cursor: Cursor): Signed => ({
  kind: cursor.u8(),
  hash: hex(cursor.take(32)),
  signature: cursor.take(SIGNATURE_BYTES),
});

const excludes = (a: Signed, b: Signed): boolean => {
  const kinds = [a.kind, b.kind];
  if (kinds.includes(NULLIFY)) return kinds.includes(FINALIZE);
  return a.hash !== b.hash && (kinds.includes(NOTARIZE) || kinds.includes(FINALIZE));
};

/**
 * What is wrong with evidence that the log has accepted; undefined for two statements that exclude each other, both
 * signed with the accused's key of their epoch, and with no other key named. `keyOf`: that key.
 */
export const faultOfEvidence = (
  { chainId, verify, mark }: Pick<CheckContext, "chainId" | "verify" | "mark">,
  payload: Uint8Array,
  keyOf: (epoch: number) => Uint8Array,
): string | undefined => {
  const cursor = new Cursor(payload, 32);
  const [epoch, view] = [cursor.u64(), cursor.u64()];
  const pair = [readSigned(cursor), readSigned(cursor)] as const;
  if (!cursor.ok) return "the payload is cut short";
  const key = keyOf(epoch);
  const named = cursor.left === 0 ? undefined : hex(cursor.take(cursor.left));
  if (named !== undefined && named !== hex(key)) return `a key that is not of epoch ${epoch}`;
  if (!excludes(...pair)) return "statements that do not exclude each other";
  const isSigned = pair.every(({ kind, hash, signature }) =>
    verify(key, statementBytes(chainId, { epoch, view, kind, hash }), signature),
  );
  if (!isSigned) return `a statement that its key of epoch ${epoch} has not signed`;
  if (named !== undefined && epoch > 0) mark("evidence with a key of a later epoch");
  return undefined;
};
