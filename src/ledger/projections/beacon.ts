/**
 * Whose values make the beacon: the iVRF keys of validators. Rows: tag 0 -> the depth of every key of the
 * chain; tag 1, id -> the keys of one validator that have not run out, in the order of their registration.
 *
 * A key of the genesis is of heights 1 to 2^depth and usable at once. A later one is registered by an event
 * of the validator's own actor, and usable from two epochs on: who registers cannot know what the values will
 * be mixed with. At each height the newest key counts that is usable and covers it (`dueReveal`), so that a
 * lost secret can be replaced, and what a leader must reveal follows from the height alone. A key that has
 * run out is dropped at the owner's next registration, when no height that is still open can need it.
 */
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { type IvrfRegistration, ivrfIndex } from "../../proofs/beacon/ivrf.ts";
import { defineEvent, type EventValue, field } from "../event-schema.ts";
import type { Genesis } from "../genesis.ts";
import {
  type Decide,
  defineProjection,
  own,
  type Projection,
  type ProjectionRead,
  type ProjectionTx,
  refuse,
} from "../projection.ts";
import type { ReadStore } from "../records.ts";
import { defineRow, hashPart, keyOf, readRow, tagPart } from "../row.ts";
import type { Hash } from "../types.ts";

const NAME = "beacon";
const DEPTH = tagPart(0);
const KEYS = tagPart(1);

/** Registers the writer's next iVRF key: its root, and the height whose value is the first leaf's. */
export const beaconKeyRegistered = defineEvent({
  type: "beacon.key.registered",
  version: 1,
  fields: [field.hash("root"), field.u64("firstHeight")],
});
export type BeaconKeyRegistered = EventValue<typeof beaconKeyRegistered>;

const depthRow = defineRow(field.u8("depth"));
const keysRow = defineRow(
  field.list(
    "keys",
    LIMITS.beaconKeysMax,
    field.record("key", [
      field.hash("root"),
      field.u64("firstHeight"),
      field.u64("usableFromEpoch"),
    ]),
  ),
);

type Key = ReturnType<typeof keysRow.decode>["keys"][number];

const rowKeyOf = (id: Hash): Uint8Array => keyOf(KEYS, hashPart(id));

const depthOf = (row: Uint8Array | undefined): number => {
  if (row === undefined) throw new RangeError("no depth of the beacon");
  return depthRow.decode(row).depth;
};

/** Those that still have a height above this one. */
const unexpired = (keys: readonly Key[], depth: number, height: number): readonly Key[] =>
  keys.filter(({ firstHeight }) => firstHeight + 2 ** depth - 1 > height);

const heldBy = (read: ProjectionRead, id: Hash): readonly Key[] => {
  const row = read.get(rowKeyOf(id));
  return row === undefined ? [] : keysRow.decode(row).keys;
};

const decideRegistered: Decide<BeaconKeyRegistered> = (read, { root, firstHeight }, context) => {
  const { actor, height } = context;
  const depth = depthOf(read.get(DEPTH));
  const last = height + LIMITS.beaconKeysMax * 2 ** depth;
  if (firstHeight <= height || firstHeight > last) {
    return refuse("event.invalid", `the first height must be ${height + 1} to ${last}`);
  }
  const held = heldBy(read, actor);
  if (held.some((key) => equalBytes(key.root, root))) {
    return refuse("event.conflict", "the key is registered, and its values may be known");
  }
  return unexpired(held, depth, height).length >= LIMITS.beaconKeysMax
    ? refuse("event.conflict", `${LIMITS.beaconKeysMax} keys have not run out`)
    : undefined;
};

const writeGenesis = (tx: ProjectionTx, { proofs, validators, provers }: Genesis): void => {
  if (proofs.beacon === null) throw new RangeError("the chain has no beacon");
  tx.put(DEPTH, depthRow.encode({ depth: proofs.beacon.depth }));
  for (const [i, { id }] of validators.entries()) {
    const root = provers[i]?.ivrfRoot;
    if (root === undefined) throw new RangeError("a validator of the genesis has no iVRF key");
    const keys = [{ root, firstHeight: 1, usableFromEpoch: 0 }];
    tx.put(rowKeyOf(id), keysRow.encode({ keys }));
  }
};

export const beacon: Projection = defineProjection({
  name: NAME,
  schemaVersion: 1,
  owns: [
    own(beaconKeyRegistered, {
      decide: decideRegistered,
      apply: (tx, { root, firstHeight }, { actor, height, epoch }) => {
        const left = unexpired(heldBy(tx, actor), depthOf(tx.get(DEPTH)), height);
        const usableFromEpoch = epoch.number + LIMITS.beaconLeadEpochs;
        const keys = [...left, { root, firstHeight, usableFromEpoch }];
        tx.put(rowKeyOf(actor), keysRow.encode({ keys }));
      },
    }),
  ],
  genesis: writeGenesis,
  format: (key, value) => {
    if (key.length === 1) return { depth: depthRow.decode(value).depth };
    return {
      validator: toHex(key.subarray(1)),
      keys: keysRow.decode(value).keys.map((one) => ({ ...one, root: toHex(one.root) })),
    };
  },
});

/**
 * The keys of a validator that have not run out, oldest first; none on a chain without a beacon. What they
 * give for an epoch that has begun is the same in every state from its start on. Throws "store.corrupt".
 */
export const beaconKeysAt = (read: ReadStore, id: Hash): readonly IvrfRegistration[] => {
  const row = readRow(read, NAME, rowKeyOf(id));
  if (row === undefined) return [];
  const depth = readRow(read, NAME, DEPTH);
  if (depth === undefined) throw new TetradError("store.corrupt", "no depth of the beacon");
  return keysRow.decode(row.value).keys.map(({ root, firstHeight, usableFromEpoch }) => ({
    root,
    depth: depthRow.decode(depth.value).depth,
    registeredEpoch: usableFromEpoch - LIMITS.beaconLeadEpochs,
    firstHeight,
  }));
};

/** What a proposer has to reveal at a height: which value of which key. Undefined where no key covers it. */
export type DueReveal = { readonly key: IvrfRegistration; readonly index: number };

/** The newest key that is usable in the epoch and covers the height. */
export const dueReveal = (
  keys: readonly IvrfRegistration[],
  at: { readonly height: number; readonly epoch: number },
): DueReveal | undefined => {
  const key = keys.findLast((one) => ivrfIndex(one, at).ok);
  if (key === undefined) return undefined;
  return { key, index: at.height - key.firstHeight };
};
