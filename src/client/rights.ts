/**
 * Who may write what, as a program that believes no node finds it out: the rows of permissions and capabilities,
 * each with its proof, and the rules of the ledger over them. Every replica decides by the same rules when an
 * event is executed (src/ledger/projections/capabilities.ts); this says beforehand what it will decide.
 *
 * Rows are read one after the other, so they may be of states some blocks apart; `height` is that of the oldest.
 */
import { TetradError } from "../errors.ts";
import type { Json } from "../ledger/event-schema.ts";
import { resourceCovers } from "../ledger/projections/capabilities.ts";
import { anyCovers } from "../ledger/projections/permissions.ts";
import { LIMITS } from "../limits.ts";
import type { Client } from "./client.ts";
import type { ReadOptions } from "./lists.ts";

/** A capability as its row has it. Ids are 64 hex digits. */
export type Capability = {
  readonly capability: string;
  readonly granter: string;
  readonly holder: string;
  /** Null for one that comes from permissions. */
  readonly parent: string | null;
  /** 1 for a root. */
  readonly depth: number;
  /** Whether its holder may pass it on. */
  readonly delegable: boolean;
  readonly actions: readonly string[];
  readonly resource: string;
  /** Ledger time, milliseconds since 1970. */
  readonly notAfterMs: number;
  readonly grantedHeight: number;
  /** Null while nobody has taken it back. */
  readonly revokedHeight: number | null;
};

const isText = (value: unknown): value is string => typeof value === "string";
const isCount = (value: unknown): value is number => typeof value === "number";

/** A row of the projection as a capability; undefined for one that is none. */
export const capabilityOf = (row: Json | undefined): Capability | undefined => {
  if (typeof row !== "object" || row === null || Array.isArray(row)) return undefined;
  const { capability, granter, holder, parent, depth, delegable, actions, resource } =
    row as Readonly<Record<string, Json | undefined>>;
  const { notAfterMs, grantedHeight, revokedHeight } = row as Readonly<
    Record<string, Json | undefined>
  >;
  const ids = isText(capability) && isText(granter) && isText(holder) && isText(resource);
  if (!ids || (parent !== null && !isText(parent)) || typeof delegable !== "boolean") {
    return undefined;
  }
  if (!Array.isArray(actions) || !actions.every(isText)) return undefined;
  if (!isCount(depth) || !isCount(notAfterMs) || !isCount(grantedHeight)) return undefined;
  if (revokedHeight !== null && !isCount(revokedHeight)) return undefined;
  const who = { capability, granter, holder, parent, depth, delegable };
  return { ...who, actions, resource, notAfterMs, grantedHeight, revokedHeight };
};

/** Why a capability gives nothing; "live" where it does. */
export type CapabilityState = "live" | "revoked" | "ended" | "holder-revoked" | "giver-revoked";

/** A capability with the way to its root. */
export type CapabilityChain = {
  /** The capability itself first, its root last. */
  readonly chain: readonly Capability[];
  readonly state: CapabilityState;
  /** The least height of the rows that were read. */
  readonly height: number;
  /** True: every row was checked against what validators have signed. */
  readonly verified: boolean;
};

export type Right = {
  readonly actor: string;
  /** Event type, such as "record.put". */
  readonly action: string;
  /** "" where the event is about nothing that has a name: see docs/stake.md. */
  readonly resource: string;
};

export type RightAnswer = {
  readonly allowed: boolean;
  /** "permissions", the id of a capability, or why not. */
  readonly by: string;
  readonly height: number;
  readonly verified: boolean;
};

type Reader = Pick<Client, "row">;
type Options = ReadOptions & {
  /** Ledger time to ask for, milliseconds; default: the clock of this machine. */
  readonly timeMs?: number;
};

/** Rows, with what is to be said of all of them. */
class Rows {
  readonly #client: Reader;
  readonly #options: ReadOptions;
  height = Number.MAX_SAFE_INTEGER;
  verified = true;

  constructor(client: Reader, { signal }: ReadOptions) {
    this.#client = client;
    this.#options = signal === undefined ? {} : { signal };
  }

  async #read(key: string): Promise<{ readonly [name: string]: Json } | undefined> {
    const { value, height, verified } = await this.#client.row("capabilities", key, this.#options);
    this.height = Math.min(this.height, height);
    this.verified = this.verified && verified;
    return value as { readonly [name: string]: Json } | undefined;
  }

  async capability(id: string): Promise<Capability | undefined> {
    return capabilityOf(await this.#read(id));
  }

  async held(actor: string): Promise<readonly string[]> {
    return ((await this.#read(`held/${actor}`))?.["capabilities"] ?? []) as readonly string[];
  }

  /** What an actor may write of its own; undefined for one that is not known. */
  async actor(id: string) {
    const row = await this.#read(`actor/${id}`);
    return row as
      | { readonly revoked: boolean; readonly permissions: readonly string[] }
      | undefined;
  }
}

const stateOf = async (
  rows: Rows,
  chain: readonly Capability[],
  timeMs: number,
): Promise<CapabilityState> => {
  for (const [i, one] of chain.entries()) {
    if (one.revokedHeight !== null) return "revoked";
    if (timeMs > one.notAfterMs) return "ended";
    if (i === 0 && (await rows.actor(one.holder))?.revoked === true) return "holder-revoked";
    if ((await rows.actor(one.granter))?.revoked !== false) return "giver-revoked";
  }
  return "live";
};

const chainOf = async (
  rows: Rows,
  id: string,
  timeMs: number,
): Promise<Pick<CapabilityChain, "chain" | "state"> | undefined> => {
  const chain: Capability[] = [];
  for (let next: string | null = id; next !== null; ) {
    const one: Capability | undefined = await rows.capability(next);
    if (one === undefined && chain.length === 0) return undefined;
    if (one === undefined || chain.length === LIMITS.capabilityDepthMax) {
      throw new TetradError("client.bad-answer", `the capability ${next} has no row, or no root`);
    }
    chain.push(one);
    next = one.parent;
  }
  return { chain, state: await stateOf(rows, chain, timeMs) };
};

/**
 * A capability, all that it comes from, and whether it is live. Undefined where the chain has none of this id.
 * Errors: those of `client.row`.
 */
export const readCapability = async (
  client: Reader,
  id: string,
  options: Options = {},
): Promise<CapabilityChain | undefined> => {
  const rows = new Rows(client, options);
  const found = await chainOf(rows, id, options.timeMs ?? Date.now());
  if (found === undefined) return undefined;
  return { ...found, height: rows.height, verified: rows.verified };
};

/**
 * Whether an actor may write an event of this type about this resource, and by what. Errors: those of
 * `client.row`.
 */
export const mayWrite = async (
  client: Reader,
  { actor, action, resource }: Right,
  options: Options = {},
): Promise<RightAnswer> => {
  const rows = new Rows(client, options);
  const timeMs = options.timeMs ?? Date.now();
  const answer = (allowed: boolean, by: string): RightAnswer => {
    return { allowed, by, height: rows.height, verified: rows.verified };
  };
  const known = await rows.actor(actor);
  if (known === undefined) return answer(false, "unknown actor");
  if (known.revoked) return answer(false, "the actor was revoked");
  if (anyCovers(known.permissions, action)) return answer(true, "permissions");
  for (const id of await rows.held(actor)) {
    const one = await rows.capability(id);
    if (one === undefined || !anyCovers(one.actions, action)) continue;
    if (!resourceCovers(one.resource, resource)) continue;
    const found = await chainOf(rows, id, timeMs);
    if (found?.state === "live") return answer(true, id);
  }
  return answer(false, "no permission and no live capability");
};
