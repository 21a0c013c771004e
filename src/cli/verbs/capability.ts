/** `nexus capability …`: rights that are given, passed on in part, taken back and looked at. */

import { type Capability, capabilityOf, mayWrite, readCapability } from "../../client/rights.ts";
import type { Submitted } from "../../client/submit.ts";
import { fromHex, toHex, ZERO_HASH } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { capabilityId } from "../../ledger/projections/capabilities.ts";
import { capabilityGranted, capabilityRevoked } from "../../ledger/projections/events.ts";
import { canonical } from "../../ledger/projections/permissions.ts";
import { isoTime } from "../../ledger/verify/iso-time.ts";
import type { CliContext } from "../context.ts";
import { short } from "../output.ts";
import { unverifiedClient, type VerifyOptions, verifiedClient } from "../verified-client.ts";
import { type AppendOptions, refusalOf, writeEvents } from "./append.ts";

type WriteOptions = Pick<AppendOptions, "wait" | "key" | "timeout">;

type GrantOptions = WriteOptions & {
  readonly action?: readonly string[];
  readonly resource?: string;
  readonly until?: string;
  readonly passOn?: boolean;
};

type ReadOptions = VerifyOptions & { readonly unverified?: boolean };

const ID = /^[0-9a-f]{64}$/;
const SPAN = /^([1-9][0-9]{0,5})([dhms])$/;
const SPAN_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;
const DEFAULT_SPAN = "30d";

const idOf = (text: string, what: string): string => {
  if (ID.test(text)) return text;
  throw new TetradError("cli.usage", `the id of ${what} has 64 lower-case hex digits`, {
    next: "nexus ls actors; nexus capability ls",
  });
};

/** A time, or a span from the ledger's present on. Throws cli.usage. */
const endOf = (text: string, nowMs: number): number => {
  const [, count = "", unit = ""] = SPAN.exec(text) ?? [];
  if (unit !== "") return nowMs + Number(count) * SPAN_MS[unit as keyof typeof SPAN_MS];
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isSafeInteger(at) && at >= 0) return at;
  const detail = `--until ${text} is neither a time such as 2030-01-31T12:00:00Z nor a span such as 12h`;
  throw new TetradError("cli.usage", detail);
};

/** A chain without stake has none of this. */
const requireCapabilities = async (context: CliContext) => {
  const status = await context.client().status(context.signal);
  if (status.stake !== undefined && status.stake !== null) return status;
  throw new TetradError("cli.usage", "this chain has no capabilities", {
    next: "a chain that has them is made by `nexus init --stake`",
  });
};

type Given = {
  readonly holder: Uint8Array;
  readonly parent: Uint8Array;
  readonly delegable: boolean;
  readonly notAfterMs: number;
  readonly actions: readonly string[];
  readonly resource: string;
};

const give = async (
  context: CliContext,
  options: WriteOptions,
  chainId: string,
  value: Given,
): Promise<void> => {
  const event = capabilityGranted.encode({ ...value, actions: [...value.actions] });
  await writeEvents(
    context,
    options,
    () => [event],
    (_, done, kept) => {
      const [submitted] = done;
      if (submitted !== undefined) printGiven(context, chainId, submitted, value);
      if (kept.length > 0) context.note(`${kept.length} batch(es) of earlier commands are done`);
      const failure = refusalOf(done.map(({ receipt }) => receipt));
      if (failure !== undefined) throw failure;
    },
  );
  context.suggest("nexus capability ls");
};

const printGiven = (
  context: CliContext,
  chainId: string,
  { batch, receipt }: Submitted,
  { holder, actions, resource, notAfterMs }: Given,
): void => {
  const capability = toHex(capabilityId(createHasher(chainId), batch.id, 0));
  const outcome = receipt.outcomes?.[0];
  const text = outcome === undefined ? "pending" : outcome.kind;
  const given = { capability, holder: toHex(holder), actions, resource, notAfterMs };
  context.print({ ...given, batchId: toHex(batch.id), level: receipt.level, outcome: text }, [
    ["capability", capability],
    ["holder", given.holder],
    ["actions", actions.join(" ")],
    ["resource", resource === "" ? "everything" : resource],
    ["until", isoTime(notAfterMs)],
    ["outcome", text],
  ]);
};

export const grant = async (
  context: CliContext,
  options: GrantOptions,
  holder: string,
): Promise<void> => {
  const { action = [], resource = "", until = DEFAULT_SPAN, passOn = false } = options;
  if (action.length === 0)
    throw new TetradError("cli.usage", "--action is missing: what it allows");
  const id = fromHex(idOf(holder, "an actor"));
  const { chainId } = await requireCapabilities(context);
  await give(context, options, chainId, {
    holder: id,
    parent: ZERO_HASH,
    delegable: passOn,
    notAfterMs: endOf(until, Date.now()),
    actions: canonical(action),
    resource,
  });
};

