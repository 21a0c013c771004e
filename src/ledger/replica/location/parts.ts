/** What the two sides of a measurement share: the chain as it runs here, and ways to the outside. */
import type { Failure } from "../../../errors.ts";
import type { LocationParameters } from "../../../proofs/location/parameters.ts";
import type { SpaceParameters } from "../../../proofs/space/parameters.ts";
import type { LedgerEpoch } from "../../chain-point.ts";
import type { LocationMessage } from "../../location-messages.ts";
import type { PeerId } from "../../ports.ts";
import type { EncodedEvent, Hash, ValidatorSet } from "../../types.ts";
import type { Context } from "../context.ts";

/** The epoch of the next height, as it is executed here. */
export type Running = {
  readonly epoch: LedgerEpoch;
  readonly height: number;
  readonly set: ValidatorSet;
};

export type LocationParts = {
  readonly context: Context;
  readonly self: Hash;
  readonly parameters: LocationParameters;
  readonly space: SpaceParameters;
  /** Undefined before anything is executed here. */
  running(): Running | undefined;
  syncing(): boolean;
  peers(): readonly PeerId[];
  /** Whether the peer has shown the key of its node on this session. */
  isSecured(peer: PeerId): boolean;
  /** Microseconds, never decreasing; what lies between two readings is never less than it was. */
  nowUs(): number;
  send(peer: PeerId, message: LocationMessage): boolean;
  /** With the key that this node has in the running epoch's set; nothing is called where that is not here. */
  sign(message: Uint8Array, done: (signature: Uint8Array) => void): void;
  write(make: () => EncodedEvent | undefined): void;
  fault(peer: PeerId, failure: Failure): void;
};
