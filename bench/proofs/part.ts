/** A part of `npm run bench -- proofs`: it measures one proof. */
import type { Report } from "../report.ts";

export type ProofsOptions = {
  /** A sector file to prove and verify from. */
  readonly sector?: string | undefined;
  /** Figures of less time, to see that all of it runs. */
  readonly short: boolean;
};

export type Part = (report: Report, options: ProofsOptions) => void | Promise<void>;
