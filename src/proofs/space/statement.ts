/**
 * What a validator states about a sector: whose it is, from which beacon it was begun, and the roots of its
 * two trees. The replica id, which every label contains, binds all of that to the chain; so nothing of a
 * sector can be computed before its beacon is known, and nobody can use another's.
 */
import { type Reader, Writer } from "../../crypto/codec.ts";
import type { Hasher } from "../../crypto/hash.ts";

export type SectorSource = {
  /** Ht("id", key) of the validator whose sector it is. */
  readonly validatorId: Uint8Array;
  readonly sectorNo: number;
  /** Beacon of the grid height from which the sector was begun. */
  readonly beacon: Uint8Array;
  readonly lgNodes: number;
  readonly layers: number;
};

export type SectorStatement = SectorSource & {
  /** Root over the columns of labels. */
  readonly commC: Uint8Array;
  /** Root over what is stored. */
  readonly commRl: Uint8Array;
};

/**
 * Root over the data that a sector holds, 32 zero bytes for a capacity sector. There are no others yet: what
 * is stored is the last layer itself. The field is in the replica id so that they can come.
 */
const NO_DATA = new Uint8Array(32);

/** Ht("space/replica", validator id || u64 sector || beacon || commD || u8 lgNodes || u8 layers). */
export const replicaId = (hasher: Hasher, source: SectorSource): Uint8Array => {
  const writer = new Writer(128).hash(source.validatorId).u64(source.sectorNo);
  writer.hash(source.beacon).hash(NO_DATA).u8(source.lgNodes).u8(source.layers);
  return hasher.ht("space/replica", writer.finish());
};

/** Ht("space/commR", replica id || commC || commRl): what names a sector with all that is in it. */
export const sectorId = (hasher: Hasher, statement: SectorStatement): Uint8Array =>
  hasher.ht("space/commR", replicaId(hasher, statement), statement.commC, statement.commRl);

export const STATEMENT_BYTES = 32 + 8 + 32 + 1 + 1 + 32 + 32;

export const writeStatement = (writer: Writer, statement: SectorStatement): void => {
  writer.hash(statement.validatorId).u64(statement.sectorNo).hash(statement.beacon);
  writer.u8(statement.lgNodes).u8(statement.layers);
  writer.hash(statement.commC).hash(statement.commRl);
};

/** Throws DecodeError. The shape is not checked here: who uses it knows which one there must be. */
export const readStatement = (reader: Reader): SectorStatement => ({
  validatorId: reader.hash().slice(),
  sectorNo: reader.u64(),
  beacon: reader.hash().slice(),
  lgNodes: reader.u8(),
  layers: reader.u8(),
  commC: reader.hash().slice(),
  commRl: reader.hash().slice(),
});
