/** `tetrad/client/node`: what only Node can do for a client. Browsers have no business here. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { TetradError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { makeFolder, writeFileAtomic } from "../node/folder.ts";
import { loadKeyFile } from "../node/keys/key-file.ts";
import { selectVerifier } from "../node/signing/select-verifier.ts";
import { createInlineSigner } from "../node/signing/signer.ts";
import type { TextStore } from "./store.ts";
import type { KeptBatch, Signer } from "./submit.ts";

export {
  type FileBytes,
  type FileChunks,
  fileBytes,
  fileChunks,
  type GotFile,
  getFile,
} from "./node-objects.ts";

/** Characters of a kept text: what is longer was not written by a client. */
const TEXT_MAX = 64 * 1024;

/** A file of mode 0600 that is replaced as a whole: for `stateStore` and `checkpointStore`. */
export const fileStore = (path: string): TextStore => ({
  load() {
    if (!existsSync(path)) return undefined;
    const text = readFileSync(path, "utf8");
    if (text.length > TEXT_MAX) throw new TetradError("trust.state", `${path} is no kept state`);
    return text;
  },
  save(text) {
    writeFileAtomic(path, new TextEncoder().encode(text), 0o600);
  },
});

const NAME = /^([0-9]{16})\.(batch|accepted)$/;

/** A BatchKeeper whose writes are done when they return. */
export type FileKeeper = {
  pending(): readonly KeptBatch[];
  keep(seq: number, bytes: Uint8Array): void;
  accepted(seq: number): void;
  drop(seq: number): void;
};

/**
 * Keeps signed batches in a folder of their own, each synced before it is sent. For one key and one program
 * at a time: two that use one folder would take each other's place in the lane.
 *
 *     <lane seq, 16 digits>.batch       one envelope
 *     <lane seq, 16 digits>.accepted    one that a node has taken into its memory
 */
export const fileKeeper = (folder: string): FileKeeper => {
  const path = (seq: number, kind: "batch" | "accepted"): string =>
    join(folder, `${String(seq).padStart(16, "0")}.${kind}`);
  makeFolder(folder, 0o700);
  return {
    pending: () =>
      readdirSync(folder)
        .filter((name) => NAME.test(name))
        .sort()
        .map((name) => ({
          seq: Number(name.slice(0, 16)),
          bytes: new Uint8Array(readFileSync(join(folder, name))),
          accepted: name.endsWith(".accepted"),
        }))
        // A file that is no batch (a crash on a full disk) can never be sent.
        .filter(({ bytes }) => bytes.length > 0 && bytes.length <= LIMITS.batchBytesMax),
    keep(seq, bytes) {
      writeFileAtomic(path(seq, "batch"), bytes, 0o600);
      rmSync(path(seq, "accepted"), { force: true });
    },
    accepted(seq) {
      if (existsSync(path(seq, "batch"))) renameSync(path(seq, "batch"), path(seq, "accepted"));
    },
    drop(seq) {
      for (const kind of ["batch", "accepted"] as const) rmSync(path(seq, kind), { force: true });
    },
  };
};

/**
 * The key of a key file (docs/operating.md), which a passphrase opens. Throws key.invalid, key.modes.
 * Signs on this thread, in about 1 ms.
 */
export const fileSigner = async (path: string, passphrase: string): Promise<Signer> => {
  const keys = await loadKeyFile(path, passphrase);
  const { verifier } = await selectVerifier();
  const signer = createInlineSigner(keys.secretKey, { verifier, onFault: () => undefined });
  keys.secretKey.fill(0);
  return {
    publicKey: signer.publicKey,
    sign: (message) => new Promise((resolve) => signer.sign(message, resolve)),
  };
};
