/**
 * The inventory. Rows: asset id -> who brought the machine in, what it is made of, and since when.
 *
 * What is registered is a signed statement of its owner, not a measurement by anybody else; the log
 * shows who said it and when they said something different.
 */
import { equalBytes, toHex } from "../crypto/bytes.ts";
import { field, type Json, LINE_TEXT } from "../ledger/event-schema.ts";
import {
  type Decide,
  defineProjection,
  own,
  type Projection,
  type ProjectionRead,
  refuse,
} from "../ledger/projection.ts";
import type { ReadStore } from "../ledger/records.ts";
import { defineRow, hashPart, readRow } from "../ledger/row.ts";
import type { Hash } from "../ledger/types.ts";
import { LIMITS } from "../limits.ts";
import {
  type HostRegistered,
  type HostRetired,
  hostAssetId,
  hostFacts,
  hostRegistered,
  hostRetired,
} from "./events.ts";

const NAME = "assets";

/** retiredHeight 0 means in service (height 0 holds no events). */
const assetRow = defineRow(
  field.hash("actor"),
  field.u64("registeredHeight"),
  field.u64("updatedHeight"),
  field.u64("updatedMs"),
  field.u64("retiredHeight"),
  field.hash("fingerprint"),
  field.string("hostname", LIMITS.assetTextBytesMax, LINE_TEXT),
  hostFacts,
);

export type Asset = ReturnType<typeof assetRow.decode>;

const find = (read: ProjectionRead, assetId: Hash): Asset | undefined => {
  const row = read.get(hashPart(assetId));
  return row === undefined ? undefined : assetRow.decode(row);
};

const decideRegistered: Decide<HostRegistered> = (read, value, { hasher, actor }) => {
  if (!equalBytes(value.assetId, hostAssetId(hasher, actor, value.fingerprint))) {
    return refuse("event.invalid", "the asset id is not that of this actor and fingerprint");
  }
  const known = find(read, value.assetId);
  if (known !== undefined && known.retiredHeight !== 0) {
    return refuse("event.conflict", "the asset is retired");
  }
  return undefined;
};

const decideRetired: Decide<HostRetired> = (read, { assetId }, { actor }) => {
  const known = find(read, assetId);
  if (known === undefined) return refuse("event.conflict", "no such asset");
  if (!equalBytes(known.actor, actor)) {
    return refuse("event.conflict", "the asset belongs to another actor");
  }
  return known.retiredHeight === 0
    ? undefined
    : refuse("event.conflict", "the asset is already retired");
};

const formatAsset = (key: Uint8Array, value: Uint8Array): Json => {
  const asset = assetRow.decode(value);
  return {
    assetId: toHex(key),
    actor: toHex(asset.actor),
    hostname: asset.hostname,
    registeredHeight: asset.registeredHeight,
    updatedHeight: asset.updatedHeight,
    updatedMs: asset.updatedMs,
    retiredHeight: asset.retiredHeight === 0 ? null : asset.retiredHeight,
    fingerprint: toHex(asset.fingerprint),
    facts: hostFacts.toJson(asset.facts),
  };
};

export const assets: Projection = defineProjection({
  name: NAME,
  schemaVersion: 1,
  owns: [
    own(hostRegistered, {
      resource: ({ assetId }) => `asset/${toHex(assetId)}`,
      decide: decideRegistered,
      apply: (tx, { assetId, fingerprint, hostname, facts }, { actor, height, timeMs }) => {
        const registeredHeight = find(tx, assetId)?.registeredHeight ?? height;
        const when = { registeredHeight, updatedHeight: height, updatedMs: timeMs };
        const row = { actor, ...when, retiredHeight: 0, fingerprint, hostname, facts };
        tx.put(hashPart(assetId), assetRow.encode(row));
      },
    }),
    own(hostRetired, {
      resource: ({ assetId }) => `asset/${toHex(assetId)}`,
      decide: decideRetired,
      apply: (tx, { assetId }, { height, timeMs }) => {
        const row = find(tx, assetId);
        if (row === undefined) throw new RangeError("retired asset is not registered");
        const when = { updatedHeight: height, updatedMs: timeMs, retiredHeight: height };
        tx.put(hashPart(assetId), assetRow.encode({ ...row, ...when }));
      },
    }),
  ],
  format: formatAsset,
});

/** An asset as the store has it. Throws "store.corrupt". */
export const assetAt = (read: ReadStore, assetId: Hash): Asset | undefined => {
  const row = readRow(read, NAME, hashPart(assetId));
  return row === undefined ? undefined : assetRow.decode(row.value);
};
