/**
 * Runs events through the projections, in log order: who decides, who hears, what came of it. Writes stay
 * in overlays; execution.ts and rebuild.ts turn them into stored rows and roots.
 */
import { isZero } from "../crypto/bytes.ts";
import type { Hasher } from "../crypto/hash.ts";
import { TetradError } from "../errors.ts";
import { type LedgerEpoch, missingPoint, readPoint } from "./chain-point.ts";
import { type EventPlace, NOWHERE, placeAt } from "./event-place.ts";
import { readFinalHeader } from "./final-header.ts";
import type { GenesisProofs } from "./genesis-proofs.ts";
import { hashLeafInto } from "./leaf.ts";
import { EffectsLog, Overlay } from "./overlay.ts";
import {
  type Apply,
  checkRefusal,
  type EventContext,
  type OwnedEvent,
  type Projection,
  type ProjectionRead,
  type ProjectionTx,
  type Refusal,
  type VerifySignature,
} from "./projection.ts";
import type { ReadStore } from "./records.ts";
import type { EventRegistry, UpcastEvent } from "./registry.ts";
import { GENESIS_ORIGIN } from "./row.ts";
import type {
  Batch,
  EncodedEvent,
  Hash,
  Header,
  LogEntry,
  Outcome,
  ValidatorSet,
} from "./types.ts";

/** Who may write what. Read from the rows of one projection, whose key is the actor's id. */
export type Permissions = {
  readonly projection: string;
  /** The rule for the actor with this row; undefined for an actor without one. */
  rule(row: Uint8Array | undefined): (eventType: string) => Refusal | undefined;
  /** Asked where the rule says event.forbidden, on chains that have the projection. */
  readonly capabilities?: {
    readonly projection: string;
    allows(read: ProjectionRead, use: CapabilityUse): boolean;
  };
};

/** What an author is about to do. `resource` is "" where the event's owner names none. */
export type CapabilityUse = {
  readonly actor: Hash;
  readonly type: string;
  readonly resource: string;
  readonly timeMs: number;
};

/**
 * What one projection writes as a block is executed, before the block's events. Such rows have the origin of
 * the genesis: no event wrote them.
 */
export type BoundaryRule = {
  readonly projection: string;
  /** For the last block of an epoch. `read`: the store as it is before the block. */
  apply(tx: ProjectionTx, read: ReadStore, end: EpochEnd): void;
  /** For every block, after that: what its header says of the views before it. */
  passed?(tx: ProjectionTx, block: PassedViews): void;
};

/** The views of a header, its ledger time, and the epoch that it is of. */
export type PassedViews = Pick<Header, "view" | "parentView" | "timeMs"> & {
  readonly epoch: LedgerEpoch;
  /** Whether it ends that epoch. */
  readonly isLast: boolean;
};

/** The epoch that ends with a block, and the block's ledger time. */
export type EpochEnd = { readonly epoch: number; readonly timeMs: number };

export type RunnerOptions = {
  readonly hasher: Hasher;
  readonly registry: EventRegistry;
  /** In the order in which listeners hear events and roots are committed to. */
  readonly projections: readonly Projection[];
  readonly permissions: Permissions;
  readonly verifySignature: VerifySignature;
  /** What the genesis says of proofs, where it is of format 2: then events are told epoch and beacon. */
  readonly proofs?: GenesisProofs | undefined;
  /** The set of an epoch as the store has it, for events that are told it. */
  readonly setOf?: ((read: ReadStore, epoch: number) => ValidatorSet | undefined) | undefined;
  /** Of a chain of format 2, which keeps points. */
  readonly boundary?: BoundaryRule | undefined;
};

/** What execution needs of a block; whole headers and batches fit. */
export type BlockInput = {
  readonly header: Pick<Header, "height" | "timeMs"> &
    Partial<Pick<Header, "nextSetHash" | "view" | "parentView">>;
  readonly batches: readonly Pick<Batch, "id" | "digest" | "actor" | "events">[];
};

type Route = {
  /** Position of the projection in the list. */
  readonly at: number;
  readonly apply: Apply<unknown>;
};

