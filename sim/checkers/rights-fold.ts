/**
 * Who may write what, by the oracle's own fold over the log: actors with their permissions, and on a chain with
 * stake the capabilities that are passed on beside them. Written from docs/projections.md and docs/stake.md; layouts
 * of events and rows are those of docs/protocol.md.
 */
import { type Cursor, hex, taggedHash } from "./oracle.ts";
import { payloadOf } from "./payload.ts";
import type { CheckContext, Entry } from "./types.ts";

const KEY_BYTES = 1793;
const NOBODY = "00".repeat(32);
const CAPABILITY_DEPTH_MAX = 8;
const CAPABILITIES_HELD_MAX = 64;

export type Actor = {
  readonly publicKey: string;
  readonly name: string;
  readonly permissions: readonly string[];
  readonly registeredHeight: number;
  readonly revokedHeight: number;
};

export type Capability = {
  readonly granter: string;
  readonly holder: string;
  readonly parent: string;
  readonly depth: number;
  readonly delegable: boolean;
  readonly notAfterMs: number;
  readonly grantedHeight: number;
  readonly revokedHeight: number;
  readonly actions: readonly string[];
  readonly resource: string;
};

/** An event with all that deciding on it needs. */
export type Use = {
  readonly entry: Entry;
  /** Hex id. */
  readonly author: string;
  readonly timeMs: number;
};

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

export const textsOf = (cursor: Cursor): string[] =>
  Array.from({ length: cursor.u32() }, () => textOf(cursor.sized()));

/** "*" is everything, "a.*" what begins with "a.", and anything else itself. */
export const allows = (patterns: readonly string[], wanted: string): boolean =>
  patterns.some((pattern) => {
    if (pattern === "*" || pattern === wanted) return true;
    return pattern.endsWith(".*") && wanted.startsWith(pattern.slice(0, -1));
  });

/** "" is everything, what ends in a slash all that begins with it, and anything else itself. */
const reaches = (wide: string, narrow: string): boolean =>
  wide === "" || wide === narrow || (wide.endsWith("/") && narrow.startsWith(wide));

/** A star, or words with dots between them, of which the last may be a star. */
const isPattern = (text: string): boolean => {
  if (text === "*") return true;
  const words = text.split(".");
  if (text.length > 64 || words.length < 2 || words.length > 4) return false;
  return words.every(
    (word, at) => /^[a-z][a-z0-9-]*$/.test(word) || (word === "*" && at === words.length - 1),
  );
};

const isAscending = (texts: readonly string[]): boolean =>
  texts.every((text, at) => isPattern(text) && (at === 0 || (texts[at - 1] ?? "") < text));

const merged = (...lists: readonly (readonly string[])[]): string[] =>
  [...new Set(lists.flat())].sort();

const OF_PROOFS = ["beacon.*", "space.*", "time.*", "work.*"];
const OF_OWNERS = [
  "stake.bonded",
  "stake.unbonded",
  "stake.withdrawn",
  "validator.left",
  "validator.rejoined",
];

/** What a chain lets every validator write beside evidence: keys of its epochs, and receipts of where it is. */
const askedBesides = ({ members, location }: CheckContext): string[] => [
  ...(members.some(({ epochKey }) => epochKey !== undefined) ? ["validator.keys.registered"] : []),
  ...(location === undefined ? [] : ["location.*"]),
];

/** What a validator of the genesis may write by that alone. */
const ofGenesis = (context: CheckContext): string[] => {
  const { beacon, space, claims, stake } = context;
  const asked = [beacon, space, claims?.time, claims?.shares];
  return [
    "detect.evidence.*",
    ...(stake === undefined ? [] : OF_OWNERS),
    ...askedBesides(context),
    ...OF_PROOFS.filter((_, at) => asked[at] !== undefined),
  ];
};

export class RightsFold {
  readonly actors = new Map<string, Actor>();
  readonly capabilities = new Map<string, Capability>();
  /** By actor: ids of capabilities, the oldest first. */
  readonly held = new Map<string, readonly string[]>();
  /** What the projection of capabilities knows of actors. */
  readonly known = new Map<string, readonly string[]>();
  readonly #context: CheckContext;

