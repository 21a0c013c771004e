/**
 * What `nexus checkpoint` keeps of a walk along the sets: the steps, and what may be trusted from now on. Neither is
 * written before all of it may be, and trust that is kept is never replaced by an older one or by that of another
 * chain.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { formatSets } from "../../client/kept-steps.ts";
import type { FollowedSet } from "../../client/validator-sets.ts";
import { equalBytes } from "../../crypto/bytes.ts";
import { type Failure, fail, TetradError } from "../../errors.ts";
import {
  type Checkpoint,
  formatCheckpoint,
  parseTrust,
  type Trust,
} from "../../ledger/verify/trust.ts";
import { LIMITS } from "../../limits.ts";
import { writeFileAtomic } from "../../node/folder.ts";
import type { CliContext } from "../context.ts";
import { readText } from "./read-text.ts";

/** Files to keep it in, as the options name them. */
export type KeepOptions = { readonly sets?: string; readonly checkpoint?: string };

/**
 * Why a checkpoint must not take the place of one that is kept. Codes: proof.untrusted for another chain,
 * proof.invalid for
 * another set of the same epoch or another block of the same height, proof.unanchored for an older one.
 */
const replacing = (kept: Trust, next: Checkpoint): Failure | undefined => {
  if (kept.chainId !== next.chainId || !equalBytes(kept.genesisHash, next.genesisHash)) {
    return fail("proof.untrusted", "it has a checkpoint of another chain");
  }
  if (kept.epoch === next.epoch && !equalBytes(kept.setHash, next.setHash)) {
    return fail("proof.invalid", `it has another set of epoch ${next.epoch}`);
  }
  const { height = 0, hash = next.blockHash } = kept.block ?? {};
  if (height === next.height && !equalBytes(hash, next.blockHash)) {
    return fail("proof.invalid", `it has another block of height ${height}: the chain has forked`);
  }
  if (next.epoch < kept.epoch || next.height < height) {
    const older = `epoch ${next.epoch}, height ${next.height}`;
    const detail = `it is of epoch ${kept.epoch}, height ${height}, and this is of ${older}`;
    return fail("proof.unanchored", detail);
  }
  return undefined;
};

/**
 * The text to write over a file of trust. Throws where what is there must stay: see `replacing`; proof.trust for a file
 * that is no checkpoint.
 */
export const trustText = (path: string, next: Checkpoint): string => {
  if (existsSync(path)) {
    const kept = parseTrust(readText(path, LIMITS.genesisBytesMax));
    const isOther = !kept.ok || kept.value.origin === "genesis";
    const why = isOther
      ? fail("proof.trust", "it is there and is no checkpoint")
      : replacing(kept.value, next);
    if (why !== undefined) {
      throw new TetradError(why.code, `${path} is not written anew: ${why.detail}`);
    }
  }
  return formatCheckpoint(next);
};

const setsText = (path: string, { bundles }: FollowedSet): string => {
  const text = formatSets(bundles);
  if (text.ok) return text.value;
  throw new TetradError(text.code, `${path} is not written anew: ${text.detail}`, {
    next: "keep a checkpoint with --checkpoint FILE, and begin a new file of steps with --trust FILE",
  });
};

/**
 * Makes what the options say is to be kept, and gives what writes it. Throws where it may not be written: see `replacing`;
 * proof.trust for a file that is no checkpoint, proof.too-long for steps that no file can have.
 */
export const prepareToKeep = (
  context: CliContext,
  { sets, checkpoint }: KeepOptions,
  followed: FollowedSet | undefined,
): (() => void) => {
  if (followed === undefined) return () => undefined;
  const files: [string, string][] = [];
  if (sets !== undefined) {
    const path = resolve(context.cwd, sets);
    files.push([path, setsText(path, followed)]);
  }
  const trust = checkpoint === undefined ? undefined : resolve(context.cwd, checkpoint);
  if (trust !== undefined) files.push([trust, trustText(trust, followed.checkpoint)]);
  return () => {
    for (const [path, text] of files) writeFileAtomic(path, Buffer.from(text));
    if (trust !== undefined) context.note(`${trust}: what may be trusted from now on`);
  };
};