type EventRoutes = {
  readonly owner: OwnedEvent;
  readonly ownerAt: number;
  readonly listeners: readonly Route[];
};

export type Dispatch = RunnerOptions & {
  readonly routes: ReadonlyMap<string, EventRoutes>;
  readonly permissionsAt: number;
  /** -1 where there is no rule. */
  readonly boundaryAt: number;
  /** -1 where the chain has no capabilities. */
  readonly capabilitiesAt: number;
  readonly noEffects: Hash;
  /** For one event at a time, of whichever block: it is over when the next begins. */
  readonly effects: EffectsLog;
};

/**
 * Checks that registry and projections fit: one owner an event type, and that owner at the newest
 * version. Throws RangeError otherwise: a node must not start with events that it could not apply.
 */
export const createDispatch = (options: RunnerOptions): Dispatch => {
  const { registry, projections, permissions, hasher } = options;
  const names = projections.map((projection) => projection.name);
  if (new Set(names).size !== names.length) throw new RangeError("two projections share a name");
  const routes = new Map<string, EventRoutes>();
  projections.forEach((projection, ownerAt) => {
    for (const owner of projection.owns) {
      const { type, version } = owner.definition;
      if (routes.has(type)) throw new RangeError(`${type} has two owners`);
      if (registry.latest(type)?.version !== version) {
        throw new RangeError(`${projection.name} owns ${type} version ${version}, not the newest`);
      }
      routes.set(type, { owner, ownerAt, listeners: listenersOf(projections, type) });
    }
  });
  for (const { type } of registry.definitions) {
    if (!routes.has(type)) throw new RangeError(`no projection owns ${type}`);
  }
  const heard = projections.flatMap((projection) => projection.listens.map((one) => one.type));
  for (const type of heard) {
    if (!routes.has(type)) throw new RangeError(`no projection owns ${type}, which is listened to`);
  }
  const permissionsAt = names.indexOf(permissions.projection);
  if (permissionsAt < 0) throw new RangeError(`no projection ${permissions.projection}`);
  const { boundary } = options;
  const boundaryAt = boundary === undefined ? -1 : names.indexOf(boundary.projection);
  if (boundary !== undefined && boundaryAt < 0) {
    throw new RangeError(`no projection ${boundary.projection}`);
  }
  const capabilitiesAt = names.indexOf(permissions.capabilities?.projection ?? "");
  const at = { permissionsAt, boundaryAt, capabilitiesAt };
  return {
    ...options,
    routes,
    ...at,
    noEffects: hasher.ht("effects"),
    effects: new EffectsLog(hasher),
  };
};

function listenersOf(projections: readonly Projection[], type: string): Route[] {
  return projections.flatMap((projection, at) =>
    projection.listens
      .filter((listener) => listener.type === type)
      .map((listener) => ({ at, apply: listener.apply })),
  );
}

const HASH_BYTES = 32;
const NO_HASHES = new Uint8Array(0);
const ACCEPTED: Outcome = { kind: "accepted" };

/** One block's way through the projections. Throws for a projection's bug: the caller must halt. */
export class BlockRun {
  readonly overlays: readonly Overlay[];
  /** What came of each event so far, in log order. */
  readonly entries: LogEntry[] = [];
  readonly #dispatch: Dispatch;
  readonly #header: BlockInput["header"];
  readonly #effects: EffectsLog;
  #leafHashes: Uint8Array = NO_HASHES;
  readonly #firstIndex: number;
  readonly #place: EventPlace;
  readonly #validatorSet: () => ValidatorSet;