  constructor(context: CheckContext) {
    this.#context = context;
    for (const { idHex, publicKey, name, permissions } of context.actors ?? []) {
      this.#begin(idHex, publicKey, name, permissions);
    }
    const held = ofGenesis(context);
    for (const { idHex, publicKey, index, slot } of context.members) {
      if (index < 0) continue;
      const before = this.actors.get(idHex);
      const permissions = [...(before?.permissions ?? []), ...held];
      this.#begin(idHex, publicKey, before?.name ?? `v${slot}`, permissions);
    }
  }

  #begin(id: string, publicKey: Uint8Array, name: string, permissions: readonly string[]): void {
    const fixed = { publicKey: hex(publicKey), registeredHeight: 0, revokedHeight: 0 };
    this.actors.set(id, { ...fixed, name, permissions: merged(permissions) });
    this.known.set(id, merged(permissions));
  }

  get #hasCapabilities(): boolean {
    return this.#context.stake !== undefined;
  }

  isRevoked(id: string): boolean {
    return this.actors.get(id)?.revokedHeight !== 0;
  }

  /**
   * The code with which the rules of rights refuse an event, before its owner is asked; "" where they let it pass.
   * `resource` is what it is about.
   */
  refusal({ entry, author, timeMs }: Use, resource: string): string {
    const actor = this.actors.get(author);
    if (actor === undefined) return "event.unknown-actor";
    if (actor.revokedHeight !== 0) return "event.forbidden";
    const { eventType } = entry;
    if (allows(actor.permissions, eventType)) return "";
    if (!this.#hasCapabilities) return "event.forbidden";
    if (eventType === "capability.granted" || eventType === "capability.revoked") return "";
    const granted = (this.held.get(author) ?? []).some((id) => {
      const one = this.capabilities.get(id);
      if (one === undefined || !allows(one.actions, eventType)) return false;
      return reaches(one.resource, resource) && this.#lineOf(id, timeMs) !== undefined;
    });
    return granted ? "" : "event.forbidden";
  }

  /** Whether only a capability can allow it. What gives and takes these back is open to every actor. */
  isBeyondOwn({ entry: { eventType }, author }: Use): boolean {
    const own = this.actors.get(author)?.permissions ?? [];
    return !eventType.startsWith("capability.") && !allows(own, eventType);
  }

  /**
   * Takes in an event that its author may write: the code with which it is refused all the same, "" where it is not.
   * Undefined for events that are not of rights.
   */
  decide(use: Use): string | undefined {
    switch (use.entry.eventType) {
      case "actor.registered":
        return this.#register(use);
      case "actor.revoked":
        return this.#revoke(use);
      case "capability.granted":
        return this.#grant(use);
      case "capability.revoked":
        return this.#takeBack(use);
      default:
        return undefined;
    }
  }

  #register({ entry, author }: Use): string {
    const payload = payloadOf(entry);
    const publicKey = payload.take(KEY_BYTES);
    const name = textOf(payload.sized());
    const permissions = textsOf(payload);
    if (!isAscending(permissions)) return "event.invalid";
    const own = this.actors.get(author)?.permissions ?? [];
    if (!permissions.every((one) => allows(own, one))) return "event.forbidden";
    const id = hex(taggedHash(this.#context.chainId, "id", publicKey));
    if (this.actors.has(id)) return "event.conflict";
    const { height } = entry;
    const fixed = { publicKey: hex(publicKey), registeredHeight: height, revokedHeight: 0 };
    this.actors.set(id, { ...fixed, name, permissions });
    this.known.set(id, permissions);
    return "";
  }

  #revoke({ entry, author }: Use): string {
    const id = hex(payloadOf(entry).take(32));
    const target = this.actors.get(id);
    if (target === undefined || target.revokedHeight !== 0) return "event.conflict";
    const own = this.actors.get(author)?.permissions ?? [];
    if (!target.permissions.every((one) => allows(own, one))) return "event.forbidden";
    this.actors.set(id, { ...target, revokedHeight: entry.height });
    return "";
  }

  /** A validator that registers becomes an actor, or may write more. */
  joined(entry: Entry): void {
    const payload = payloadOf(entry);
    const name = textOf(payload.sized());
    const publicKey = payload.take(KEY_BYTES);
    const id = hex(taggedHash(this.#context.chainId, "id", publicKey));
    const proofs = ["detect.evidence.*", ...OF_PROOFS];
    const before = this.actors.get(id);
    const fixed = { publicKey: hex(publicKey), name, revokedHeight: 0 };
    this.actors.set(id, {
      ...(before ?? { ...fixed, registeredHeight: entry.height }),
      permissions: merged(before?.permissions ?? [], proofs, askedBesides(this.#context)),
    });
    this.known.set(id, merged(this.known.get(id) ?? [], proofs));
  }

  /** From a capability to its root, while all of it holds. */
  #lineOf(id: string, timeMs: number): readonly Capability[] | undefined {
    const line: Capability[] = [];
    for (let next = id; next !== NOBODY; ) {
      const one = this.capabilities.get(next);
      if (one === undefined || one.revokedHeight !== 0 || one.notAfterMs < timeMs) return undefined;
      if (this.isRevoked(one.granter)) return undefined;
      line.push(one);
      next = one.parent;
    }
    const [first] = line;
    return first === undefined || this.isRevoked(first.holder) ? undefined : line;
  }

  #holds(id: string, timeMs: number): readonly string[] {
    return (this.held.get(id) ?? []).filter((one) => this.#lineOf(one, timeMs) !== undefined);
  }

  #grant({ entry, author, timeMs }: Use): string {
    const payload = payloadOf(entry);
    const [holder, parent] = [hex(payload.take(32)), hex(payload.take(32))];
    const delegable = payload.u8() === 1;
    const notAfterMs = payload.u64();
    const actions = textsOf(payload);
    const resource = textOf(payload.sized());
    if (actions.length === 0 || !isAscending(actions)) return "event.invalid";
    if (notAfterMs < timeMs) return "event.invalid";
    if (this.isRevoked(holder)) return "event.conflict";
    const line = parent === NOBODY ? [] : this.#lineOf(parent, timeMs);
    const [source] = line ?? [];
    const isWithin =
      source === undefined
        ? parent === NOBODY && actions.every((one) => allows(this.known.get(author) ?? [], one))
        : source.holder === author &&
          source.delegable &&
          source.depth < CAPABILITY_DEPTH_MAX &&
          actions.every((one) => allows(source.actions, one)) &&
          reaches(source.resource, resource) &&
          notAfterMs <= source.notAfterMs;
    if (!isWithin) return "event.forbidden";
    const before = this.#holds(holder, timeMs);
    if (before.length >= CAPABILITIES_HELD_MAX) return "event.conflict";
    const place = Buffer.alloc(4);
    place.writeUInt32BE(entry.position);
    const batch = Buffer.from(entry.batchId, "hex");
    const id = hex(taggedHash(this.#context.chainId, "cap", batch, place));
    this.capabilities.set(id, {
      ...{ granter: author, holder, parent, depth: (source?.depth ?? 0) + 1, delegable },
      ...{ notAfterMs, grantedHeight: entry.height, revokedHeight: 0, actions, resource },
    });
    this.held.set(holder, [...before, id]);
    return "";
  }

  #takeBack({ entry, author }: Use): string {
    const id = hex(payloadOf(entry).take(32));
    const first = this.capabilities.get(id);
    if (first === undefined || first.revokedHeight !== 0) return "event.conflict";
    let one: Capability | undefined = first;
    while (one !== undefined && one.granter !== author) one = this.capabilities.get(one.parent);
    if (one === undefined) return "event.forbidden";
    this.capabilities.set(id, { ...first, revokedHeight: entry.height });
    return "";
  }
}
