/**
 * The head of a sector file, 4096 bytes, and where everything else lies in it:
 *
 *     "tetrad-sector\n"   u16 version = 1   u32 length || chain id   genesisHash(32)   statement(138)
 *     zeros up to byte 4064   SHA-256 of the 4064 bytes before
 *     2^lgNodes nodes of 32 bytes, as they are stored
 *     the rows of their tree from level 6 upwards, the root last
 *
 * The head has a checksum; every byte behind it is under the root that stands in the head. Nothing in the
 * file is secret: it is the owner's because the replica id says so.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { DecodeError, Reader, utf8, Writer } from "../../crypto/codec.ts";
import { sha256 } from "../../crypto/hash.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { NODE_BYTES, sectorBytes } from "./parameters.ts";
import { readStatement, type SectorStatement, writeStatement } from "./statement.ts";
import { GROUP_BYTES, keptNodes, keptPosition } from "./tree.ts";

export type SectorHeader = {
  readonly chainId: string;
  readonly genesisHash: Uint8Array;
  readonly statement: SectorStatement;
};

export const HEADER_BYTES = 4096;
const CHECKSUM_AT = HEADER_BYTES - 32;
const MAGIC = utf8("tetrad-sector\n");
const VERSION = 1;

export const encodeSectorHeader = ({
  chainId,
  genesisHash,
  statement,
}: SectorHeader): Uint8Array => {
  const writer = new Writer(HEADER_BYTES).raw(MAGIC).u16(VERSION);
  writer.string(chainId).hash(genesisHash);
  writeStatement(writer, statement);
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(writer.finish());
  bytes.set(sha256(bytes.subarray(0, CHECKSUM_AT)), CHECKSUM_AT);
  return bytes;
};

const refuse = (detail: string): Result<never> => fail("space.sector", detail);

/** Reads the head of a sector file. Code: space.sector. */
export const decodeSectorHeader = (bytes: Uint8Array): Result<SectorHeader> => {
  if (bytes.length !== HEADER_BYTES) return refuse(`a head of ${bytes.length} bytes`);
  if (!equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)) return refuse("no sector file");
  if (!equalBytes(sha256(bytes.subarray(0, CHECKSUM_AT)), bytes.subarray(CHECKSUM_AT))) {
    return refuse("the checksum of its head is wrong");
  }
  try {
    return readHeader(new Reader(bytes.subarray(MAGIC.length, CHECKSUM_AT)));
  } catch (error) {
    if (error instanceof DecodeError) return refuse(error.message);
    throw error;
  }
};

const readHeader = (reader: Reader): Result<SectorHeader> => {
  const version = reader.u16();
  if (version !== VERSION) return refuse(`version ${version} is not known`);
  const chainId = reader.string(LIMITS.chainIdBytesMax);
  const genesisHash = reader.hash().slice();
  const statement = readStatement(reader);
  const [lgMin, lgMax] = LIMITS.spaceLgNodes;
  const [layersMin, layersMax] = LIMITS.spaceLayers;
  const { lgNodes, layers } = statement;
  if (lgNodes < lgMin || lgNodes > lgMax || layers < layersMin || layers > layersMax) {
    return refuse(`2^${lgNodes} nodes and ${layers} layers are out of range`);
  }
  if (reader.rest().some((byte) => byte !== 0)) return refuse("its head has bytes behind its end");
  return ok({ chainId, genesisHash, statement });
};

/** Where a group of 64 nodes lies in the file. */
export const groupOffset = (group: number): number => HEADER_BYTES + group * GROUP_BYTES;

/** Where the kept rows of the tree lie. */
export const rowsOffset = (lgNodes: number): number => HEADER_BYTES + sectorBytes(lgNodes);

export const rowOffset = (lgNodes: number, level: number, index: number): number =>
  rowsOffset(lgNodes) + keptPosition(lgNodes, level, index) * NODE_BYTES;

export const sectorFileBytes = (lgNodes: number): number =>
  rowsOffset(lgNodes) + keptNodes(lgNodes) * NODE_BYTES;
