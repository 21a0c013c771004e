/** What the threads of a search are given, and what they say. */
import type {
  Puzzle,
  ShareParameters,
  ShareSubject,
  WorkSubject,
} from "../../proofs/work/index.ts";

export type ThreadTask =
  | {
      readonly kind: "proof";
      readonly chainId: string;
      readonly puzzle: Puzzle;
      readonly subject: WorkSubject;
      readonly effort: number;
      /** 12 random bytes of the thread's own. */
      readonly prefix: Uint8Array;
    }
  | {
      readonly kind: "shares";
      readonly chainId: string;
      readonly parameters: ShareParameters;
      readonly subject: ShareSubject;
    };

/** To a thread of shares: the slot to fill next, and in which percent of the time, 1 to 100. */
export type SlotOrder = { readonly slot: number; readonly duty: number };

export type ThreadMessage =
  /** A thread of shares waits for its first slot. */
  | { readonly type: "ready" }
  /** Tries since the last such message. */
  | { readonly type: "tried"; readonly tries: number }
  | { readonly type: "proof"; readonly proof: Uint8Array }
  | { readonly type: "share"; readonly slot: number; readonly nonce: number };

/** A thread says how far it is about this often. */
export const REPORT_MS = 50;
