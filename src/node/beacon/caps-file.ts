/**
 * The trees of a node's iVRF keys as they are kept: `<folder>/<first height>.tree`, of each key the caps
 * (src/proofs/beacon/ivrf.ts) after a tag of 32 bytes that only who has the key's secret can make. A file that is
 * gone, cut or another's is no failure: the tree is made again, in a fraction of a second.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { concatBytes, equalBytes } from "../../crypto/bytes.ts";
import type { Hasher } from "../../crypto/hash.ts";
import { ivrfCapsBytes, ivrfCapsTag } from "../../proofs/beacon/ivrf.ts";
import { writeFileAtomic } from "../folder.ts";

const TAG_BYTES = 32;

export type CapsPlace = { readonly folder: string; readonly firstHeight: number };

const pathOf = ({ folder, firstHeight }: CapsPlace): string => join(folder, `${firstHeight}.tree`);

/** The caps of the key with this secret; undefined where they are not there. */
export const readCaps = (
  place: CapsPlace,
  hasher: Hasher,
  secret: Uint8Array,
  depth: number,
): Uint8Array | undefined => {
  const path = pathOf(place);
  const length = TAG_BYTES + ivrfCapsBytes(depth);
  try {
    if (statSync(path).size !== length) return undefined;
    const bytes = new Uint8Array(readFileSync(path));
    if (bytes.length !== length) return undefined;
    const caps = bytes.slice(TAG_BYTES);
    const tag = ivrfCapsTag(hasher, secret, caps);
    return equalBytes(bytes.subarray(0, TAG_BYTES), tag) ? caps : undefined;
  } catch {
    return undefined;
  }
};

/** Keeps the caps; where that fails, the next start makes them again. */
export const writeCaps = (
  place: CapsPlace,
  hasher: Hasher,
  secret: Uint8Array,
  caps: Uint8Array,
): void => {
  try {
    mkdirSync(place.folder, { recursive: true, mode: 0o700 });
    const tag = ivrfCapsTag(hasher, secret, caps);
    writeFileAtomic(pathOf(place), concatBytes(tag, caps), 0o600);
  } catch {
    // Nothing is lost: the file saves time and no more.
  }
};

/**
 * Removes what is left of keys that ended while the node was down: the key before the one at this place may still be
 * in use, those before that are not.
 */
export const removeEndedCaps = ({ folder, firstHeight }: CapsPlace, depth: number): void => {
  try {
    for (const name of readdirSync(folder)) {
      const first = Number(/^([0-9]{1,16})\.tree$/.exec(name)?.[1] ?? Number.NaN);
      if (first + 2 * 2 ** depth <= firstHeight) removeCaps({ folder, firstHeight: first });
    }
  } catch {
    // They take room and do nothing else.
  }
};

/** Removes what is kept of a key that is used no more. */
export const removeCaps = (place: CapsPlace): void => {
  try {
    rmSync(pathOf(place), { force: true });
  } catch {
    // A file that stays is 8 KiB at depth 16, and is never taken for another key's.
  }
};
