/** Reading sectors and their layers: a few positioned reads an opening. */
import { closeSync, existsSync, fstatSync, openSync } from "node:fs";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import type { AdmissionReader } from "../../proofs/space/admission.ts";
import { NODE_BYTES } from "../../proofs/space/parameters.ts";
import {
  groupOffset,
  rowOffset,
  type SectorHeader,
  sectorFileBytes,
} from "../../proofs/space/sector-header.ts";
import {
  createSpaceHashes,
  GROUP_BYTES,
  GROUP_NODES,
  keptPosition,
  type TreeReader,
} from "../../proofs/space/tree.ts";
import { layerPaths, readAt, readSectorHeader } from "./files.ts";

export type OpenSector = {
  readonly file: string;
  readonly header: SectorHeader;
  readonly tree: TreeReader;
  /** Of the file: what is missing at its end is damage. */
  readonly bytes: number;
  /** Reads up to `into.length` bytes; what is missing is zero. Gives how many there were. */
  read(into: Uint8Array, at: number): number;
  close(): void;
};

const openRead = (path: string): number => {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw new TetradError("space.sector", `${path}: ${(error as Error).message}`, { path });
  }
};

/** Opens a sector. Code: space.sector, also where the head does not fit the file. */
export const openSector = (file: string): OpenSector => {
  const header = readSectorHeader(file);
  const { lgNodes } = header.statement;
  const fd = openRead(file);
  const bytes = fstatSync(fd).size;
  if (bytes > sectorFileBytes(lgNodes)) {
    closeSync(fd);
    throw new TetradError("space.sector", `${file} is longer than its sector`, { path: file });
  }
  const read = (into: Uint8Array, at: number): number => {
    const count = readAt(fd, into, at);
    into.fill(0, count);
    return count;
  };
  const bytesAt = (length: number, at: number): Uint8Array => {
    const out = new Uint8Array(length);
    read(out, at);
    return out;
  };
  const tree: TreeReader = {
    lgNodes,
    group: (index) => bytesAt(GROUP_BYTES, groupOffset(index)),
    row: (level, index) => bytesAt(NODE_BYTES, rowOffset(lgNodes, level, index)),
  };
  return { file, header, tree, bytes, read, close: () => closeSync(fd) };
};

/** Whether the layers of a sector are kept, so that its admission can be proven. */
export const hasLayers = (file: string): boolean => existsSync(layerPaths(file).treeC);

/** Opens the layers of a sector for its admission. Code: space.layers. */
export const openLayers = (sector: OpenSector): AdmissionReader & { close(): void } => {
  const paths = layerPaths(sector.file);
  const { layers, lgNodes } = sector.header.statement;
  const names = [paths.treeC, ...Array.from({ length: layers }, (_, i) => paths.layer(i + 1))];
  const missing = names.find((name) => !existsSync(name));
  if (missing !== undefined) {
    throw new TetradError("space.layers", `${missing} is not there`, {
      next: "admission is proven from the layers that sealing leaves; without them, seal again",
    });
  }
  const [treeC = 0, ...files] = names.map(openRead);
  const hashes = createSpaceHashes(createHasher(sector.header.chainId));
  const column = (v: number): Uint8Array => {
    const labels = new Uint8Array(layers * NODE_BYTES);
    for (const [i, fd] of files.entries()) {
      readAt(fd, labels.subarray(i * NODE_BYTES, (i + 1) * NODE_BYTES), v * NODE_BYTES);
    }
    return labels;
  };
  const group = (index: number): Uint8Array => {
    const leaves = new Uint8Array(GROUP_BYTES);
    const labels = files.map((fd) => {
      const bytes = new Uint8Array(GROUP_BYTES);
      readAt(fd, bytes, index * GROUP_BYTES);
      return bytes;
    });
    for (let i = 0; i < GROUP_NODES; i++) {
      hashes.column(labels, i * NODE_BYTES, leaves, i * NODE_BYTES);
    }
    return leaves;
  };
  const row = (level: number, index: number): Uint8Array => {
    const out = new Uint8Array(NODE_BYTES);
    readAt(treeC, out, keptPosition(lgNodes, level, index) * NODE_BYTES);
    return out;
  };
  return {
    columns: { lgNodes, group, row },
    column,
    stored: sector.tree,
    close() {
      for (const fd of [treeC, ...files]) closeSync(fd);
    },
  };
};
