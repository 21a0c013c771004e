/**
 * Who may write what. Rows: actor id -> key, name, permissions, when registered and when revoked.
 *
 * Rules: an id is the hash of its key, so keys never change and a revoked actor never returns. Nobody
 * grants more than they hold, and nobody revokes an actor who holds more. Every validator of the genesis
 * is an actor that may write evidence with its node key, so that misbehaviour can be reported without
 * anybody's leave; where the genesis also lists that key as an actor, it holds both.
 */
import { toHex } from "../../crypto/bytes.ts";
import { LIMITS } from "../../limits.ts";
import { field } from "../event-schema.ts";
import type { Genesis } from "../genesis.ts";
import type { GenesisProofs } from "../genesis-proofs.ts";
import {
  type Apply,
  type Decide,
  defineProjection,
  listen,
  own,
  type Projection,
  type ProjectionRead,
  type ProjectionTx,
  type Refusal,
  refuse,
} from "../projection.ts";
import type { ReadStore } from "../records.ts";
import { defineRow, hashPart, readRow } from "../row.ts";
import type { Permissions } from "../runner.ts";
import type { Hash } from "../types.ts";
import type { ActorKey } from "../validity.ts";
import { capabilityAllows } from "./capabilities.ts";
import {
  type ActorRegistered,
  type ActorRevoked,
  actorRegistered,
  actorRevoked,
} from "./events.ts";
import {
  anyCovers,
  canonical,
  isCanonical,
  JOINED_PERMISSIONS,
  joinedPermissions,
  VALIDATOR_PERMISSIONS_MAX,
  validatorPermissions,
} from "./permissions.ts";
import { type ValidatorRegistered, validatorRegistered } from "./stake/events.ts";

const NAME = "actors";

/** Actors that the genesis gives; revokedHeight 0 means not revoked (height 0 holds no events). */
const actorRow = defineRow(
  field.u64("registeredHeight"),
  field.u64("revokedHeight"),
  field.fixed("publicKey", LIMITS.falconPublicKeyBytes),
  field.string("name", LIMITS.nameBytesMax),
  field.list(
    "permissions",
    // A validator that is also an actor of the genesis holds those of a validator too.
    LIMITS.permissionsMax + VALIDATOR_PERMISSIONS_MAX,
    field.string("permission", LIMITS.eventTypeBytesMax),
  ),
);

export type Actor = ReturnType<typeof actorRow.decode>;

/** An actor from the bytes of its row. Throws "store.corrupt". */
export const decodeActor = (row: Uint8Array): Actor => actorRow.decode(row);

/** Whether an actor may write events of this type now. */
export const mayWrite = (
  actor: Pick<Actor, "permissions" | "revokedHeight">,
  eventType: string,
): boolean => actor.revokedHeight === 0 && anyCovers(actor.permissions, eventType);

const UNKNOWN: Refusal = refuse("event.unknown-actor", "the actor is not registered");

/** The rule that the executor checks before it asks an event's owner. */
export const actorPermissions: Permissions = {
  projection: NAME,
  capabilities: { projection: "capabilities", allows: capabilityAllows },
  rule: (row) => {
    if (row === undefined) return () => UNKNOWN;
    const actor = actorRow.decode(row);
    const answers = new Map<string, Refusal | undefined>();
    return (type) => {
      if (!answers.has(type)) {
        const allowed = mayWrite(actor, type);
        answers.set(type, allowed ? undefined : refuse("event.forbidden", `may not write ${type}`));
      }
      return answers.get(type);
    };
  },
};

const find = (read: ProjectionRead, id: Hash): Actor | undefined => {
  const row = read.get(hashPart(id));
  return row === undefined ? undefined : actorRow.decode(row);
};

/** The author's own permissions: the executor has let it pass, so it is there. */
const heldBy = (read: ProjectionRead, id: Hash): readonly string[] =>
  find(read, id)?.permissions ?? [];

const decideRegistered: Decide<ActorRegistered> = (read, value, context) => {
  if (!isCanonical(value.permissions)) {
    return refuse("event.invalid", "permissions must be patterns in ascending order");
  }
  const held = heldBy(read, context.actor);
  const beyond = value.permissions.find((permission) => !anyCovers(held, permission));
  if (beyond !== undefined) return refuse("event.forbidden", `may not grant ${beyond}`);
  const id = context.hasher.ht("id", value.publicKey);
  return find(read, id) === undefined
    ? undefined
    : refuse("event.conflict", `actor ${toHex(id)} is already registered`);
};

