/** Who may be a validator: registered, left, jailed, rejoined. Each takes effect at an epoch's boundary. */
import { compareBytes, equalBytes, toHex } from "../../../crypto/bytes.ts";
import { utf8 } from "../../../crypto/codec.ts";
import type { Hasher } from "../../../crypto/hash.ts";
import { LIMITS } from "../../../limits.ts";
import { standingAfter } from "../../../proofs/stake/slashing.ts";
import { parseNodeAddress } from "../../address.ts";
import {
  type Decide,
  type OwnedEvent,
  own,
  type ProjectionRead,
  type ProjectionTx,
  type Refusal,
  refuse,
} from "../../projection.ts";
import type { Hash } from "../../types.ts";
import { checkpointPolicyOf } from "../../verify/checkpoint.ts";
import { noteKeyId } from "../../verify/note.ts";
import { forgetTurns } from "./downtime.ts";
import {
  type OfValidator,
  possessionMessage,
  type ValidatorJailed,
  type ValidatorRegistered,
  validatorJailed,
  validatorLeft,
  validatorRegistered,
  validatorRejoined,
} from "./events.ts";
import { unknownValidator } from "./movements.ts";
import {
  candidatesRow,
  dropIfGone,
  find,
  type Identity,
  identityRow,
  KEYS,
  NEW_STANDING,
  need,
  parametersOf,
  putStanding,
  type Standing,
  standingRow,
  takenRow,
} from "./rows.ts";

type Named = Pick<
  Identity,
  "name" | "publicKey" | "tlsPin" | "address" | "ed25519Key" | "mlDsa44Key"
>;

/** The names and ids of a validator's keys in a note. */
const noteKeysOf = (chainId: string, one: Named): readonly string[] =>
  checkpointPolicyOf({ chainId, validators: [{ ...one, weight: 1n }] })
    .members.flatMap(({ keys }) => Object.values(keys))
    .map((key) => `${noteKeyId(key)} of ${key.name}`);

/**
 * What no two validators may share, for good: a name, pin, address or key, and the 32 bits by which a note
 * names a key, which can be made to collide. As keys of rows.
 */
const takenKeys = (hasher: Hasher, one: Named): Uint8Array[] => [
  KEYS.taken(0, hasher.ht("validator/name", utf8(one.name))),
  KEYS.taken(1, one.tlsPin),
  KEYS.taken(2, hasher.ht("validator/address", utf8(one.address))),
  KEYS.taken(3, hasher.ht("validator/ed25519", one.ed25519Key)),
  KEYS.taken(4, hasher.ht("validator/ml-dsa-44", one.mlDsa44Key)),
  ...noteKeysOf(hasher.chainId, one).map((key) =>
    KEYS.taken(5, hasher.ht("validator/note-key", utf8(key))),
  ),
];

/** Writes the rows of a new candidate, but not the list of all. */
export const putCandidate = (
  tx: ProjectionTx,
  hasher: Hasher,
  id: Hash,
  identity: Identity,
  standing: Standing,
): void => {
  tx.put(KEYS.identity(id), identityRow.encode(identity));
  putStanding(tx, id, standing);
  for (const key of takenKeys(hasher, identity)) tx.put(key, takenRow.encode({ validator: id }));
};

const decideRegistered: Decide<ValidatorRegistered> = (read, value, context) => {
  const { hasher, actor, position } = context;
  // Else one batch could make every replica check thousands of signatures for the price of one.
  if (position >= LIMITS.registrationPositionsMax) {
    return refuse("event.invalid", "registrations stand in the first places of a batch");
  }
  const address = parseNodeAddress(value.address);
  if (!address.ok || address.value !== value.address) {
    return refuse("event.invalid", "not an IPv6 address and port in its canonical text");
  }
  const id = hasher.ht("id", value.publicKey);
  if (find(read, KEYS.identity(id), identityRow) !== undefined) {
    return refuse("event.conflict", `validator ${toHex(id)} is already registered`);
  }
  const { ids } = need(read, KEYS.candidates, candidatesRow);
  if (ids.length >= LIMITS.stakeCandidatesMax) {
    return refuse("stake.full", `there are ${ids.length} candidates already`);
  }
  if (takenKeys(hasher, value).some((key) => read.get(key) !== undefined)) {
    return refuse("event.conflict", "a name, pin, address or key is another validator's");
  }
  const message = possessionMessage(hasher, actor, value);
  return context.verifySignature(value.possession, message, value.publicKey)
    ? undefined
    : refuse("stake.possession", "the new key has not signed for this owner");
};

