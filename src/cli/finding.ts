/** What a check of `nexus doctor` found, and what to do about it. */
import type { ErrorCode } from "../errors.ts";

export type Finding = {
  readonly check: string;
  readonly state: "ok" | "warn" | "fail";
  readonly found: string;
  readonly todo?: string;
  /** What a start would end with, or what else the table of errors calls it. */
  readonly code?: ErrorCode;
};
