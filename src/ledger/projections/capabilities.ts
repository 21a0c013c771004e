/**
 * Capabilities: a right that its holder may pass on, or a part of it, without anybody's leave, and that
 * whoever gave it may take back. They stand beside the permissions that an actor was registered with: an
 * event that those do not allow is allowed where a live capability of its author covers its type and the
 * resource that it is about.
 *
 * Rules:
 * - A root capability is given by an actor whose own permissions cover it. Any other comes from one that
 *   its giver holds, and is no wider: actions, resource and end lie within those of its parent, which must
 *   allow to be passed on, at most LIMITS.capabilityDepthMax times.
 * - It is live as long as ledger time is not past its end, neither it nor an ancestor was taken back, and
 *   neither its holder nor a giver on the way to the root was revoked.
 * - It is taken back by the giver of it or of an ancestor. That is for good.
 *
 * The id is Ht("cap", batch id || u32 position): its giver knows it before the batch is sent.
 *
 * Rows: tag 0, id -> one capability; tag 1, actor -> ids that it holds; tag 2, actor -> permissions and
 * whether it was revoked. The last are a copy of what `actors` knows, by its events: a projection reads
 * its own rows only.
 */
import { isZero, toHex } from "../../crypto/bytes.ts";
import { Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { LIMITS } from "../../limits.ts";
import { field } from "../event-schema.ts";
import type { Genesis } from "../genesis.ts";
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
import { defineRow, hashPart, keyOf, tagPart } from "../row.ts";
import type { CapabilityUse } from "../runner.ts";
import type { Hash } from "../types.ts";
import {
  actorRegistered,
  actorRevoked,
  type CapabilityGranted,
  type CapabilityRevoked,
  capabilityGranted,
  capabilityRevoked,
} from "./events.ts";
import {
  anyCovers,
  canonical,
  isCanonical,
  JOINED_PERMISSIONS,
  validatorPermissions,
} from "./permissions.ts";
import { validatorRegistered } from "./stake/events.ts";

const NAME = "capabilities";
const ONE = tagPart(0);
const HELD = tagPart(1);
const ACTOR = tagPart(2);

const actionsField = field.list(
  "actions",
  LIMITS.capabilityActionsMax,
  field.string("action", LIMITS.eventTypeBytesMax),
);

const capabilityRow = defineRow(
  field.hash("granter"),
  field.hash("holder"),
  field.hash("parent"),
  /** 1 for a root. */
  field.u8("depth"),
  field.bool("delegable"),
  field.u64("notAfterMs"),
  field.u64("grantedHeight"),
  /** 0 while it has not been taken back. */
  field.u64("revokedHeight"),
  actionsField,
  field.string("resource", LIMITS.resourceBytesMax),
);

export type Capability = ReturnType<typeof capabilityRow.decode>;

const heldRow = defineRow(field.list("ids", LIMITS.capabilitiesHeldMax, field.hash("id")));

const actorRow = defineRow(
  field.bool("revoked"),
  field.list(
    "permissions",
    // A validator that is also an actor of the genesis holds those of a validator too.
    LIMITS.permissionsMax + 8,
    field.string("permission", LIMITS.eventTypeBytesMax),
  ),
);

/** Keys of the rows. */
export const CAPABILITY_KEYS: Readonly<Record<"one" | "held" | "actor", (id: Hash) => Uint8Array>> =
  {
    one: (id) => keyOf(ONE, hashPart(id)),
    held: (actor) => keyOf(HELD, hashPart(actor)),
    actor: (actor) => keyOf(ACTOR, hashPart(actor)),
  };

const { one: oneKey, held: heldKey, actor: actorKey } = CAPABILITY_KEYS;

const capabilityOf = (read: ProjectionRead, id: Hash): Capability | undefined => {
  const row = read.get(oneKey(id));
  return row === undefined ? undefined : capabilityRow.decode(row);
};

const heldBy = (read: ProjectionRead, actor: Hash): readonly Hash[] => {
  const row = read.get(heldKey(actor));
  return row === undefined ? [] : heldRow.decode(row).ids;
};

const actorOf = (read: ProjectionRead, actor: Hash) => {
  const row = read.get(actorKey(actor));
  return row === undefined ? undefined : actorRow.decode(row);
};

/** The id of the capability that an event at this place of a batch gives. */
export const capabilityId = (hasher: Hasher, batchId: Hash, position: number): Hash =>
  hasher.ht("cap", new Writer(36).hash(batchId).u32(position).finish());

/**
 * Whether everything that `narrow` names lies within `wide`: "" is everything, a text with a slash at its
 * end everything that begins with it, and anything else one resource.
 */
export const resourceCovers = (wide: string, narrow: string): boolean =>
  wide === "" || wide === narrow || (wide.endsWith("/") && narrow.startsWith(wide));

/** The way to the root while it is live; undefined where something on it is not. */
const liveChain = (
  read: ProjectionRead,
  id: Hash,
  timeMs: number,
): readonly Capability[] | undefined => {
  const chain: Capability[] = [];
  let next = id;
  while (!isZero(next)) {
    const one = capabilityOf(read, next);
    if (one === undefined || one.revokedHeight !== 0 || timeMs > one.notAfterMs) return undefined;
    // Whoever was revoked neither uses what it holds nor stands behind what it gave.
    const holder = chain.length === 0 ? actorOf(read, one.holder) : undefined;
    if (holder?.revoked === true || actorOf(read, one.granter)?.revoked !== false) return undefined;
    chain.push(one);
    if (chain.length > LIMITS.capabilityDepthMax) return undefined;
    next = one.parent;
  }
  return chain;
};

const FORBIDDEN = (detail: string): Refusal => refuse("event.forbidden", detail);

/** Whether the giver may give this, and at which depth it then stands. */
const decideSource = (
  read: ProjectionRead,
  value: CapabilityGranted,
  actor: Hash,
  timeMs: number,
): Refusal | undefined => {
  const { actions, resource, notAfterMs } = value;
  if (isZero(value.parent)) {
    const held = actorOf(read, actor);
    const beyond = actions.find((action) => !anyCovers(held?.permissions ?? [], action));
    return beyond === undefined ? undefined : FORBIDDEN(`may not grant ${beyond}`);
  }
  const chain = liveChain(read, value.parent, timeMs);
  const parent = chain?.[0];
  if (chain === undefined || parent === undefined || toHex(parent.holder) !== toHex(actor)) {
    return FORBIDDEN(`holds no live capability ${toHex(value.parent)}`);
  }
  if (!parent.delegable) return FORBIDDEN("the capability may not be passed on");
  if (chain.length >= LIMITS.capabilityDepthMax) {
    return FORBIDDEN(`passed on ${LIMITS.capabilityDepthMax} times already`);
  }
  const beyond = actions.find((action) => !anyCovers(parent.actions, action));
  if (beyond !== undefined) return FORBIDDEN(`may not grant ${beyond}`);
  if (!resourceCovers(parent.resource, resource)) return FORBIDDEN("the resource is wider");
  return notAfterMs > parent.notAfterMs ? FORBIDDEN("it would outlive its parent") : undefined;
};

/** What the holder would hold besides: what has ended makes room. */
const liveHeld = (read: ProjectionRead, holder: Hash, timeMs: number): readonly Hash[] =>
  heldBy(read, holder).filter((id) => liveChain(read, id, timeMs) !== undefined);

const decideGranted: Decide<CapabilityGranted> = (read, value, { actor, timeMs }) => {
  if (value.actions.length === 0 || !isCanonical(value.actions)) {
    return refuse("event.invalid", "actions must be patterns in ascending order");
  }
  if (value.notAfterMs < timeMs) return refuse("event.invalid", "it has ended already");
  const holder = actorOf(read, value.holder);
  if (holder === undefined || holder.revoked) {
    return refuse("event.conflict", `no actor ${toHex(value.holder)} to hold it`);
  }
  const refusal = decideSource(read, value, actor, timeMs);
  if (refusal !== undefined) return refusal;
  return liveHeld(read, value.holder, timeMs).length < LIMITS.capabilitiesHeldMax
    ? undefined
    : refuse("event.conflict", `the holder has ${LIMITS.capabilitiesHeldMax} capabilities`);
};

const applyGranted: Apply<CapabilityGranted> = (tx, value, context) => {
  const { hasher, batchId, position, actor, height, timeMs } = context;
  const id = capabilityId(hasher, batchId, position);
  const depth = isZero(value.parent) ? 1 : (capabilityOf(tx, value.parent)?.depth ?? 0) + 1;
  const row = { ...value, granter: actor, depth, grantedHeight: height, revokedHeight: 0 };
  const ids = [...liveHeld(tx, value.holder, timeMs), id];
  tx.put(oneKey(id), capabilityRow.encode(row));
  tx.put(heldKey(value.holder), heldRow.encode({ ids }));
};

const decideRevoked: Decide<CapabilityRevoked> = (read, value, { actor }) => {
  const first = capabilityOf(read, value.capability);
  if (first === undefined || first.revokedHeight !== 0) {
    return refuse("event.conflict", `no capability ${toHex(value.capability)} to take back`);
  }
  for (let one: Capability | undefined = first; one !== undefined; ) {
    if (toHex(one.granter) === toHex(actor)) return undefined;
    one = capabilityOf(read, one.parent);
  }
  return FORBIDDEN("only who gave it, or what it comes from, takes it back");
};

const applyRevoked: Apply<CapabilityRevoked> = (tx, { capability }, { height }) => {
  const row = capabilityOf(tx, capability);
  if (row === undefined) throw new RangeError("revoked capability is not there");
  tx.put(oneKey(capability), capabilityRow.encode({ ...row, revokedHeight: height }));
};

const writeGenesis = (tx: ProjectionTx, genesis: Genesis): void => {
  const held = new Map<string, { readonly id: Hash; readonly permissions: readonly string[] }>();
  for (const { id, permissions } of genesis.actors) held.set(toHex(id), { id, permissions });
  for (const { id } of genesis.validators) {
    const permissions = [
      ...(held.get(toHex(id))?.permissions ?? []),
      ...validatorPermissions(genesis.proofs),
    ];
    held.set(toHex(id), { id, permissions });
  }
  for (const { id, permissions } of held.values()) {
    tx.put(actorKey(id), actorRow.encode({ revoked: false, permissions: canonical(permissions) }));
  }
};

/**
 * Whether a live capability of the author allows the event. What gives and takes capabilities is open to
 * every actor that was not revoked: its own rules say how far that goes.
 */
export const capabilityAllows = (read: ProjectionRead, use: CapabilityUse): boolean => {
  const { actor, type, resource, timeMs } = use;
  if (actorOf(read, actor)?.revoked !== false) return false;
  if (type === capabilityGranted.type || type === capabilityRevoked.type) return true;
  return heldBy(read, actor).some((id) => {
    const one = capabilityOf(read, id);
    if (one === undefined || !anyCovers(one.actions, type)) return false;
    if (!resourceCovers(one.resource, resource)) return false;
    return liveChain(read, id, timeMs) !== undefined;
  });
};

export const capabilities: Projection = defineProjection({
  name: NAME,
  schemaVersion: 1,
  owns: [
    own(capabilityGranted, { decide: decideGranted, apply: applyGranted }),
    own(capabilityRevoked, { decide: decideRevoked, apply: applyRevoked }),
  ],
  listens: [
    listen(actorRegistered, (tx, { publicKey, permissions }, { hasher }) => {
      const id = hasher.ht("id", publicKey);
      tx.put(actorKey(id), actorRow.encode({ revoked: false, permissions }));
    }),
    listen(actorRevoked, (tx, { actor }) => {
      const permissions = actorOf(tx, actor)?.permissions ?? [];
      tx.put(actorKey(actor), actorRow.encode({ revoked: true, permissions }));
    }),
    listen(validatorRegistered, (tx, { publicKey }, { hasher }) => {
      const id = hasher.ht("id", publicKey);
      const known = actorOf(tx, id) ?? { revoked: false, permissions: [] };
      const permissions = canonical([...known.permissions, ...JOINED_PERMISSIONS]);
      tx.put(actorKey(id), actorRow.encode({ ...known, permissions }));
    }),
  ],
  genesis: writeGenesis,
  format: (key, value) => {
    const id = toHex(key.subarray(1));
    if (key[0] === 1) return { holder: id, capabilities: heldRow.decode(value).ids.map(toHex) };
    if (key[0] === 2) {
      const { revoked, permissions } = actorRow.decode(value);
      return { actor: id, revoked, permissions: [...permissions] };
    }
    const row = capabilityRow.decode(value);
    return {
      capability: id,
      granter: toHex(row.granter),
      holder: toHex(row.holder),
      parent: isZero(row.parent) ? null : toHex(row.parent),
      depth: row.depth,
      delegable: row.delegable,
      actions: [...row.actions],
      resource: row.resource,
      notAfterMs: row.notAfterMs,
      grantedHeight: row.grantedHeight,
      revokedHeight: row.revokedHeight === 0 ? null : row.revokedHeight,
    };
  },
});
