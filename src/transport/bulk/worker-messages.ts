/** What a node and its bulk worker say to each other, over the worker's IPC (structured clones). */
import type { DriverTrial } from "../driver-trial.ts";
import type { HostPort, QuicDriverName, QuicIdentity } from "../quic-endpoint.ts";
import type { BulkSource } from "./port.ts";

export type StartOrder = {
  readonly driver: QuicDriverName;
  /** Carry bytes over [::1] first, and end where they do not come back. */
  readonly trial: boolean;
  /** An IPv6 literal; with a port that is not 0 the listeners take that one and those after it. */
  readonly listen: HostPort;
  readonly listeners: number;
  readonly identity: QuicIdentity;
  /** Who dials shows a certificate of it. */
  readonly authorityPem: string;
  /** Files that are served lie below it. */
  readonly folder: string;
};

/** Where another member listens, and what opens it. */
export type DialOrder = {
  readonly peer: string;
  /** Of the ask that this came of: more than that of the order before. */
  readonly number: number;
  readonly remotes: readonly HostPort[];
  readonly connections: number;
  readonly serverName: string;
  readonly authorityPem: string;
  readonly identity: QuicIdentity;
};

export type ToWorker =
  | ({ readonly kind: "start" } & StartOrder)
  | { readonly kind: "try"; readonly driver: QuicDriverName }
  | { readonly kind: "ping"; readonly number: number }
  /** The certificate with this SHA-256 is that peer's until then, wall time. `host`: where its session is. */
  | {
      readonly kind: "admit";
      readonly peer: string;
      readonly host: string | undefined;
      readonly fingerprint: string;
      readonly untilMs: number;
    }
  | ({ readonly kind: "dial" } & DialOrder)
  /** The session with that peer is over, and so is everything here with it. */
  | { readonly kind: "drop"; readonly peer: string }
  /** What we dialled to that peer is given up; what it dialled to us stays. */
  | { readonly kind: "hang-up"; readonly peer: string }
  | {
      readonly kind: "request";
      readonly id: number;
      readonly peer: string;
      readonly name: Uint8Array;
    }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "found"; readonly id: number; readonly source: BulkSource | undefined }
  | { readonly kind: "stop" };

export type AnswerStatus = "ok" | "absent" | "busy" | "lost";

/** How often somebody was turned away at the listeners, and why. */
export type RefusedCount = { readonly detail: string; readonly count: number };

/** What a worker has counted since the last pong (counts.ts). */
export type WorkerCounts = {
  readonly refused: readonly RefusedCount[];
  readonly servedBytes: number;
};

export type FromWorker =
  | { readonly kind: "ready"; readonly ports: readonly number[]; readonly ms: number }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "tried"; readonly trial: DriverTrial }
  /** `active`: members that have sent something since the last one. */
  | ({
      readonly kind: "pong";
      readonly number: number;
      readonly active: readonly string[];
    } & WorkerCounts)
  /** So many connections of that order are up now; none: the peer is not to be asked any more over them. */
  | {
      readonly kind: "connections";
      readonly peer: string;
      readonly number: number;
      readonly count: number;
      readonly detail: string;
    }
  | {
      readonly kind: "answer";
      readonly id: number;
      readonly status: AnswerStatus;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: "find";
      readonly id: number;
      readonly peer: string;
      readonly name: Uint8Array;
    }
  /** The certificate with this SHA-256 opens connections from now on. */
  | { readonly kind: "admitted"; readonly peer: string; readonly fingerprint: string };
