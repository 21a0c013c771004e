/** Members of the sets of a chain that does not run, with the keys that sign checkpoints. */
import { utf8 } from "../../src/crypto/codec.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { identityRow, KEYS } from "../../src/ledger/projections/stake/rows.ts";
import type { ValidatorSet } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";

type Row = { readonly key: Uint8Array; readonly value: Uint8Array };

/** Keys that name whose they are. */
export const keyBytes = (what: string, length: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  bytes.set(sha256(utf8(what)));
  return bytes;
};

/** Rows of the members of these sets, as the projection `stake` has them. */
export const identities = (sets: readonly ValidatorSet[]): Row[] =>
  sets
    .flatMap(({ epoch, validators }) =>
      validators.map((validator, i) => ({
        key: KEYS.identity(validator.id),
        value: identityRow.encode({
          ...validator,
          name: `v${i}-${epoch}`,
          ed25519Key: keyBytes(`ed ${i} ${epoch}`, LIMITS.ed25519PublicKeyBytes),
          mlDsa44Key: keyBytes(`ml ${i} ${epoch}`, LIMITS.mlDsa44PublicKeyBytes),
          owner: validator.id,
          registeredHeight: 0,
        }),
      })),
    )
    .sort((a, b) => Buffer.compare(a.key, b.key));
