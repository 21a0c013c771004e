/** `nexus object …`: files by the name of their bytes, from whichever node has them. */
import { once } from "node:events";
import { resolve } from "node:path";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { isoTime } from "../../ledger/verify/iso-time.ts";
import { realClock } from "../../node/real-ports.ts";
import { ChunkSet } from "../../transport/objects/chunk-set.ts";
import { encodeManifest } from "../../transport/objects/manifest.ts";
import { objectRoot } from "../../transport/objects/tree.ts";
import type { CliContext } from "../context.ts";
import { inParallel, manifestOfFile, openInput, readChunk } from "../objects/chunks.ts";
import { type GetOptions, getInOrder, getToFile } from "../objects/get.ts";
import { signOrder } from "../objects/orders.ts";
import { byMeaning, type Row, short } from "../output.ts";
import { createProgress } from "../progress.ts";
import { bytesText } from "./peers.ts";

const WIDTH = 4;
const ROOT = /^[0-9a-f]{64}$/;

type ObjectItem = {
  readonly root: string;
  readonly length: number;
  readonly chunks: number;
  readonly held: number;
  readonly kept: boolean;
  readonly usedMs: number;
  readonly fetch: unknown;
};

type EvidenceItem = {
  readonly kind: string;
  readonly timeMs: number;
  readonly member: string;
  readonly root: string;
  readonly transferable: boolean;
  readonly chunk: { readonly index: number } | null;
};

const rootOf = (text: string): string => {
  if (ROOT.test(text)) return text;
  throw new TetradError("cli.usage", "the name of an object has 64 lower-case hex digits", {
    next: "nexus object ls",
  });
};

const progressOf = (context: CliContext, what: string) => {
  const { terminal } = context;
  const unit = "MiB";
  const progress = createProgress(terminal, what, unit, realClock.monotonicMs);
  return context.options.quiet === true ? { update: () => {}, end: () => {} } : progress;
};

const bitsOf = (chunks: number, text: unknown): ChunkSet => {
  const bytes = typeof text === "string" ? Buffer.from(text, "base64url") : undefined;
  const held = bytes === undefined ? undefined : ChunkSet.decode(chunks, new Uint8Array(bytes));
  if (held !== undefined) return held;
  throw new TetradError("client.bad-answer", "the node does not say which chunks it has");
};

export const put = async (
  context: CliContext,
  options: { readonly key?: string },
  path: string,
): Promise<void> => {
  const from = resolve(context.cwd, path);
  const client = context.client();
  const { file, length } = await openInput(from);
  try {
    const hashing = progressOf(context, "hashing");
    const total = Math.ceil(length / 2 ** 20);
    const onHashed = (done: number): void => hashing.update(done, total);
    const manifest = await manifestOfFile(from, file, length, onHashed, context.signal);
    hashing.end(true);
    const root = objectRoot(length, manifest.hashes);
    const wanted = { action: "keep", root, manifest: encodeManifest(manifest) } as const;
    const order = await signOrder(context, client, options.key, wanted);
    const begun = await client.send("POST", "/v1/objects", order, context.signal);
    const chunks = manifest.hashes.length;
    const held = bitsOf(chunks, begun["bits"]);
    const missing = manifest.hashes.map((_, i) => i).filter((i) => !held.has(i));
    const putting = progressOf(context, "putting");
    let done = held.count;
    await inParallel(missing, WIDTH, async (index) => {
      const chunk = await readChunk(file, length, index);
      if (chunk === undefined) throw new TetradError("cli.usage", `${from} has changed`);
      const to = `/v1/objects/${toHex(root)}/chunks/${index}`;
      await client.send("PUT", to, chunk, context.signal);
      done += 1;
      putting.update(done, chunks);
    });
    putting.end(true);
    const name = toHex(root);
    context.print({ root: name, length, chunks, sent: missing.length }, [
      ["object", name],
      ["size", bytesText(length)],
      ["chunks", chunks],
      ["sent", missing.length],
    ]);
    context.suggest(`nexus object get ${name} -f FILE`);
  } finally {
    await file.close();
  }
};

type GetFlags = { readonly file?: string; readonly timeout: number };

export const get = async (context: CliContext, flags: GetFlags, text: string): Promise<void> => {
  const root = rootOf(text);
  const client = context.client();
  const progress = progressOf(context, "getting");
  const options: GetOptions = {
    ...{ client, root, patienceMs: flags.timeout * 1000, signal: context.signal },
    nowMs: realClock.monotonicMs,
    onProgress: (done, total) => progress.update(done, total),
  };
  if (flags.file === undefined) {
    if (context.terminal.outIsTerminal) {
      throw new TetradError("cli.usage", "an object may be any bytes: give -f FILE, or a pipe");
    }
    await getInOrder(options, async (chunk) => {
      if (!process.stdout.write(chunk)) await once(process.stdout, "drain");
    });
    progress.end(true);
    return;
  }
  const file = resolve(context.cwd, flags.file);
  const { manifest, resumed } = await getToFile(options, file);
  progress.end(true);
  const { length, hashes } = manifest;
  context.print({ root, file, length, chunks: hashes.length, resumed }, [
    ["object", root],
    ["file", file],
    ["size", bytesText(length)],
    ["chunks", hashes.length],
    ["resumed", resumed],
  ]);
};