const registered = own(validatorRegistered, {
  decide: decideRegistered,
  apply: (tx, value, { hasher, actor, height }) => {
    const id = hasher.ht("id", value.publicKey);
    const identity = { ...value, owner: actor, registeredHeight: height };
    putCandidate(tx, hasher, id, identity, NEW_STANDING);
    const { ids } = need(tx, KEYS.candidates, candidatesRow);
    const all = [...ids, id].sort(compareBytes);
    tx.put(KEYS.candidates, candidatesRow.encode({ ids: all }));
  },
});

/** A candidate that its own owner acts for; else why not. */
const ownedBy = (
  read: ProjectionRead,
  id: Hash,
  actor: Hash,
): { readonly standing: Standing } | { readonly refusal: Refusal } => {
  const identity = find(read, KEYS.identity(id), identityRow);
  if (identity === undefined) return { refusal: unknownValidator(id) };
  return equalBytes(identity.owner, actor)
    ? { standing: need(read, KEYS.standing(id), standingRow) }
    : { refusal: refuse("event.forbidden", "only its owner speaks for a validator") };
};

const change = (tx: ProjectionTx, id: Hash, changes: Partial<Standing>): Standing => {
  const standing = { ...need(tx, KEYS.standing(id), standingRow), ...changes };
  putStanding(tx, id, standing);
  return standing;
};

const left = own(validatorLeft, {
  decide: (read, { validator }: OfValidator, { actor }) => {
    const found = ownedBy(read, validator, actor);
    if ("refusal" in found) return found.refusal;
    return found.standing.left ? refuse("event.conflict", "it has left already") : undefined;
  },
  apply: (tx, { validator }) => dropIfGone(tx, validator, change(tx, validator, { left: true })),
});

const jailed = own(validatorJailed, {
  resource: ({ validator }) => `validator/${toHex(validator)}`,
  decide: (read, { validator }: ValidatorJailed) => {
    const standing = find(read, KEYS.standing(validator), standingRow);
    if (standing === undefined) return unknownValidator(validator);
    return standing.tombstoned ? refuse("event.conflict", "it is ended for good") : undefined;
  },
  apply: (tx, { validator }, { timeMs }) => {
    const standing = need(tx, KEYS.standing(validator), standingRow);
    const until = standingAfter(parametersOf(tx), standing, { kind: "downtime" }, timeMs);
    change(tx, validator, { jailed: true, jailedUntilMs: until.jailedUntilMs });
  },
});

const rejoined = own(validatorRejoined, {
  decide: (read, { validator }: OfValidator, { actor, timeMs }) => {
    const found = ownedBy(read, validator, actor);
    if ("refusal" in found) return found.refusal;
    const { standing } = found;
    if (standing.tombstoned) return refuse("event.conflict", "it is ended for good");
    if (!standing.jailed && !standing.left) return refuse("event.conflict", "it is not away");
    const { ids } = need(read, KEYS.candidates, candidatesRow);
    if (!ids.some((id) => equalBytes(id, validator))) {
      return refuse("event.conflict", "it has left with all its stake: a new key can register");
    }
    return standing.jailed && timeMs < standing.jailedUntilMs
      ? refuse("stake.jailed", `until ${standing.jailedUntilMs}`)
      : undefined;
  },
  apply: (tx, { validator }) => {
    change(tx, validator, { left: false, jailed: false });
    forgetTurns(tx, validator);
  },
});

export const MEMBERSHIP: readonly OwnedEvent[] = [registered, left, jailed, rejoined];
