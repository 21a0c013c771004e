/** Events of stake and of who is a validator. Payload encodings are part of the protocol. */
import { Writer } from "../../../crypto/codec.ts";
import type { Hasher } from "../../../crypto/hash.ts";
import { LIMITS } from "../../../limits.ts";
import { defineEvent, type EventValue, field, LINE_TEXT } from "../../event-schema.ts";
import type { Hash } from "../../types.ts";

/** Brings stake into being, as the free stake of an actor. Who may write it decides what stake means. */
export const stakeGranted = defineEvent({
  type: "stake.granted",
  version: 1,
  fields: [field.hash("to"), field.u64big("amount")],
});
export type StakeGranted = EventValue<typeof stakeGranted>;

const ofValidator = [field.hash("validator"), field.u64big("amount")] as const;

/** By a validator's owner: free stake becomes the validator's own bond. */
export const stakeBonded = defineEvent({ type: "stake.bonded", version: 1, fields: ofValidator });

/** By anybody else: free stake becomes power, and liability, of a validator. */
export const stakeDelegated = defineEvent({
  type: "stake.delegated",
  version: 1,
  fields: ofValidator,
});

/** By whoever bonded or delegated: the amount counts in no further set and begins to leave. */
export const stakeUnbonded = defineEvent({
  type: "stake.unbonded",
  version: 1,
  fields: ofValidator,
});
export type StakeMoved = EventValue<typeof stakeBonded>;

/** Takes whatever of the author's stake has left this validator for long enough. */
export const stakeWithdrawn = defineEvent({
  type: "stake.withdrawn",
  version: 1,
  fields: [field.hash("validator")],
});

/** As in the genesis: checkpoints name their signers by it. */
const VALIDATOR_NAME = /^[a-z0-9]+([.-][a-z0-9]+)*$/;

/** Who a validator is: all that the genesis says of one but the stake. */
const identity = [
  field.string("name", LIMITS.nameBytesMax, VALIDATOR_NAME),
  field.fixed("publicKey", LIMITS.falconPublicKeyBytes),
  field.hash("tlsPin"),
  /** "[ipv6]:port" in its canonical text. */
  field.string("address", LIMITS.addressBytesMax, LINE_TEXT),
  field.fixed("ed25519Key", LIMITS.ed25519PublicKeyBytes),
  field.fixed("mlDsa44Key", LIMITS.mlDsa44PublicKeyBytes),
] as const;

/**
 * By the owner-to-be. `possession` is the new validator's FALCON signature over `possessionMessage`, so that
 * nobody registers a key that is another's, and no key is bound to an owner without its own consent.
 */
export const validatorRegistered = defineEvent({
  type: "validator.registered",
  version: 1,
  fields: [...identity, field.fixed("possession", LIMITS.falconSignatureBytes)],
});
export type ValidatorRegistered = EventValue<typeof validatorRegistered>;

/**
 * Ht("validator/possession", owner(32) || u32 length || name   u32 length || publicKey   tlsPin(32)   u32 length ||
 * address   u32 length || ed25519Key   u32 length || mlDsa44Key): what the key of a new validator signs.
 */
export const possessionMessage = (
  hasher: Hasher,
  owner: Hash,
  value: Omit<ValidatorRegistered, "possession">,
): Hash => {
  const writer = new Writer(4096).hash(owner).string(value.name).bytes(value.publicKey);
  writer.hash(value.tlsPin).string(value.address).bytes(value.ed25519Key).bytes(value.mlDsa44Key);
  return hasher.ht("validator/possession", writer.finish());
};

const one = [field.hash("validator")] as const;

/** By the owner: the validator is in no further set, and stays bonded until that is unbonded. */
export const validatorLeft = defineEvent({ type: "validator.left", version: 1, fields: one });

/** By an actor whom the chain trusts with it: the validator is in no further set until it rejoins. */
export const validatorJailed = defineEvent({
  type: "validator.jailed",
  version: 1,
  fields: [field.hash("validator"), field.string("reason", LIMITS.jailReasonBytesMax, LINE_TEXT)],
});
export type ValidatorJailed = EventValue<typeof validatorJailed>;

/** By the owner: back from jail once its time is over, or from having left. */
export const validatorRejoined = defineEvent({
  type: "validator.rejoined",
  version: 1,
  fields: one,
});
export type OfValidator = EventValue<typeof validatorRejoined>;
