/** What the routes are given: the ledger by its handle, people's formats, and ports. Nothing else. */

import type { ObservedMembers } from "../../detect/index.ts";
import type { Result } from "../../errors.ts";
import type { LedgerHandle } from "../../ledger/handle.ts";
import type {
  Clock,
  DriverFigures,
  Logger,
  Metrics,
  PeerFigures,
  Random,
  Timers,
} from "../../ledger/ports.ts";
import type { EncodedEvent } from "../../ledger/types.ts";
import type { ObjectsPort } from "../objects/port.ts";
import type { Incoming } from "./incoming.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Shares } from "./shares.ts";
import type { ApiTls } from "./tls.ts";
import type { Work } from "./work.ts";

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/** How payloads, rows and keys look to people. Pure; made from the projections and event schemas. */
export type Formats = {
  /** In the order of registration. */
  readonly projections: readonly string[];
  /** A payload as JSON; undefined when the type is not known to this version. */
  event(event: EncodedEvent): Json | undefined;
  /** A row as JSON. */
  row(projection: string, key: Uint8Array, value: Uint8Array): Json;
  /** The key that people type. `keyBytes(p, keyText(p, k))` is k. */
  keyText(projection: string, key: Uint8Array): string;
  keyBytes(projection: string, text: string): Result<Uint8Array>;
  /** What the keys of the rows to list begin with: all that are for people, or one group of them. */
  prefix(projection: string, group: string | undefined): Result<Uint8Array>;
};

export type ApiOptions = {
  readonly handle: LedgerHandle;
  readonly formats: Formats;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The text of GET /metrics. */
  readonly metricsPage: () => string;
  /** The other validators as the transport reaches them. */
  readonly peerFigures: () => readonly PeerFigures[];
  /** The driver of sessions and its faults; left out where there is none. */
  readonly driverFigures?: () => DriverFigures;
  /** What this node has seen of other members. */
  readonly observed: () => ObservedMembers;
  readonly objects: ObjectsPort;
  readonly version: string;
  readonly chainId: string;
  /** The chain is a development network's: others will run at this address. */
  readonly disposable: boolean;
  /** Any Host header is taken: for binds off loopback, where the name is not known here. */
  readonly anyHost: boolean;
  /** Speaks TLS 1.3 with this certificate; plain HTTP without. */
  readonly tls?: ApiTls | undefined;
};

/** What is bounded over all connections, and whom to tell when the node stops. */
export type ApiLoad = {
  stopping: boolean;
  /** Requests that wait. */
  readonly waiters: Shares;
  readonly incoming: Incoming;
  readonly outgoing: Outgoing;
  readonly work: Work;
  readonly onStop: Set<() => void>;
};

export type ApiContext = ApiOptions & { readonly load: ApiLoad };
