/**
 * Files of a sector. FILE is the sector: what openings are made from. FILE.layers is a folder with what it was
 * made of, which the admission proof needs and nothing afterwards:
 *
 *     job        head of a sector file without its roots: which sector this is
 *     lock       process that makes it
 *     parents    parents of all nodes; only while it is made
 *     journal    what is there, with a digest of every part; only while it is made
 *     layer-01…  labels
 *     tree-c     rows of the tree over columns
 *     tree-r     roots of the groups of what is stored; only while it is made
 *     height     of the beacon that it was begun from, where the node began it
 *
 * All are for their owner only. They are no secret of a key, but who has them can answer for the sector.
 */
import { closeSync, constants, mkdirSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";
import {
  decodeSectorHeader,
  HEADER_BYTES,
  type SectorHeader,
} from "../../proofs/space/sector-header.ts";
import { fileError } from "../folder.ts";

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const HEIGHT_BYTES_MAX = 32;

export type LayerPaths = {
  readonly folder: string;
  readonly job: string;
  readonly lock: string;
  readonly parents: string;
  readonly journal: string;
  layer(layer: number): string;
  readonly treeC: string;
  readonly treeR: string;
  readonly height: string;
};

export const LAYERS_SUFFIX = ".layers";

export const layerPaths = (file: string): LayerPaths => {
  const folder = `${file}${LAYERS_SUFFIX}`;
  return {
    folder,
    job: join(folder, "job"),
    lock: join(folder, "lock"),
    parents: join(folder, "parents"),
    journal: join(folder, "journal"),
    layer: (layer) => join(folder, `layer-${String(layer).padStart(2, "0")}`),
    treeC: join(folder, "tree-c"),
    treeR: join(folder, "tree-r"),
    height: join(folder, "height"),
  };
};

/** What the system refused, and no mistake of the program. */
export const isSystemError = (error: unknown): boolean =>
  error instanceof Error && "syscall" in error;

/** Makes the folder of the layers. Throws the codes of fileError. */
export const makeLayersFolder = (folder: string): void => {
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  } catch (error) {
    throw fileError(folder, error);
  }
};

/** Opens a file to read and write, made when it is missing. Throws the codes of fileError. */
export const openPrivate = (path: string): number => {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT, FILE_MODE);
  } catch (error) {
    throw fileError(path, error);
  }
};

/** Reads up to `into.length` bytes at a place; fewer where the file ends. */
export const readAt = (fd: number, into: Uint8Array, at: number): number => {
  let done = 0;
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, at + done);
    if (count === 0) break;
    done += count;
  }
  return done;
};

/** The head of a sector or of a job. Throws space.sector. */
export const readSectorHeader = (path: string): SectorHeader => {
  const bytes = new Uint8Array(HEADER_BYTES);
  let length = 0;
  try {
    const fd = openSync(path, "r");
    try {
      length = readAt(fd, bytes, 0);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const detail = code === "ENOENT" ? `${path} does not exist` : `${path}: ${message}`;
    throw new TetradError("space.sector", detail, { path });
  }
  const header = decodeSectorHeader(bytes.subarray(0, length));
  if (header.ok) return header.value;
  throw new TetradError("space.sector", `${path}: ${header.detail}`, { path });
};

/** The height that the layers say the sector was begun at; undefined where they say none. */
export const readBeaconHeight = (file: string): number | undefined => {
  const bytes = new Uint8Array(HEIGHT_BYTES_MAX);
  let length = 0;
  try {
    const fd = openSync(layerPaths(file).height, "r");
    try {
      length = readAt(fd, bytes, 0);
    } finally {
      closeSync(fd);
    }
  } catch {
    // A sector has no such file where it was made by hand, and none at all without its layers.
    return undefined;
  }
  const text = new TextDecoder().decode(bytes.subarray(0, length));
  const height = /^(0|[1-9][0-9]{0,14})\n$/.test(text) ? Number(text) : undefined;
  return height;
};