  constructor(
    dispatch: Dispatch,
    read: ReadStore,
    header: BlockInput["header"],
    firstIndex: number,
  ) {
    this.#dispatch = dispatch;
    this.#header = header;
    this.#firstIndex = firstIndex;
    this.#effects = dispatch.effects;
    this.#effects.reset();
    const { proofs } = dispatch;
    this.#place =
      proofs === undefined ? NOWHERE : placeAt(read, header.height, proofs.beacon !== null);
    this.#validatorSet = setOnce(this.#place, (epoch) => dispatch.setOf?.(read, epoch));
    this.overlays = dispatch.projections.map(
      (projection) => new Overlay(projection.name, read, this.#effects),
    );
    if (dispatch.boundary !== undefined) this.#boundary(dispatch.boundary, read);
  }

  #boundary(rule: BoundaryRule, read: ReadStore): void {
    const { epoch } = this.#place;
    const { timeMs } = this.#header;
    const isLast = this.#endsEpoch(read, epoch.number);
    const overlay = this.#overlay(this.#dispatch.boundaryAt);
    overlay.open(GENESIS_ORIGIN);
    if (isLast) rule.apply(overlay.tx, read, { epoch: epoch.number, timeMs });
    this.#effects.reset();
    rule.passed?.(overlay.tx, { ...this.#views(read), epoch, timeMs, isLast });
    overlay.close();
    this.#effects.reset();
  }

  #views(read: ReadStore): Pick<Header, "view" | "parentView"> {
    const { view, parentView, height } = this.#header;
    if (view !== undefined && parentView !== undefined) return { view, parentView };
    // As in #endsEpoch: the block of a final height is in the store.
    return readFinalHeader(this.#dispatch.hasher, read, height);
  }

  #endsEpoch(read: ReadStore, epoch: number): boolean {
    const { nextSetHash, height } = this.#header;
    if (nextSetHash !== undefined) return !isZero(nextSetHash);
    // Who executes again what is final has no header at hand, but the point of the height.
    const after = readPoint(read, height);
    if (after === undefined) throw missingPoint(height);
    return after.epoch.number > epoch;
  }

  /** Global index of the next event. */
  get index(): number {
    return this.#firstIndex + this.entries.length;
  }

  /** The hash of each entry's leaf, one after the other. */
  get leafHashes(): Uint8Array {
    return this.#leafHashes.subarray(0, this.entries.length * HASH_BYTES);
  }

  #reserveLeaves(count: number): void {
    const needed = (this.entries.length + count) * HASH_BYTES;
    if (needed <= this.#leafHashes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#leafHashes.length));
    grown.set(this.#leafHashes);
    this.#leafHashes = grown;
  }

  /** Runs a batch's events in order. */
  batch(batch: BlockInput["batches"][number]): void {
    const { height } = this.#header;
    this.#reserveLeaves(batch.events.length);
    // One array for the effects of all events: an array a hash is most of what a block leaves to collect.
    const effects = new Uint8Array(batch.events.length * HASH_BYTES);
    const actors = this.#overlay(this.#dispatch.permissionsAt);
    let asOf = -1;
    let allowed: ReturnType<Permissions["rule"]> = () => undefined;
    batch.events.forEach((event, position) => {
      // An earlier event may have changed what the actor may do.
      if (asOf !== actors.changes) {
        asOf = actors.changes;
        allowed = this.#dispatch.permissions.rule(actors.reader.get(batch.actor));
      }
      const context = this.#context(batch, position);
      const outcome = this.#event(event, context, allowed);
      const effectsHash = this.#effectsHash(effects, position * HASH_BYTES);
      const { index } = context;
      const entry = { index, height, batchId: batch.id, position, outcome, effectsHash, event };
      hashLeafInto(entry, this.#leafHashes, this.entries.length * HASH_BYTES);
      this.entries.push(entry);
    });
  }

  /** What the event wrote, hashed into `effects` from `at` on; forgets the writes. */
  #effectsHash(effects: Uint8Array, at: number): Hash {
    if (this.#effects.writes === 0) return this.#dispatch.noEffects;
    this.#effects.hashInto(effects, at);
    this.#effects.reset();
    return effects.subarray(at, at + HASH_BYTES);
  }

  #context(batch: BlockInput["batches"][number], position: number): EventContext {
    return {
      height: this.#header.height,
      timeMs: this.#header.timeMs,
      index: this.index,
      batchId: batch.id,
      position,
      actor: batch.actor,
      hasher: this.#dispatch.hasher,
      verifySignature: this.#dispatch.verifySignature,
      epoch: this.#place.epoch,
      beaconAt: this.#place.beaconAt,
      validatorSet: this.#validatorSet,
    };
  }

  #overlay(at: number): Overlay {
    const overlay = this.overlays[at];
    if (overlay === undefined) throw new RangeError(`no projection ${at}`);
    return overlay;
  }

  #event(
    event: EncodedEvent,
    context: EventContext,
    allowed: (type: string) => Refusal | undefined,
  ): Outcome {
    const decoded = this.#dispatch.registry.upcast(event);
    if (!decoded.ok) {
      const unknown = decoded.code === "batch.unknown-event-type";
      return refused(unknown ? "event.unknown-type" : "event.bad-payload");
    }
    const routes = this.#dispatch.routes.get(decoded.value.type);
    if (routes === undefined) return refused("event.unknown-type");
    const forbidden = allowed(decoded.value.type);
    if (forbidden !== undefined && !this.#isGranted(forbidden, routes, decoded.value, context)) {
      return refused(checkRefusal(forbidden).code);
    }
    const refusal = this.#decide(routes, decoded.value, context);
    if (refusal !== undefined) {
      const leave = routes.owner.refused;
      if (leave !== undefined) {
        const apply: Apply<unknown> = (tx, value, at) => leave(tx, value, at, refusal);
        this.#apply({ at: routes.ownerAt, apply }, decoded.value, context);
      }
      return refused(refusal.code);
    }
    this.#apply({ at: routes.ownerAt, apply: routes.owner.apply }, decoded.value, context);
    for (const listener of routes.listeners) this.#apply(listener, decoded.value, context);
    return ACCEPTED;
  }

