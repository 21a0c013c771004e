/** What the table of refusals is made of: sections, which are a proof and whom it is of, and their rows. */
import type { ErrorCode } from "../../../src/errors.ts";

export const PROOFS = ["space", "stake", "work", "time", "beacon"] as const;
export const SUBJECTS = ["event", "validator"] as const;
export const WAYS = [
  "missing",
  "stale",
  "forged",
  "replayed",
  "borrowed",
  "precomputed",
  "ground",
] as const;

export const PLACES = ["genesis", "admission", "vote", "execution"] as const;

export type Refused = Readonly<Partial<Record<(typeof PLACES)[number], ErrorCode>>>;

export type Row = {
  /** Proof, subject and way, and what tells it from others of the same. */
  readonly id: string;
  readonly tried: string;
  /** By which code, where. Where there is none, `holds` says what bounds it instead. */
  readonly refused?: Refused;
  readonly holds?: string;
};

export type Section = {
  readonly proof: (typeof PROOFS)[number];
  readonly subject: (typeof SUBJECTS)[number];
  /** Of the section, where it is not its proof and subject. */
  readonly title?: string;
  readonly about: string;
  readonly rows: readonly Row[];
  /** What a forger can still do. */
  readonly left: readonly string[];
};

export const both = (code: ErrorCode): Refused => ({ admission: code, vote: code });
export const vote = (code: ErrorCode): Refused => ({ vote: code });
export const execution = (code: ErrorCode): Refused => ({ execution: code });

export const row = (id: string, tried: string, refused: Refused): Row => ({ id, tried, refused });
export const bounded = (id: string, tried: string, holds: string): Row => ({ id, tried, holds });
