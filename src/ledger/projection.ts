/**
 * Projections: the public contract of everything that reads the log (docs/projections.md).
 *
 * A projection is a fold over the events of the log into rows, a key-value table whose root every header
 * commits to. It owns some event types: for these it decides whether an event is accepted. It may listen
 * to events of others: it hears them only when their owner accepted them, and cannot refuse them.
 *
 * What the runner promises:
 * - Events come in log order, one at a time, and are never undone: only final blocks are executed.
 * - For each event: the owner decides, then the owner applies, then the listeners apply, in the order in
 *   which the projections are registered. A refused event reaches nobody's `apply`; only the owner may say
 *   what its own refusal leaves behind (`refused`), for tries that are counted.
 * - A projection reads and writes its own rows only; what one must know of another travels as events.
 * - Every stored row remembers the index of the event that last changed it.
 *
 * What a projection promises: it is a pure, synchronous function of its rows, the event and the context.
 * No clock, no randomness, no floating point, no state of its own between calls, no order taken from a
 * Set or Map that was not filled in a fixed order; and it neither keeps nor changes arrays that it is
 * given. A projection that throws is a bug of this program, not an outcome: the replica halts.
 */
import type { FalconVerifier } from "../crypto/falcon.ts";
import type { Hasher } from "../crypto/hash.ts";
import { LIMITS } from "../limits.ts";
import type { LedgerEpoch } from "./chain-point.ts";
import type { AnyEventDefinition, EventDefinition, Json } from "./event-schema.ts";
import type { Genesis } from "./genesis.ts";
import { isRefusalCode } from "./leaf.ts";
import type { Hash, ValidatorSet } from "./types.ts";

/** Why an event has no effect. The code is recorded in the log; the detail is not replicated. */
export type Refusal = {
  readonly code: string;
  readonly detail: string;
  /**
   * The event opens a commitment of its author and shows by that alone that the commitment was false. Not
   * recorded either: what follows from it is written by the owner (`refused`).
   */
  readonly forged?: boolean;
};

/** `code`: dotted lower-case words, at most 64 bytes; event.conflict and event.invalid are usual. */
export const refuse = (code: string, detail: string): Refusal => ({ code, detail });

/** The projection's own rows as they are before the event. */
export type ProjectionRead = {
  /** The value of a row, or undefined. A view: not to be written to. */
  get(key: Uint8Array): Uint8Array | undefined;
};

/** The projection's own rows, to change. Later reads see earlier writes. */
export type ProjectionTx = ProjectionRead & {
  /** Key 1 to LIMITS.rowKeyBytesMax bytes, value at most LIMITS.rowValueBytesMax. */
  put(key: Uint8Array, value: Uint8Array): void;
  del(key: Uint8Array): void;
};

/**
 * Checks a FALCON-1024 signature, synchronously: `verify` of a FalconVerifier (signature, message, key).
 * False for malformed input, never a throw; every implementation gives the same answer.
 */
export type VerifySignature = FalconVerifier["verify"];

/** Where an event stands. The same on every node. */
export type EventContext = {
  readonly height: number;
  /** Ledger time: the header's, milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** Global index of the event, from 0. */
  readonly index: number;
  readonly batchId: Hash;
  /** Position in the batch, from 0. */
  readonly position: number;
  /** Who signed the batch. */
  readonly actor: Hash;
  /**
   * The epoch of the event's block. Only a chain of format 2 tells: on one of format 1 reading any part of
   * it throws, so what asks for it must not be in the projections of such a chain.
   */
  readonly epoch: LedgerEpoch;
  /**
   * The beacon of a final height, up to that of the block before the event's, and at most
   * LIMITS.beaconHistory below the event's; undefined for any other, and where the chain has no beacon.
   */
  readonly beaconAt: (height: number) => Hash | undefined;
  /** The set of the event's epoch. Only a chain of format 2 tells: elsewhere asking throws. */
  readonly validatorSet: () => ValidatorSet;
  readonly hasher: Hasher;
  readonly verifySignature: VerifySignature;
};

export type GenesisContext = { readonly hasher: Hasher };

export type Decide<T> = (
  read: ProjectionRead,
  value: T,
  context: EventContext,
) => Refusal | undefined;
export type Apply<T> = (tx: ProjectionTx, value: T, context: EventContext) => void;
/** What a refusal by the owner's own `decide` leaves in its rows. */
export type Refused<T> = (
  tx: ProjectionTx,
  value: T,
  context: EventContext,
  refusal: Refusal,
) => void;

