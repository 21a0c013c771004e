/**
 * `nexus explain INDEX`: everything about one event. The node tells where it is; the block and the batch are
 * then read as bytes and decoded here, so that hashes, the lane and the slots are what the bytes say.
 */
import type { ApiClient, EventJson, RowJson } from "../../client/api.ts";
import { readEntry } from "../../client/entry.ts";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { openItem } from "../../ledger/audit/item.ts";
import { hashLeaf } from "../../ledger/leaf.ts";
import { batchUnits } from "../../proofs/work/index.ts";
import { openApiSource } from "../audit/api-source.ts";
import type { CliContext } from "../context.ts";
import {
  type Cell,
  formatFields,
  formatJson,
  formatNdjson,
  paint,
  printable,
  short,
} from "../output.ts";
import { widthOf } from "../width.ts";
import { explainProofs } from "./explain-proofs.ts";

const parseIndex = (text: string): number => {
  const index = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(index)) throw new TetradError("cli.usage", `"${text}" is not an index`);
  return index;
};

type Fields = Readonly<Record<string, Cell>>;

export type Explanation = Readonly<
  Record<"event" | "batch" | "lane" | "block" | "outcome" | "proofs", Fields>
>;

const readEvent = async (context: CliContext, client: ApiClient, index: number) => {
  const page = await client.get("/v1/events", { from: index, limit: 1 }, context.signal);
  const [event] = page["items"] as readonly EventJson[];
  if (event?.index !== index) {
    throw new TetradError("http.not-found", `no event ${index}: the log has ${page["logSize"]}`);
  }
  return event;
};

/** The name of an actor or validator, where the projection has one. */
const nameIn = async (
  context: CliContext,
  client: ApiClient,
  projection: string,
  id: string,
): Promise<string | null> => {
  try {
    const row = await client.get(`/v1/projections/${projection}/${id}`, {}, context.signal);
    const { value } = row as unknown as RowJson;
    return typeof value === "object" && value !== null && "name" in value
      ? String(value.name)
      : null;
  } catch (error) {
    if (error instanceof TetradError && error.code === "http.not-found") return null;
    throw error;
  }
};

const readBlock = async (
  context: CliContext,
  client: ApiClient,
  chainId: string,
  height: number,
) => {
  const [item] = await openApiSource(client.base).read(height, context.signal);
  const hasher = createHasher(chainId);
  const opened = item === undefined ? undefined : openItem(hasher, height, item);
  if (opened === undefined || !opened.ok) {
    throw new TetradError("store.corrupt", `the node's block ${height} does not hold together`);
  }
  return opened.value;
};

/** Heights that are looked through for the certificate that made a block final. */
const CERTIFICATE_HEIGHTS = 64;

const certificateText = async (
  context: CliContext,
  client: ApiClient,
  height: number,
): Promise<string> => {
  try {
    const found = await client.get(`/v1/blocks/${height}/certificate`, {}, context.signal);
    return `${(found["signers"] as unknown[]).length} of ${found["setSize"]} validators signed`;
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "block.no-certificate") throw error;
    const next = error.data["next"];
    return typeof next === "number" && next - height <= CERTIFICATE_HEIGHTS
      ? `by that of its descendant at height ${next}`
      : "by that of a descendant";
  }
};

export const explainEvent = async (context: CliContext, index: number): Promise<Explanation> => {
  const client = context.client();
  const event = await readEvent(context, client, index);
  const status = await client.status(context.signal);
  const entry = readEntry(client.base, event);
  const { block, batches } = await readBlock(context, client, status.chainId, event.height);
  const at = batches.findIndex(({ id }) => toHex(id) === event.batchId);
  const batch = batches[at];
  if (batch === undefined) {
    throw new TetradError("store.corrupt", `block ${event.height} does not have the batch`);
  }
  const set = await client.get("/v1/validators", {}, context.signal);
  const items = set["items"] as readonly { name: string; weight: string }[];
  const proposer = items[block.header.proposer];
  const actor = toHex(batch.actor);
  const accepted = event.outcome.kind === "accepted";
  return {
    event: {
      index,
      type: event.type,
      version: event.version,
      time: event.time ?? null,
      data: JSON.stringify(event.data ?? event.payload),
    },
    batch: {
      id: event.batchId,
      digest: toHex(batch.digest),
      place: `event ${event.position + 1} of ${batch.events.length}`,
      bytes: batch.bytes.length,
      signature: `FALCON-1024, ${batch.signature.length} bytes, by the actor`,
    },
    lane: {
      actor,
      name: await nameIn(context, client, "actors", actor),
      sequence: batch.laneSeq,
      previous: batch.laneSeq === 1 ? null : toHex(batch.prevBatchId),
      reference: `height ${batch.refHeight}, ${toHex(batch.refHash)}`,
    },
    block: {
      height: event.height,
      hash: toHex(block.hash),
      batch: `${at + 1} of ${batches.length}`,
      proposer: proposer?.name ?? block.header.proposer,
      view: block.header.view,
      epoch: block.header.epoch,
      final: await certificateText(context, client, event.height),
    },
    outcome: {
      outcome: accepted ? "accepted" : `refused: ${event.outcome.code ?? "?"}`,
      effects: accepted
        ? "row writes, whose hash is below"
        : "none: it stays in the log all the same",
      effectsHash: (event as unknown as { readonly effectsHash: string }).effectsHash,
      receipt: `leaf ${toHex(hashLeaf(entry))} of the log; nexus proof get ${index} proves it`,
      units: Number(batchUnits(1, entry.event.bytes.length)),
    },
    proofs: await explainProofs(context, {
      client,
      index,
      blockHashAt: async (height) =>
        height === 0
          ? fromHex(status.genesisHash)
          : (await readBlock(context, client, status.chainId, height)).block.hash,
      status,
      batch,
      block,
      weight: proposer?.weight ?? "?",
    }),
  };
};

/** Cells of a value that a terminal has room for, in whatever width it has. */
const DATA_CELLS_MIN = 20;

/** What stands before a value: two spaces, the longest name of the part, two spaces. */
const indentOf = (fields: Fields): number =>
  4 + Math.max(...Object.keys(fields).map((name) => name.length));

/** The data on one line of the terminal, with how many bytes there are where some are left out. */
export const shortData = (data: string, columns: number): string => {
  const shown = printable(data);
  if (widthOf(shown) <= Math.max(columns, DATA_CELLS_MIN)) return data;
  const count = ` (${Buffer.byteLength(data)} bytes; --full shows them)`;
  return `${short(shown, Math.max(DATA_CELLS_MIN, columns - count.length))}${count}`;
};

export const explain = async (
  context: CliContext,
  { full = false }: { readonly full?: boolean },
  text = "",
): Promise<void> => {
  const found = await explainEvent(context, parseIndex(text));
  const { terminal } = context;
  if (context.format === "json") terminal.out(formatJson(found));
  else if (context.format === "ndjson") terminal.out(formatNdjson(found));
  else {
    const whole = String(found.event["data"]);
    const columns = terminal.columns() - indentOf(found.event);
    const event = { ...found.event, data: full ? whole : shortData(whole, columns) };
    const parts = Object.entries({ ...found, event }).map(
      ([name, fields]) =>
        `${paint(terminal.colorOut, "cyan", name.toUpperCase())}\n${formatFields(Object.entries(fields), terminal.colorOut).replace(/^/gm, "  ").trimEnd()}\n`,
    );
    terminal.out(parts.join("\n"));
  }
};
