/** From a store, running or not, to the bytes of a backup. */
import { createHash } from "node:crypto";
import { toHex } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { metaKey } from "../../ledger/keys.ts";
import type { StoreEntry } from "../../ledger/ports.ts";
import { decodeExecutionRecord } from "../../ledger/records.ts";
import { BlockStore, STORE_FORMAT } from "../../ledger/replica/block-store.ts";
import {
  type BackupHead,
  type BackupTail,
  encodeHead,
  encodePrefix,
  encodeRow,
  encodeTail,
} from "./format.ts";

export type BackupSource = {
  /** All rows at one moment, ascending. */
  readonly scan: () => AsyncIterable<readonly StoreEntry[]>;
  readonly hasher: Hasher;
  /** The bytes of the genesis file. */
  readonly genesis: Uint8Array;
  readonly head: Omit<BackupHead, "storeFormat">;
};

const refused = (detail: string): TetradError => new TetradError("backup.refused", detail);

const EXECUTION_AREA = "x/";
const FACTS_AREA = "m/";
const areaOf = (key: Uint8Array): string => String.fromCharCode(key[0] ?? 0, key[1] ?? 0);

/**
 * The backup in pieces, each of bounded size. Throws backup.refused for a folder without a chain or in the
 * middle of a rebuild, and what the scan throws.
 */
export async function* writeBackup(source: BackupSource): AsyncGenerator<Uint8Array, BackupTail> {
  const hash = createHash("sha256");
  const hashed = (bytes: Uint8Array): Uint8Array => {
    hash.update(bytes);
    return bytes;
  };
  const head = encodeHead({ ...source.head, storeFormat: STORE_FORMAT });
  yield hashed(Buffer.concat([encodePrefix(), u32(head.length), head, u32(source.genesis.length)]));
  yield hashed(source.genesis);
  const facts = new Map<string, Uint8Array>();
  let newest: Uint8Array | undefined;
  let rows = 0;
  for await (const page of source.scan()) {
    rows += page.length;
    for (const [key, value] of page) {
      const area = areaOf(key);
      if (area === EXECUTION_AREA) newest = value;
      else if (area === FACTS_AREA) facts.set(toHex(key), value);
    }
    yield hashed(Buffer.concat(page.map(([key, value]) => encodeRow(key, value))));
  }
  const tail = tailOf(source.hasher, facts, newest, rows);
  yield hashed(Buffer.concat([Uint8Array.of(0), encodeTail(tail)]));
  yield hash.digest();
  return tail;
}

const u32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** What the rows that were seen say of the chain. */
const tailOf = (
  hasher: Hasher,
  facts: ReadonlyMap<string, Uint8Array>,
  newest: Uint8Array | undefined,
  rows: number,
): BackupTail => {
  if (facts.has(toHex(metaKey("rebuild")))) {
    throw refused("a rebuild of the projections has begun and not ended: `nexus rebuild` ends it");
  }
  const store = new BlockStore((key) => facts.get(toHex(key)), hasher);
  const tip = store.tip();
  const record = newest === undefined ? undefined : decodeExecutionRecord(newest);
  if (tip === undefined || record === undefined) throw refused("the folder holds no chain yet");
  if (store.format() !== STORE_FORMAT) {
    throw refused(`the data is in storage format ${store.format()}, not ${STORE_FORMAT}`);
  }
  if (!record.ok) throw TetradError.from(record);
  const { height: executedHeight, logSize, logRoot, stateRoot } = record.value;
  return { rows, height: tip.height, hash: tip.hash, executedHeight, logSize, logRoot, stateRoot };
};
