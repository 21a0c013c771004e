/** What an audit says of something that is not as the log and the rules make it. */
import { ERRORS, type ErrorCode, type Failure } from "../../errors.ts";

/** The kind of thing that differs. */
export type FindingSubject =
  | "file"
  | "block"
  | "header"
  | "batch"
  | "certificate"
  | "validator set"
  | "state"
  | "log"
  | "height index"
  | "chain point"
  | "lane head"
  | "price"
  | "outcomes"
  | "log tile"
  | "batch index"
  | "execution record"
  | "row"
  | "tree node"
  | "finalization index"
  | "open block"
  | "evidence"
  | "fact"
  | "answer"
  | "unknown row";

export type Finding = {
  /** Height of the block that it is about, or that last wrote what differs; undefined where none is known. */
  readonly height: number | undefined;
  readonly subject: FindingSubject;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly projection?: string;
  /** Key of a row, as people write it, or the key of the store in hex. */
  readonly key?: string;
  /** Digest of a batch, hex. */
  readonly batch?: string;
  /** Global index of an event. */
  readonly index?: number;
};

export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly finding: Finding };

export const good = <T>(value: T): Checked<T> => ({ ok: true, value });

export const bad = (finding: Finding): { readonly ok: false; readonly finding: Finding } => ({
  ok: false,
  finding,
});

/** A refusal of the rules as a finding; what the refusal says of batch and projection is kept. */
export const findingOf = (
  failure: Failure,
  height: number | undefined,
  subject: FindingSubject,
  more: Partial<Finding> = {},
): Finding => {
  const { batch, projection, index } = failure.data ?? {};
  return {
    height,
    subject,
    code: failure.code,
    detail: failure.detail === "" ? ERRORS[failure.code].title : failure.detail,
    ...(typeof batch === "string" ? { batch } : {}),
    ...(typeof projection === "string" ? { projection } : {}),
    ...(typeof index === "number" ? { index } : {}),
    ...more,
  };
};
