/**
 * The folder of one node:
 *
 *     <folder>/node.toml     configuration (config.ts)
 *     <folder>/identity.json public identity: what the other members put into the genesis
 *     <folder>/genesis.json  the genesis; every node has the same bytes
 *     <folder>/keys/         node.key (FALCON-1024), tls-key.pem, tls-cert.pem; never leaves the host
 *     <folder>/keys/         issuer.key (FALCON-1024), issuer-ca.key (P-256): of an issuer of certificates,
 *                            which the node runs when they are there
 *     <folder>/keys/unused   there until the first start: the key has signed nothing, so that an empty
 *                            vote store is right; without it an empty one means that it was lost
 *     <folder>/keys/votes/   the vote store: what this key has signed. It lives beside the key, because
 *                            a key that moves without it may sign a contradiction
 *     <folder>/keys/epochs/  keys of epochs, on a chain that asks for them (epoch-keys/folder.ts); each is made by
 *                            the node and erased by it. A copy of one makes erasing it worth nothing
 *     <folder>/beacon/       trees of its iVRF keys (beacon/caps-file.ts); may be deleted, they are made again
 *     <folder>/db/           the ledger's data; may be deleted, the peers have it
 *     <folder>/space/        sectors of the validator, on a chain that asks for space (space/open-keeper.ts)
 *     <folder>/time/         the run of this epoch, on a chain that asks for elapsed time (claims/time-kind.ts)
 *     <folder>/work          its shares of work, on a chain that asks for them (claims/shares-file.ts); of both
 *                            those of an epoch that is over are removed
 *     <folder>/objects/      objects that members asked for, or that an actor has the node keep (objects/store.ts),
 *                            and evidence against who served wrong ones; may be deleted, but for what is kept
 *     <folder>/checkpoint.note  the newest cosigned checkpoint, served again after a start
 *                            (kept-checkpoint.ts); may be deleted
 *     <folder>/tls-tmp/      there while the reserve driver of sessions is loaded, and empty but for the moment of a
 *                            dial (transport/reactor-binding.ts); deleted at the start
 *     <folder>/admin.sock    there while the node runs: how its owner asks it for a backup (admin.ts)
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TetradError } from "../errors.ts";

export type NodePaths = {
  readonly folder: string;
  readonly config: string;
  readonly identity: string;
  readonly genesis: string;
  readonly keys: string;
  readonly nodeKey: string;
  readonly tlsKey: string;
  readonly tlsCertificate: string;
  readonly issuerActorKey: string;
  readonly issuerKey: string;
  readonly unused: string;
  readonly votes: string;
  readonly epochKeys: string;
  readonly beacon: string;
  readonly db: string;
  readonly checkpoint: string;
  /** Folders of what is kept for the proofs of elapsed time and of work. */
  readonly time: string;
  readonly work: string;
  /** Folder of the validator's sectors. */
  readonly space: string;
  /** Folder of objects. */
  readonly objects: string;
  /** Where a QUIC library puts the TLS key for a moment (transport/reactor-binding.ts). */
  readonly tlsTemporary: string;
  /** Unix socket of a running node (admin.ts). */
  readonly admin: string;
};

/** What lies in a folder of keys. */
export const keysPaths = (
  keys: string,
): Pick<
  NodePaths,
  | "nodeKey"
  | "tlsKey"
  | "tlsCertificate"
  | "issuerActorKey"
  | "issuerKey"
  | "unused"
  | "votes"
  | "epochKeys"
> => ({
  nodeKey: join(keys, "node.key"),
  tlsKey: join(keys, "tls-key.pem"),
  tlsCertificate: join(keys, "tls-cert.pem"),
  issuerActorKey: join(keys, "issuer.key"),
  issuerKey: join(keys, "issuer-ca.key"),
  unused: join(keys, "unused"),
  votes: join(keys, "votes"),
  epochKeys: join(keys, "epochs"),
});

export const nodePaths = (folder: string): NodePaths => {
  const keys = join(folder, "keys");
  return {
    folder,
    config: join(folder, "node.toml"),
    identity: join(folder, "identity.json"),
    genesis: join(folder, "genesis.json"),
    keys,
    ...keysPaths(keys),
    beacon: join(folder, "beacon"),
    db: join(folder, "db"),
    checkpoint: join(folder, "checkpoint.note"),
    time: join(folder, "time"),
    work: join(folder, "work"),
    space: join(folder, "space"),
    objects: join(folder, "objects"),
    tlsTemporary: join(folder, "tls-tmp"),
    admin: join(folder, "admin.sock"),
  };
};

/** What is wrong with the path that somebody gave, and not with the disk. */
const PATH_ERRORS: ReadonlySet<string> = new Set([
  "EACCES",
  "EEXIST",
  "EISDIR",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOENT",
  "ENOTDIR",
  "EPERM",
  "EROFS",
]);

/** A failed write in terms of the table: cli.usage for a wrong path, store.full, store.io. */
export const fileError = (path: string, error: unknown): TetradError => {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const detail = `${path} cannot be written: ${message}`;
  if (PATH_ERRORS.has(code)) return new TetradError("cli.usage", detail, { path });
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new TetradError(full ? "store.full" : "store.io", detail, { path });
};

/** Makes a folder and those above it. Throws the codes of fileError. */
export const makeFolder = (path: string, mode = 0o777): void => {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    throw fileError(path, error);
  }
};

/** Makes the folder and its keys folder; the latter for its owner only. */
export const makeNodeFolder = (paths: NodePaths): void => {
  makeFolder(paths.folder);
  makeFolder(paths.keys, 0o700);
};

/** Writes a whole file or nothing: beside it first, then renamed over. Throws the codes of fileError. */
export const writeFileAtomic = (path: string, data: string | Uint8Array, mode = 0o644): void => {
  const temporary = `${path}.new-${process.pid}`;
  try {
    writeFileSync(temporary, data, { mode, flush: true });
    renameSync(temporary, path);
  } catch (error) {
    // The failure that counts is the first one: a path that cannot be written may not be removed either.
    try {
      rmSync(temporary, { force: true });
    } catch {}
    throw fileError(path, error);
  }
};
