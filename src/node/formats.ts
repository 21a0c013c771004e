/** How payloads, rows and keys look to people: what the API shows and the command reads. */
import { fromHex, toHex } from "../crypto/bytes.ts";
import { evidenceUpcaster, quarantinePrefix } from "../detect/index.ts";
import { fail, ok, type Result } from "../errors.ts";
import type { AnyEventDefinition } from "../ledger/event-schema.ts";
import type { Genesis } from "../ledger/genesis.ts";
import { ownedDefinitions, type Projection } from "../ledger/projection.ts";
import { recordKey, recordTopicPrefix } from "../ledger/projections/records.ts";
import { timeRunsPrefix } from "../ledger/projections/time.ts";
import { workSharesPrefix } from "../ledger/projections/work.ts";
import { createRegistry, type EventRegistry } from "../ledger/registry.ts";
import { KeyReader } from "../ledger/row.ts";
import type { Formats } from "./api/context.ts";
import { certificateKeys, ctKeys } from "./ca/row-keys.ts";
import { capabilityKeys } from "./capability-keys.ts";
import { FURTHER_DEFINITIONS, PROJECTIONS, projectionsOf } from "./product.ts";
import { spaceKeys } from "./space/row-keys.ts";
import { stakeKeys } from "./stake/row-keys.ts";

/** The event types that the product's projections own. */
export const REGISTRY: EventRegistry = createRegistry(
  [...ownedDefinitions(PROJECTIONS), ...FURTHER_DEFINITIONS],
  [evidenceUpcaster],
);

/**
 * The newest version of an event type that can have this data: a chain may know an older one only. Where none
 * can, the oldest, whose refusal says why; undefined for a type that nobody knows.
 */
export const definitionFor = (type: string, data: unknown): AnyEventDefinition | undefined => {
  const versions = REGISTRY.definitions.filter((one) => one.type === type);
  return versions.findLast((one) => one.fromJson(data).ok) ?? versions[0];
};

/** How people name the rows of one projection; rows outside of `prefix` are its own bookkeeping. */
type KeyFormat = {
  readonly prefix: Uint8Array;
  text(key: Uint8Array): string;
  parse(text: string): Result<Uint8Array>;
  /** Prefix of the keys that a text selects; undefined where there is no such grouping. */
  group?(text: string): Uint8Array | undefined;
};

const NO_PREFIX = new Uint8Array(0);

const badKey = (detail: string): Result<never> =>
  fail("http.bad-parameter", `the key ${detail}`, { parameter: "key" });

/** Rows under a 32-byte id, written as 64 hex digits. */
const byId = (prefix: Uint8Array): KeyFormat => ({
  prefix,
  text: (key) => toHex(key.subarray(prefix.length)),
  parse: (text) => {
    if (!/^[0-9a-f]{64}$/.test(text)) return badKey("must be an id: 64 lower-case hex digits");
    return ok(Uint8Array.of(...prefix, ...fromHex(text)));
  },
});

/** Topics have no slash, so the first one ends the topic. */
const recordKeys: KeyFormat = {
  prefix: NO_PREFIX,
  text: (key) => {
    const reader = new KeyReader(key);
    return `${reader.text()}/${reader.text()}`;
  },
  parse: (text) => {
    const slash = text.indexOf("/");
    if (slash < 1 || slash === text.length - 1) return badKey("of a record is topic/key");
    if (!text.isWellFormed()) return badKey("is not well-formed text");
    return ok(recordKey(text.slice(0, slash), text.slice(slash + 1)));
  },
  group: recordTopicPrefix,
};

const KEYS: Readonly<Record<string, KeyFormat>> = {
  actors: byId(NO_PREFIX),
  validators: byId(Uint8Array.of(1)),
  records: recordKeys,
  assets: byId(NO_PREFIX),
  quarantine: byId(quarantinePrefix),
  certificates: certificateKeys,
  ct: ctKeys,
  time: byId(timeRunsPrefix),
  work: byId(workSharesPrefix),
  space: spaceKeys,
  stake: stakeKeys,
  capabilities: capabilityKeys,
  // One row a validator; the keys that it lists are rows of their own.
  "epoch-keys": byId(Uint8Array.of(0)),
};

/** Any projection without a format of its own: keys as hex. */
const HEX_KEYS: KeyFormat = {
  prefix: NO_PREFIX,
  text: toHex,
  parse: (text) =>
    /^([0-9a-f]{2})+$/.test(text) ? ok(fromHex(text)) : badKey("must be lower-case hex"),
};

const keysOf = (projection: string): KeyFormat => KEYS[projection] ?? HEX_KEYS;

/** Formats for people, of these projections and event types. */
export const createFormats = (
  projections: readonly Projection[],
  registry: EventRegistry,
): Formats => ({
  projections: projections.map((projection) => projection.name),
  event: (event) => {
    const definition = registry.get(event.type, event.version);
    const decoded = definition?.decode(event.payload);
    return decoded?.ok === true ? definition?.toJson(decoded.value) : undefined;
  },
  row: (name, key, value) =>
    projections.find((projection) => projection.name === name)?.format?.(key, value) ?? {
      bytes: toHex(value),
    },
  keyText: (name, key) => keysOf(name).text(key),
  keyBytes: (name, text) => keysOf(name).parse(text),
  prefix: (name, text) => {
    const format = keysOf(name);
    if (text === undefined) return ok(format.prefix);
    const group = format.group?.(text);
    return group === undefined
      ? fail("http.bad-parameter", `${name} has no groups to list by`, { parameter: "prefix" })
      : ok(group);
  },
});

/** The version of a projection's rows that FORMATS reads; undefined for one that it does not know. */
export const schemaVersionOf = (projection: string): number | undefined =>
  PROJECTIONS.find(({ name }) => name === projection)?.schemaVersion;

export const FORMATS: Formats = createFormats(PROJECTIONS, REGISTRY);

/** What a node of this chain shows: its own projections only. */
export const formatsOf = (genesis: Pick<Genesis, "proofs">): Formats =>
  createFormats(projectionsOf(genesis), REGISTRY);