const decideRevoked: Decide<ActorRevoked> = (read, value, context) => {
  const target = find(read, value.actor);
  if (target === undefined || target.revokedHeight !== 0) {
    return refuse("event.conflict", `no actor ${toHex(value.actor)} to revoke`);
  }
  const held = heldBy(read, context.actor);
  const beyond = target.permissions.find((permission) => !anyCovers(held, permission));
  if (beyond !== undefined) return refuse("event.forbidden", `may not revoke ${beyond}`);
  return undefined;
};

const writeGenesis = (tx: ProjectionTx, genesis: Genesis): void => {
  const rows = new Map<string, Actor & { readonly id: Hash }>();
  for (const { id, publicKey, name, permissions } of genesis.actors) {
    const fixed = { id, publicKey, name, registeredHeight: 0, revokedHeight: 0 };
    rows.set(toHex(id), { ...fixed, permissions: canonical(permissions) });
  }
  const held = validatorPermissions(genesis.proofs);
  for (const { id, publicKey, name } of genesis.validators) {
    const listed = rows.get(toHex(id));
    const permissions = canonical([...(listed?.permissions ?? []), ...held]);
    const fixed = { id, publicKey, registeredHeight: 0, revokedHeight: 0 };
    rows.set(toHex(id), { ...fixed, name: listed?.name ?? name, permissions });
  }
  for (const row of rows.values()) tx.put(hashPart(row.id), actorRow.encode(row));
};

export const actors: Projection = defineProjection({
  name: NAME,
  schemaVersion: 1,
  owns: [
    own(actorRegistered, {
      decide: decideRegistered,
      apply: (tx, { publicKey, name, permissions }, { hasher, height }) => {
        const row = { publicKey, name, permissions, registeredHeight: height, revokedHeight: 0 };
        tx.put(hasher.ht("id", publicKey), actorRow.encode(row));
      },
    }),
    own(actorRevoked, {
      decide: decideRevoked,
      apply: (tx, value, { height }) => {
        const row = find(tx, value.actor);
        if (row === undefined) throw new RangeError("revoked actor is not registered");
        tx.put(hashPart(value.actor), actorRow.encode({ ...row, revokedHeight: height }));
      },
    }),
  ],
  genesis: writeGenesis,
  format: (key, value) => {
    const { name, permissions, registeredHeight, revokedHeight } = actorRow.decode(value);
    const revoked = revokedHeight === 0 ? null : revokedHeight;
    return {
      actor: toHex(key),
      name,
      permissions: [...permissions],
      registeredHeight,
      revokedHeight: revoked,
    };
  },
});

/** A validator that registers becomes an actor, so that its node can write evidence and its own proofs. */
const onValidator =
  (joined: readonly string[]): Apply<ValidatorRegistered> =>
  (tx, { publicKey, name }, { hasher, height }) => {
    const id = hasher.ht("id", publicKey);
    const known = find(tx, id) ?? {
      ...{ publicKey, name, registeredHeight: height, revokedHeight: 0 },
      permissions: [],
    };
    const permissions = canonical([...known.permissions, ...joined]);
    tx.put(id, actorRow.encode({ ...known, permissions }));
  };

/** The actors of a chain on which validators join. */
export const actorsOfStake: Projection = defineProjection({
  ...actors,
  listens: [listen(validatorRegistered, onValidator(JOINED_PERMISSIONS))],
});

/** The same where such a chain asks for more than proofs: keys of epochs, places. */
export const actorsOfJoining = (proofs: GenesisProofs): Projection =>
  defineProjection({
    ...actors,
    listens: [listen(validatorRegistered, onValidator(joinedPermissions(proofs)))],
  });

/** An actor as the store has it. Throws "store.corrupt". */
export const actorAt = (read: ReadStore, id: Hash): Actor | undefined => {
  const row = readRow(read, NAME, hashPart(id));
  return row === undefined ? undefined : actorRow.decode(row.value);
};

/**
 * Key of an actor and the height since which batches may be signed with it; a revoked actor keeps its
 * key, because what it wrote before must still verify. Throws "store.corrupt".
 */
export const actorKeyAt = (read: ReadStore, id: Hash): ActorKey | undefined => {
  const actor = actorAt(read, id);
  if (actor === undefined) return undefined;
  return { publicKey: actor.publicKey, registeredHeight: actor.registeredHeight };
};
