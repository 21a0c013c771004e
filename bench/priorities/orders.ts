/** What the benchmark's process and the load in a validator (bulk-load.ts) say to each other. */

export type BulkOrder = {
  readonly bulk: true;
  readonly number: number;
  /** "[ipv6]:port" of the peer that gets chunks from now on; undefined: nobody does. */
  readonly to: string | undefined;
};

/** Since the order before: bytes since the start, delays of the event loop since then. */
export type BulkFigures = {
  /** Number of the order that this answers. */
  readonly order: number;
  readonly received: number;
  readonly hashed: number;
  readonly loopMs: { readonly p50: number; readonly p99: number; readonly max: number };
};
