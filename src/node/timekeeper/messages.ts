/** What a timekeeper and its worker thread say to each other. */
import type { ErrorCode } from "../../errors.ts";
import type { Challenges } from "../../proofs/time/statement.ts";

export type ToWorker =
  | { readonly kind: "block"; readonly height: number; readonly hash: Uint8Array }
  /** Share of the time in which the worker computes, percent. */
  | { readonly kind: "duty"; readonly duty: number }
  /** Computes no further leaf: the run is what it is. */
  | { readonly kind: "finish" }
  | {
      readonly kind: "open";
      readonly challenges: Challenges;
      /** Undefined for the seed that follows from the commitment itself. */
      readonly seed: Uint8Array | undefined;
      /** Heights whose blocks are shown as well; those that were not taken in are left out. */
      readonly blocks: readonly number[] | "ends";
    }
  | { readonly kind: "stop" };

export type OpenedRun = {
  readonly seed: Uint8Array;
  readonly proof: Uint8Array;
  readonly blocks: readonly Uint8Array[];
};

export type FromWorker =
  /** The run as it is found; cutBytes were behind the last whole piece. */
  | {
      readonly kind: "ready";
      readonly leaves: number;
      readonly absorbed: number;
      readonly cutBytes: number;
    }
  | { readonly kind: "progress"; readonly leaves: number; readonly absorbed: number }
  | {
      readonly kind: "finished";
      readonly leaves: number;
      readonly phi: Uint8Array;
      readonly absorbed: number;
    }
  | { readonly kind: "opening"; readonly done: number }
  | ({ readonly kind: "opened" } & OpenedRun)
  | { readonly kind: "stopped"; readonly leaves: number }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly detail: string };

/** What the worker is started with. */
export type WorkerStart = {
  readonly path: string;
  /** Leaves at which the run finishes by itself. */
  readonly leaves: number;
  readonly duty: number;
};
