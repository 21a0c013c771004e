/** Small helpers of the simulator's tests. */
import { createHash } from "node:crypto";
import type { Status } from "../../sim/checkers/types.ts";
import type { RunResult } from "../../sim/simulate.ts";

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export const utf8Hash = (text: string): Uint8Array =>
  new Uint8Array(createHash("sha256").update(text, "utf8").digest());

export const HASH_A: string = "aa".repeat(32);

/** What a node that is well says of itself at height 5. */
export const statusWith = (part: Partial<Status>): Status => ({
  epoch: 0,
  view: 1,
  finalHeight: 5,
  finalHash: HASH_A,
  finalTimeMs: 500,
  executedHeight: 5,
  logSize: 5,
  logRoot: HASH_A,
  stateRoot: HASH_A,
  voting: "yes",
  mempoolBytes: 0,
  mempoolBatches: 0,
  ...part,
});

/** "ok", or what was broken and how: what a failed test should say. */
export const verdict = ({ outcome, violation }: RunResult): string =>
  violation === undefined ? outcome : `${outcome} ${violation.id}: ${violation.detail}`;
