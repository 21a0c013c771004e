/**
 * The event types that this protocol version knows, and the way from old versions of a type to its
 * newest: projections are written against the newest version only.
 */
import { type Failure, fail, ok, type Result } from "../errors.ts";
import type { AnyEventDefinition, EventDefinition } from "./event-schema.ts";
import type { EncodedEvent } from "./types.ts";

/** Turns a value of one version of a type into one of a later version. Pure. */
export type Upcaster = {
  readonly type: string;
  readonly from: number;
  readonly to: number;
  upcast(value: unknown): unknown;
};

export type UpcastEvent = {
  readonly type: string;
  readonly version: number;
  readonly value: unknown;
};

export type EventRegistry = {
  /** Every definition, by type and then version. */
  readonly definitions: readonly AnyEventDefinition[];
  get(type: string, version: number): AnyEventDefinition | undefined;
  /** What the checks of these events may take, by their types alone: LIMITS.blockCheckUnitsMax has the unit. */
  checkUnits(events: readonly Pick<EncodedEvent, "type" | "version">[]): number;
  /** The newest version of a type. */
  latest(type: string): AnyEventDefinition | undefined;
  /** Codes: batch.unknown-event-type, batch.bad-payload. */
  check(event: EncodedEvent): Failure | undefined;
  /** The value at the version that the author wrote. Codes as `check`. */
  decode(event: EncodedEvent): Result<unknown>;
  /** The value at the newest version of the type. Codes as `check`. */
  upcast(event: EncodedEvent): Result<UpcastEvent>;
};

/** An upcaster whose function is typed by the two definitions. */
export const defineUpcaster = <A, B>(
  from: EventDefinition<A>,
  to: EventDefinition<B>,
  upcast: (value: A) => B,
): Upcaster => {
  if (from.type !== to.type || from.version >= to.version) {
    throw new RangeError(`no upcast from ${nameOf(from)} to ${nameOf(to)}`);
  }
  return {
    type: from.type,
    from: from.version,
    to: to.version,
    upcast: (value) => upcast(value as A),
  };
};

/**
 * Builds a registry. Throws RangeError when a type and version is defined twice, when an upcaster names
 * a version that is not defined, or when an old version has no way to the newest: a node must not start
 * with events that it could not apply.
 */
export const createRegistry = (
  definitions: readonly AnyEventDefinition[],
  upcasters: readonly Upcaster[] = [],
): EventRegistry => {
  const versions = new Map<string, Map<number, AnyEventDefinition>>();
  const newest = new Map<string, AnyEventDefinition>();
  for (const one of definitions) {
    const ofType = versions.get(one.type) ?? new Map<number, AnyEventDefinition>();
    if (ofType.has(one.version)) throw new RangeError(`${nameOf(one)} is defined twice`);
    ofType.set(one.version, one);
    versions.set(one.type, ofType);
    if (one.version > (newest.get(one.type)?.version ?? 0)) newest.set(one.type, one);
  }
  const get = (type: string, version: number): AnyEventDefinition | undefined =>
    versions.get(type)?.get(version);
  const steps = collectUpcasters(get, upcasters);
  for (const one of definitions) {
    if (one !== newest.get(one.type) && !steps.has(nameOf(one))) {
      throw new RangeError(`${nameOf(one)} has no upcaster`);
    }
  }
  const unknown = ({ type, version }: EncodedEvent): Failure =>
    fail("batch.unknown-event-type", `${type} version ${version}`, { type, version });
  const decode = (event: EncodedEvent): Result<unknown> =>
    get(event.type, event.version)?.decode(event.payload) ?? unknown(event);
  return {
    definitions: [...definitions].sort(byTypeAndVersion),
    get,
    checkUnits: (events) =>
      events.reduce((sum, { type, version }) => sum + (get(type, version)?.checkUnits ?? 0), 0),
    latest: (type) => newest.get(type),
    check: (event) => {
      const found = get(event.type, event.version);
      return found === undefined ? unknown(event) : found.check(event.payload);
    },
    decode,
    upcast: (event) => {
      const decoded = decode(event);
      if (!decoded.ok) return decoded;
      const { type } = event;
      let { value } = decoded;
      let { version } = event;
      while (version !== newest.get(type)?.version) {
        const step = steps.get(nameOf({ type, version }));
        if (step === undefined) break;
        value = step.upcast(value);
        version = step.to;
      }
      return ok({ type, version, value });
    },
  };
};

const nameOf = (one: { readonly type: string; readonly version: number }): string =>
  `${one.type} version ${one.version}`;

const byTypeAndVersion = (a: AnyEventDefinition, b: AnyEventDefinition): number =>
  a.type === b.type ? a.version - b.version : a.type < b.type ? -1 : 1;

/** One step a version; each leads to a later version, so every chain ends. */
function collectUpcasters(
  get: (type: string, version: number) => AnyEventDefinition | undefined,
  upcasters: readonly Upcaster[],
): Map<string, Upcaster> {
  const steps = new Map<string, Upcaster>();
  for (const step of upcasters) {
    const key = nameOf({ type: step.type, version: step.from });
    if (step.to <= step.from) throw new RangeError(`upcaster of ${key} does not go forward`);
    if (get(step.type, step.from) === undefined || get(step.type, step.to) === undefined) {
      throw new RangeError(`upcaster of ${key} names a version that is not defined`);
    }
    if (steps.has(key)) throw new RangeError(`${key} has two upcasters`);
    steps.set(key, step);
  }
  return steps;
}
