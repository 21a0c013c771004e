/**
 * Events as a node tells them, made into what programs get. What the log commits to is read strictly and put
 * together to the leaf again, so that it can be compared with what validators have signed; `data` is decoded
 * here from the payload, never taken from the node.
 */
import { fromHex, toHex } from "../crypto/bytes.ts";
import { TetradError } from "../errors.ts";
import { encodeEvent, isEventType } from "../ledger/event.ts";
import type { Json } from "../ledger/event-schema.ts";
import { isRefusalCode } from "../ledger/leaf.ts";
import type { LogEntry, Outcome } from "../ledger/types.ts";
import { bytesAt } from "../ledger/verify/base64url.ts";
import { LIMITS } from "../limits.ts";
import { REGISTRY } from "../node/formats.ts";
import { badAnswer, isObject } from "./http.ts";

/** One event of the log. */
export type LedgerEvent = {
  /** Its place in the log, from 0 on. */
  readonly index: number;
  /** Height of the block that its batch is in. */
  readonly height: number;
  /** 64 hex digits. */
  readonly batchId: string;
  /** Its place in the batch. */
  readonly position: number;
  readonly type: string;
  readonly version: number;
  /** A refused event stays in the log and has no effect; `code` says why (docs/errors.md). */
  readonly outcome: Outcome;
  /** Hash of what it changed in the projections, 64 hex digits. */
  readonly effectsHash: string;
  /** The payload, decoded; undefined for a type that this version does not know. */
  readonly data: { readonly [key: string]: Json } | undefined;
  readonly payload: Uint8Array;
  /** True: everything above was checked against what validators have signed. */
  readonly verified: boolean;
  /**
   * Ledger time of the height, ISO 8601, as the node says. The log does not commit to it, so it is the
   * node's word even when `verified` is true. Absent where the node did not say.
   */
  readonly claimedTime?: string;
};

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const isIndex = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

const isHash = (value: unknown): value is string =>
  typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

const outcomeOf = (value: unknown): Outcome | undefined => {
  if (!isObject(value)) return undefined;
  const { kind, code } = value;
  if (kind === "accepted") return { kind };
  return kind === "refused" && typeof code === "string" && isRefusalCode(code)
    ? { kind, code }
    : undefined;
};

/** The entry of the log that a JSON event of the API is; client.bad-answer for what is none. */
export const readEntry = (base: string, json: unknown): LogEntry => {
  if (!isObject(json)) throw badAnswer(base, "an event is not an object");
  const { index, height, batchId, position, type, version, effectsHash } = json;
  const outcome = outcomeOf(json["outcome"]);
  const fits =
    isIndex(index) &&
    isIndex(height) &&
    isIndex(position) &&
    position <= 0xffff_ffff &&
    isIndex(version) &&
    version <= 0xffff &&
    typeof type === "string" &&
    isEventType(type) &&
    isHash(batchId) &&
    isHash(effectsHash);
  if (!fits || outcome === undefined) throw badAnswer(base, "an event breaks the form of events");
  try {
    const payload = bytesAt("payload", json["payload"], 0, LIMITS.eventBytesMax);
    const event = encodeEvent(type, version, payload);
    const hashes = { batchId: fromHex(batchId), effectsHash: fromHex(effectsHash) };
    return { index, height, position, outcome, event, ...hashes };
  } catch (error) {
    const why = error instanceof Error ? error.message : "?";
    throw badAnswer(base, `the payload of event ${index}: ${why}`);
  }
};

/** Ledger time as a node said it beside an event. */
export const claimedTimeOf = (json: unknown): string | undefined => {
  const time = isObject(json) ? json["time"] : undefined;
  return typeof time === "string" && TIME.test(time) ? time : undefined;
};

const dataOf = ({ event }: LogEntry): LedgerEvent["data"] => {
  const definition = REGISTRY.get(event.type, event.version);
  if (definition === undefined) return undefined;
  const value = definition.decode(event.payload);
  return value.ok ? definition.toJson(value.value) : undefined;
};

export const eventOf = (entry: LogEntry, verified: boolean, time?: string): LedgerEvent => ({
  index: entry.index,
  height: entry.height,
  batchId: toHex(entry.batchId),
  position: entry.position,
  type: entry.event.type,
  version: entry.event.version,
  outcome: entry.outcome,
  effectsHash: toHex(entry.effectsHash),
  data: dataOf(entry),
  payload: entry.event.payload,
  verified,
  ...(time === undefined ? {} : { claimedTime: time }),
});

/**
 * Whether an event type is one of these: whole types, or prefixes such as "asset.*". Throws cli.usage for a
 * pattern that is neither.
 */
export const typeMatcher = (types: readonly string[] | undefined): ((type: string) => boolean) => {
  if (types === undefined || types.length === 0) return () => true;
  for (const type of types) {
    if (/^[a-z0-9-]+(\.[a-z0-9-]+)*(\.\*)?$/.test(type) && type.length <= 64) continue;
    throw new TetradError("cli.usage", `"${type.slice(0, 64)}" is no event type, and no "area.*"`);
  }
  const whole = new Set(types);
  const prefixes = types.filter((type) => type.endsWith(".*")).map((type) => type.slice(0, -1));
  return (type) => whole.has(type) || prefixes.some((prefix) => type.startsWith(prefix));
};