/** An event type that the projection decides on. */
export type OwnedEvent = {
  readonly definition: AnyEventDefinition;
  readonly decide: Decide<unknown> | undefined;
  readonly apply: Apply<unknown>;
  readonly refused: Refused<unknown> | undefined;
  readonly resource: ((value: unknown) => string) | undefined;
};

/** An event type of another projection. */
export type ListenedEvent = { readonly type: string; readonly apply: Apply<unknown> };

/**
 * Declares an event type that the projection owns, by its newest definition: older versions reach it
 * through the registry's upcasters. Without `decide` every well-formed event is accepted; without `refused`
 * a refused one changes nothing.
 */
export const own = <T>(
  definition: EventDefinition<T>,
  handlers: {
    readonly decide?: Decide<T>;
    readonly apply: Apply<T>;
    readonly refused?: Refused<T>;
    /** What the event is about, for capabilities that are for a part of all resources only. */
    readonly resource?: (value: T) => string;
  },
): OwnedEvent => ({
  definition,
  // The runner passes the value that this definition decoded, so T is what arrives.
  decide: handlers.decide as Decide<unknown> | undefined,
  apply: handlers.apply as Apply<unknown>,
  refused: handlers.refused as Refused<unknown> | undefined,
  resource: handlers.resource as ((value: unknown) => string) | undefined,
});

/** Listens to accepted events of another projection whose definition may be imported here. */
export const listen = <T>(definition: EventDefinition<T>, apply: Apply<T>): ListenedEvent => ({
  type: definition.type,
  apply: apply as Apply<unknown>,
});

/**
 * Listens by name, where the definition may not be imported (areas of the product do not import each
 * other). The value is what the owner's newest definition decodes: narrow it, and throw if it does not
 * fit, because then the two areas have drifted apart.
 */
export const listenTo = (type: string, apply: Apply<unknown>): ListenedEvent => ({ type, apply });

export type ProjectionSpec = {
  /** Lower-case words with dashes; names the rows in the store, the API and the state root. */
  readonly name: string;
  /** Changes when the rows of one log come out differently than before: a protocol change. */
  readonly schemaVersion: number;
  readonly owns: readonly OwnedEvent[];
  readonly listens?: readonly ListenedEvent[];
  /** Writes the rows that the genesis gives. Runs once, before the first event. */
  readonly genesis?: (tx: ProjectionTx, genesis: Genesis, context: GenesisContext) => void;
  /** A row for people: API, command line. Throws for bytes that are not a row of this projection. */
  readonly format?: (key: Uint8Array, value: Uint8Array) => Json;
};

export type Projection = ProjectionSpec & { readonly listens: readonly ListenedEvent[] };

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/**
 * Defines a projection. Throws RangeError for a malformed name or version and for an event type that is
 * named twice: definitions are written by programmers, and a node must not start with a wrong one.
 */
export const defineProjection = (spec: ProjectionSpec): Projection => {
  const { name, schemaVersion, owns, listens = [] } = spec;
  if (name.length > LIMITS.nameBytesMax || !NAME.test(name)) {
    throw new RangeError(`not a projection name: ${name}`);
  }
  if (!Number.isInteger(schemaVersion) || schemaVersion < 1 || schemaVersion > 0xffff) {
    throw new RangeError(`${name}: not a schema version: ${schemaVersion}`);
  }
  const types = new Set<string>();
  for (const type of [...owns.map((one) => one.definition.type), ...listens.map((l) => l.type)]) {
    if (types.has(type)) throw new RangeError(`${name} names ${type} twice`);
    types.add(type);
  }
  return { ...spec, listens };
};

/** The definitions of all events that the projections own: what a registry is made from. */
export const ownedDefinitions = (projections: readonly Projection[]): AnyEventDefinition[] =>
  projections.flatMap((projection) => projection.owns.map((one) => one.definition));

/** Throws RangeError for a refusal that could not be recorded: a bug of the projection. */
export const checkRefusal = (refusal: Refusal): Refusal => {
  if (!isRefusalCode(refusal.code)) throw new RangeError(`not a refusal code: ${refusal.code}`);
  return refusal;
};
