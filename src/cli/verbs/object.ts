/** `nexus object …`: files by the name of their bytes, from whichever node has them. */
import { once } from "node:events";
import { resolve } from "node:path";
import { fileBytes, getFile } from "../../client/node.ts";
import { oneNode } from "../../client/objects/ask.ts";
import { objectsOf } from "../../client/objects/index.ts";
import type { ObjectProgress, VerifiedObject } from "../../client/objects/types.ts";
import { TetradError } from "../../errors.ts";
import { isoTime } from "../../ledger/verify/iso-time.ts";
import { realClock } from "../../node/real-ports.ts";
import type { CliContext } from "../context.ts";
import { openSigningKey } from "../key.ts";
import { byMeaning, type Row, short } from "../output.ts";
import { createProgress } from "../progress.ts";
import { bytesText } from "./peers.ts";

const ROOT = /^[0-9a-f]{64}$/;

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

const progressOf = (context: CliContext, what: string, from: number) =>
  context.options.quiet === true
    ? { update: () => {}, end: () => {} }
    : createProgress(context.terminal, what, "MiB", realClock.monotonicMs, from);

/** Bytes as whole MiB, so that what a bar shows is what a file has. */
const mebibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20);

const LABELS = { hash: "hashing", send: "putting", get: "getting", verify: "verifying" } as const;

/** A bar for each step, of which one follows the other; `end` for the last. */
const barsOf = (context: CliContext) => {
  let bar: ReturnType<typeof progressOf> | undefined;
  let of: ObjectProgress["step"] | undefined;
  return {
    onProgress({ step, bytes, totalBytes = bytes }: ObjectProgress): void {
      if (step !== of) {
        bar?.end(true);
        bar = progressOf(context, LABELS[step], mebibytes(step === "hash" ? 0 : bytes));
        of = step;
      }
      bar?.update(mebibytes(bytes), mebibytes(totalBytes));
    },
    end: (): void => bar?.end(true),
  };
};

type KeyFlags = { readonly key?: string };

/** Signed for the chain of the folder's genesis where there is one, else for that of the node. */
const signerOf = async (context: CliContext, { key }: KeyFlags) =>
  openSigningKey(context.keyFile(key), context.env, (text) => context.note(text));

export const put = async (context: CliContext, flags: KeyFlags, path: string): Promise<void> => {
  await using file = await fileBytes(resolve(context.cwd, path));
  const signer = await signerOf(context, flags);
  const { signal } = context;
  const bars = barsOf(context);
  const { onProgress } = bars;
  const objects = objectsOf(oneNode(context.client()), context.signedChain());
  const { nodeId: _, ...done } = await objects.put(file, { signer, signal, onProgress });
  bars.end();
  context.print(done, [
    ["object", done.root],
    ["size", bytesText(done.length)],
    ["chunks", done.chunks],
    ["sent", done.sent],
  ]);
  context.suggest(`nexus object get ${done.root} -f FILE`);
};

type GetFlags = { readonly file?: string; readonly timeout: number };

export const get = async (context: CliContext, flags: GetFlags, text: string): Promise<void> => {
  const root = rootOf(text);
  const objects = objectsOf(oneNode(context.client()), undefined);
  const bars = barsOf(context);
  const { signal } = context;
  const options = { patienceMs: flags.timeout * 1000, signal, onProgress: bars.onProgress };
  if (flags.file === undefined) {
    if (context.terminal.outIsTerminal) {
      throw new TetradError("cli.usage", "an object may be any bytes: give -f FILE, or a pipe");
    }
    for await (const chunk of objects.get(root, options)) {
      if (!process.stdout.write(chunk)) await once(process.stdout, "drain");
    }
    bars.end();
    return;
  }
  const file = resolve(context.cwd, flags.file);
  const { length, chunks, resumed } = await getFile(objects, root, file, options);
  bars.end();
  context.print({ root, file, length, chunks, resumed }, [
    ["object", root],
    ["file", file],
    ["size", bytesText(length)],
    ["chunks", chunks],
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
  const items = await objectsOf(oneNode(client), undefined).list({ signal: context.signal });
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

export const verify = async (
  context: CliContext,
  _flags: unknown,
  text: string | undefined,
): Promise<void> => {
  const { signal } = context;
  const objects = objectsOf(oneNode(context.client()), undefined);
  const wanted = text === undefined ? undefined : rootOf(text);
  const all = await objects.list({ signal });
  const found = all.filter(({ root }) => wanted === undefined || root === wanted);
  const roots = wanted === undefined ? found.map(({ root }) => root) : [wanted];
  const totalBytes = found.reduce((sum, { length }) => sum + length, 0);
  const bars = barsOf(context);
  const results: VerifiedObject[] = [];
  let before = 0;
  for (const root of roots) {
    let bytes = 0;
    const onProgress = (one: ObjectProgress): void => {
      ({ bytes } = one);
      bars.onProgress({ step: "verify", bytes: before + bytes, totalBytes });
    };
    results.push(await objects.verify(root, { signal, onProgress }));
    before += bytes;
  }
  bars.end();
  printChecked(context, results);
};

const printChecked = (context: CliContext, results: readonly VerifiedObject[]): void => {
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

export const drop = async (context: CliContext, flags: KeyFlags, text: string): Promise<void> => {
  const root = rootOf(text);
  const signer = await signerOf(context, flags);
  const objects = objectsOf(oneNode(context.client()), context.signedChain());
  await objects.drop(root, { signer, signal: context.signal });
  context.print({ root, dropped: true }, [["dropped", root]]);
};