export const ls = async (
  context: CliContext,
  flags: { readonly evidence?: boolean },
): Promise<void> => {
  const client = context.client();
  if (flags.evidence === true) {
    const body = await client.get("/v1/object-evidence", {}, context.signal);
    const items = itemsOf<EvidenceItem>(body["items"]);
    const rows = items.map(
      (one): Row => ({
        time: isoTime(one.timeMs),
        member: short(one.member, 17),
        kind: one.kind,
        object: short(one.root, 17),
        chunk: one.chunk?.index ?? null,
        transferable: one.transferable,
      }),
    );
    const columns = ["time", "member", "kind", "object", "chunk", "transferable"];
    context.printList(items, columns, rows);
    if (context.format !== "table" || items.length === 0) return;
    context.note("transferable: others can check who did it; the files are in objects/evidence");
    return;
  }
  const body = await client.get("/v1/objects", {}, context.signal);
  const items = itemsOf<ObjectItem>(body["items"]);
  const rows = items.map(
    (one): Row => ({
      object: one.root,
      size: bytesText(one.length),
      chunks: `${one.held}/${one.chunks}`,
      state: one.held === one.chunks ? "whole" : one.fetch === null ? "part" : "fetching",
      kept: one.kept,
      used: isoTime(one.usedMs),
    }),
  );
  context.printList(
    items,
    ["object", "size", "chunks", "state", "kept", "used"],
    rows,
    byMeaning("kept"),
  );
};

const itemsOf = <T>(value: unknown): readonly T[] => {
  if (Array.isArray(value)) return value as readonly T[];
  throw new TetradError("client.bad-answer", "the node gives no list");
};

type Checked = {
  readonly root: string;
  readonly checked: number;
  readonly missing: number;
  readonly damaged: readonly number[];
};

export const verify = async (
  context: CliContext,
  _flags: unknown,
  text: string | undefined,
): Promise<void> => {
  const client = context.client();
  const body = await client.get("/v1/objects", {}, context.signal);
  const all = itemsOf<ObjectItem>(body["items"]);
  const roots = text === undefined ? all.map(({ root }) => root) : [rootOf(text)];
  const total = all
    .filter(({ root }) => roots.includes(root))
    .reduce((sum, { chunks }) => sum + chunks, 0);
  const progress = progressOf(context, "verifying");
  const results: Checked[] = [];
  let done = 0;
  for (const root of roots) {
    const sum = { root, checked: 0, missing: 0, damaged: [] as number[] };
    for (let from: unknown = 0; typeof from === "number"; ) {
      const page = await client.get(`/v1/objects/${root}/check`, { from }, context.signal);
      const { next, checked, missing, damaged } = page;
      if (typeof checked !== "number" || typeof missing !== "number" || !Array.isArray(damaged)) {
        throw new TetradError("client.bad-answer", "the node does not say what it found");
      }
      if (typeof next === "number" && next <= from) {
        throw new TetradError("client.bad-answer", "the node leads back to where it was");
      }
      sum.checked += checked;
      sum.missing += missing;
      sum.damaged.push(...(damaged as number[]));
      done += checked + missing;
      progress.update(done, total);
      from = next;
    }
    results.push(sum);
  }
  progress.end(true);
  printChecked(context, results);
};

const printChecked = (context: CliContext, results: readonly Checked[]): void => {
  const rows = results.map(
    ({ root, checked, missing, damaged }): Row => ({
      object: root,
      checked,
      missing,
      damaged: damaged.length,
      state: damaged.length > 0 ? "fail" : missing > 0 ? "part" : "ok",
    }),
  );
  const columns = ["object", "checked", "missing", "damaged", "state"];
  context.printList(results, columns, rows, byMeaning("state"));
  const bad = results.filter(({ damaged }) => damaged.length > 0);
  if (bad.length === 0) return;
  throw new TetradError(
    "object.damaged",
    `${bad.length} object(s) had damaged chunks, which were taken away; a get brings them back from others`,
  );
};

export const drop = async (
  context: CliContext,
  options: { readonly key?: string },
  text: string,
): Promise<void> => {
  const root = rootOf(text);
  const client = context.client();
  const wanted = {
    action: "drop",
    root: Buffer.from(root, "hex"),
    manifest: new Uint8Array(0),
  } as const;
  const order = await signOrder(context, client, options.key, wanted);
  await client.send("POST", "/v1/objects", order, context.signal);
  context.print({ root, dropped: true }, [["dropped", root]]);
};
