/** A validator set as the main store keeps it (s/epoch). Local storage; what is agreed is the set's hash. */
import { DecodeError, Reader, Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { fail, ok, type Result, TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { validatorSetKey } from "../keys.ts";
import type { ReadStore } from "../records.ts";
import type { Validator, ValidatorSet } from "../types.ts";
import { createValidatorSet } from "../validator-set.ts";

export const encodeValidatorSet = (set: ValidatorSet): Uint8Array => {
  const writer = new Writer(2048 * set.validators.length + 16);
  writer.u64(set.epoch).u16(set.validators.length);
  for (const validator of set.validators) {
    writer.hash(validator.id).string(validator.name).bytes(validator.publicKey);
    writer.u64big(validator.weight).hash(validator.tlsPin).string(validator.address);
  }
  return writer.finish();
};

/** Codes: encoding.malformed, and those of createValidatorSet. */
export const decodeValidatorSet = (hasher: Hasher, bytes: Uint8Array): Result<ValidatorSet> => {
  try {
    const reader = new Reader(bytes.slice());
    const epoch = reader.u64();
    const validators: Validator[] = [];
    for (let left = reader.u16(); left > 0; left--) {
      validators.push({
        id: reader.hash(),
        name: reader.string(LIMITS.nameBytesMax),
        publicKey: reader.bytes(LIMITS.falconPublicKeyBytes),
        weight: reader.u64big(),
        tlsPin: reader.hash(),
        address: reader.string(LIMITS.addressBytesMax),
      });
    }
    reader.end();
    return ok(createValidatorSet(hasher, epoch, validators, { rotates: true }));
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) {
      return fail("encoding.malformed", error.message);
    }
    throw error;
  }
};

/** The set of an epoch as the main store has it; undefined where none is. Throws "store.corrupt". */
export const storedValidatorSet = (
  hasher: Hasher,
  read: ReadStore,
  epoch: number,
): ValidatorSet | undefined => {
  const bytes = read(validatorSetKey(epoch));
  if (bytes === undefined) return undefined;
  const set = decodeValidatorSet(hasher, bytes);
  if (set.ok) return set.value;
  throw new TetradError("store.corrupt", `validator set of epoch ${epoch}: ${set.detail}`);
};
