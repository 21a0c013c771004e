/**
 * Properties of one's own: what a run must show at its end, over one's own projections. Each node is shown as
 * it answers through its own handle, and the property says what is wrong with it, if anything.
 */
import { decodeEvent } from "../src/ledger/event.ts";
import type { Json } from "../src/ledger/event-schema.ts";
import { ownedDefinitions, type Projection } from "../src/ledger/projection.ts";
import { createRegistry, type EventRegistry } from "../src/ledger/registry.ts";
import { PROJECTIONS } from "../src/node/product.ts";
import type { CheckerFactory, Dump } from "./checkers/types.ts";
import { isAsync, MISTAKE_ID, thrownBy } from "./mistake.ts";

export type RowView = {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** As the projection's `format` shows it; undefined where it has none. */
  readonly json: Json | undefined;
};

export type EventView = {
  readonly index: number;
  readonly height: number;
  readonly type: string;
  /** What the newest definition of the type decodes. */
  readonly value: unknown;
  /** The code with which the log records a refusal; empty for an accepted event. */
  readonly refusedWith: string;
};

/** A node that followed the protocol, when the run has healed and everybody has caught up. */
export type NodeView = {
  readonly slot: number;
  readonly height: number;
  /** All events of its log. */
  readonly events: readonly EventView[];
  /** Rows of a projection in key order. Throws RangeError for a projection that is not there. */
  rows(projection: string): readonly RowView[];
};

/** What is wrong, or undefined. */
export type Property = (nodes: readonly NodeView[]) => string | undefined;

export type { WorkloadEvents } from "./records.ts";

const viewOf = (
  dump: Dump,
  registry: EventRegistry,
  projections: readonly Projection[],
): NodeView => ({
  slot: dump.slot,
  height: dump.status.executedHeight,
  events: dump.entries.map((entry) => {
    const event = decodeEvent(entry.eventBytes);
    const upcast = event.ok ? registry.upcast(event.value) : event;
    const { index, height, eventType: type, refusedWith } = entry;
    return { index, height, type, value: upcast.ok ? upcast.value.value : undefined, refusedWith };
  }),
  rows: (name) => {
    const rows = dump.rows.get(name);
    if (rows === undefined) throw new RangeError(`no projection "${name}"`);
    const format = projections.find((projection) => projection.name === name)?.format;
    return rows.map(({ key, value }) => ({ key, value, json: format?.(key, value) }));
  },
});

/** The id of a violation of a property of one's own. */
export const PROPERTY_ID = "property";

/** A checker that asks a property at the end of a run. What it throws is a mistake of its own. */
export const propertyChecker =
  (property: Property, own: readonly Projection[]): CheckerFactory =>
  ({ report }) => {
    const projections = [...PROJECTIONS, ...own];
    const registry = createRegistry(ownedDefinitions(projections));
    return {
      id: PROPERTY_ID,
      title: "the property that the caller has given",
      end: (dumps) => {
        let wrong: unknown;
        try {
          wrong = property(dumps.map((dump) => viewOf(dump, registry, projections)));
        } catch (error) {
          report(MISTAKE_ID, thrownBy("property", error));
          return;
        }
        if (wrong === undefined) return;
        if (typeof wrong === "string") report(PROPERTY_ID, wrong);
        else {
          const why = isAsync(wrong) ? ": it must not be async" : "";
          const neither = "neither a text, of what is wrong, nor nothing";
          report(MISTAKE_ID, `property has given ${neither}${why}`);
        }
      },
    };
  };