  /** Whether a capability allows what the author's own permissions do not. */
  #isGranted(
    forbidden: Refusal,
    { owner }: EventRoutes,
    { type, value }: UpcastEvent,
    { actor, timeMs }: EventContext,
  ): boolean {
    const { capabilitiesAt, permissions } = this.#dispatch;
    if (capabilitiesAt < 0 || forbidden.code !== "event.forbidden") return false;
    const use = { actor, type, resource: owner.resource?.(value) ?? "", timeMs };
    const { reader } = this.#overlay(capabilitiesAt);
    return permissions.capabilities?.allows(reader, use) ?? false;
  }

  #decide(routes: EventRoutes, event: UpcastEvent, context: EventContext): Refusal | undefined {
    const { decide } = routes.owner;
    if (decide === undefined) return undefined;
    const overlay = this.#overlay(routes.ownerAt);
    try {
      const refusal = decide(overlay.reader, event.value, context);
      return refusal === undefined ? undefined : checkRefusal(refusal);
    } catch (error) {
      throw this.#bug(routes.ownerAt, event.type, context, error);
    }
  }

  #apply(route: Route, event: UpcastEvent, context: EventContext): void {
    const overlay = this.#overlay(route.at);
    overlay.open(context.index);
    try {
      route.apply(overlay.tx, event.value, context);
    } catch (error) {
      throw this.#bug(route.at, event.type, context, error);
    } finally {
      overlay.close();
    }
  }

  /** The disk's failures pass as they are; everything else is a bug that the operator must see named. */
  #bug(at: number, type: string, context: EventContext, error: unknown): TetradError {
    if (error instanceof TetradError) return error;
    const projection = this.#dispatch.projections[at]?.name ?? "";
    const { height, index } = context;
    const reason = error instanceof Error ? error.message : String(error);
    return new TetradError("internal", `projection ${projection} failed on ${type}: ${reason}`, {
      projection,
      type,
      height,
      index,
    });
  }
}

/** The set of a block's epoch, read when the first event asks for it. Throws "store.corrupt" where it is missing. */
const setOnce = (
  { epoch }: EventPlace,
  setOf: (epoch: number) => ValidatorSet | undefined,
): (() => ValidatorSet) => {
  let known: ValidatorSet | undefined;
  return () => {
    known ??= setOf(epoch.number);
    if (known !== undefined) return known;
    throw new TetradError("store.corrupt", `the validator set of epoch ${epoch.number} is missing`);
  };
};

const refused = (code: string): Outcome => ({ kind: "refused", code });