/** What is left out is as the parent has it; what is wider the ledger refuses. */
export const attenuate = async (
  context: CliContext,
  options: GrantOptions,
  parent: string,
  holder: string,
): Promise<void> => {
  const from = idOf(parent, "a capability");
  const to = idOf(holder, "an actor");
  const { chainId } = await requireCapabilities(context);
  const found = await readCapability(unverifiedClient(context), from, { signal: context.signal });
  const [held] = found?.chain ?? [];
  if (held === undefined) throw noCapability(from);
  const { action = held.actions, resource = held.resource, until, passOn = false } = options;
  await give(context, options, chainId, {
    holder: fromHex(to),
    parent: fromHex(from),
    delegable: passOn,
    notAfterMs: until === undefined ? held.notAfterMs : endOf(until, Date.now()),
    actions: canonical(action),
    resource,
  });
};

export const revoke = async (
  context: CliContext,
  options: WriteOptions,
  id: string,
): Promise<void> => {
  const capability = fromHex(idOf(id, "a capability"));
  await requireCapabilities(context);
  await writeEvents(context, options, () => [capabilityRevoked.encode({ capability })]);
};

const noCapability = (id: string): TetradError =>
  new TetradError("http.not-found", `the chain has no capability ${id}`, {
    next: "nexus capability ls",
  });

const readerOf = (context: CliContext, options: ReadOptions) =>
  options.unverified === true ? unverifiedClient(context) : verifiedClient(context, options);

const provenText = (verified: boolean, height: number): string =>
  verified
    ? `yes: every row, to the state after height ${height}`
    : `no: the word of the node, at height ${height}`;

const rowOf = (one: Capability): Record<string, string | number> => ({
  capability: short(one.capability),
  holder: short(one.holder),
  granter: short(one.granter),
  actions: one.actions.join(" "),
  resource: one.resource === "" ? "everything" : one.resource,
  until: isoTime(one.notAfterMs),
  depth: one.depth,
  taken: one.revokedHeight === null ? "no" : `at ${one.revokedHeight}`,
});

const COLUMNS = [
  "capability",
  "holder",
  "granter",
  "actions",
  "resource",
  "until",
  "depth",
  "taken",
] as const;

type ListOptions = ReadOptions & { readonly holder?: string; readonly all?: boolean };

export const ls = async (context: CliContext, options: ListOptions): Promise<void> => {
  await requireCapabilities(context);
  const holder = options.holder === undefined ? undefined : idOf(options.holder, "an actor");
  const found: Capability[] = [];
  const { signal } = context;
  const client = readerOf(context, options);
  for await (const row of client.rows("capabilities", {
    signal,
    ...(options.unverified === true ? { unverified: true as const } : {}),
  })) {
    // What actors hold and may do are rows of the same projection.
    const one = capabilityOf(row.value);
    if (one === undefined) continue;
    const isOver = one.revokedHeight !== null || one.notAfterMs < Date.now();
    if (isOver && options.all !== true) continue;
    if (holder === undefined || one.holder === holder) found.push(one);
  }
  context.printList(found, COLUMNS, found.map(rowOf));
  if (found.length === 0) context.note("none that is live; --all lists what is over too");
};

export const show = async (
  context: CliContext,
  options: ReadOptions,
  id: string,
): Promise<void> => {
  const wanted = idOf(id, "a capability");
  await requireCapabilities(context);
  const { signal } = context;
  const found = await readCapability(readerOf(context, options), wanted, { signal });
  if (found === undefined) throw noCapability(wanted);
  const { chain, state, height, verified } = found;
  const [first] = chain;
  if (first === undefined) throw noCapability(wanted);
  context.print({ ...first, state, chain, height, verified }, [
    ["capability", wanted],
    ["state", state],
    ["holder", first.holder],
    ["granter", first.granter],
    ["actions", first.actions.join(" ")],
    ["resource", first.resource === "" ? "everything" : first.resource],
    ["until", isoTime(first.notAfterMs)],
    ["passed on", first.delegable ? "may be" : "may not be"],
    [
      "comes from",
      chain
        .slice(1)
        .map(({ capability }) => capability)
        .join(" of ") || "permissions",
    ],
    ["proven", provenText(verified, height)],
  ]);
};

export const check = async (
  context: CliContext,
  options: ReadOptions,
  actor: string,
  action: string,
  resource = "",
): Promise<void> => {
  const who = idOf(actor, "an actor");
  await requireCapabilities(context);
  const { signal } = context;
  const right = { actor: who, action, resource };
  const answer = await mayWrite(readerOf(context, options), right, { signal });
  context.print({ ...right, ...answer }, [
    ["allowed", answer.allowed ? "yes" : "no"],
    ["by", answer.by],
    ["proven", provenText(answer.verified, answer.height)],
  ]);
  if (!answer.allowed) {
    throw new TetradError("event.forbidden", `${who} may not write ${action}: ${answer.by}`);
  }
};
