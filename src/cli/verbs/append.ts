/** `nexus append`: events from people into the log. */
import type { OutcomeJson, ReceiptJson } from "../../client/api.ts";
import { cutBatches, type Submitted, type Submitter } from "../../client/submit.ts";
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { isErrorCode, TetradError } from "../../errors.ts";
import type { WaitLevel } from "../../ledger/handle.ts";
import type { EncodedEvent } from "../../ledger/types.ts";
import { submitSigned } from "../append-signed.ts";
import type { CliContext } from "../context.ts";
import { encodeData, readEvents, recordEvent } from "../events-input.ts";
import { formatJson, formatNdjson, formatTable, type Row, short } from "../output.ts";
import { withSubmitter } from "../submitter.ts";

export type AppendOptions = {
  readonly type?: string;
  readonly data?: string;
  readonly file?: string;
  readonly batch?: string;
  readonly wait: WaitLevel;
  readonly key?: string;
  readonly timeout: number;
  readonly effort?: number;
};

export const append = async (
  context: CliContext,
  options: AppendOptions,
  record?: string,
  body?: string,
): Promise<void> => {
  if (options.batch !== undefined) {
    const { batch, wait, timeout } = options;
    if (record !== undefined || [options.type, options.data, options.file].some(isGiven)) {
      throw new TetradError("cli.usage", "--batch is the whole of what is sent");
    }
    printReceipts(context, [await submitSigned(context, batch, wait, timeout)], []);
    return;
  }
  const events = gather(context, options, record, body);
  await writeEvents(context, options, () => events);
  context.suggest("nexus tail", "nexus ls records");
};

const isGiven = (option: string | undefined): boolean => option !== undefined;

const gather = (
  context: CliContext,
  options: AppendOptions,
  record: string | undefined,
  body: string | undefined,
): EncodedEvent[] => {
  const { type, data, file } = options;
  const ways = [record !== undefined, type !== undefined || data !== undefined, file !== undefined];
  if (ways.filter(Boolean).length !== 1) {
    throw new TetradError(
      "cli.usage",
      "give either TOPIC/KEY BODY, or --type and --data, or --file, or --batch",
    );
  }
  if (file !== undefined) {
    const events = readEvents(file, context.cwd);
    if (events.length === 0) throw new TetradError("cli.usage", `${file} holds no events`);
    return events;
  }
  if (record !== undefined) {
    if (body === undefined) throw new TetradError("cli.usage", "the record's body is missing");
    return [recordEvent(record, body, context.cwd)];
  }
  if (type === undefined || data === undefined) {
    throw new TetradError("cli.usage", "--type and --data belong together");
  }
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch (error) {
    const why = error instanceof Error ? error.message : "?";
    throw new TetradError("cli.usage", `--data is not JSON: ${why}`);
  }
  return [encodeData(type, json, context.cwd, "--data")];
};

/** Tells what became of the events of a command, and of those that earlier ones had left. */
export type PrintReceipts = (
  context: CliContext,
  done: readonly Submitted[],
  kept: readonly Submitted[],
) => void;

/** Makes events once chain and actor are known, sends them, prints what became of them. */
export const writeEvents = async (
  context: CliContext,
  options: Pick<AppendOptions, "wait" | "key" | "timeout" | "effort">,
  make: (submitter: Submitter) => readonly EncodedEvent[] | Promise<readonly EncodedEvent[]>,
  print: PrintReceipts = printReceipts,
): Promise<void> => {
  const { wait, key, timeout, effort } = options;
  const wanted = { client: context.client(), wait, key, timeout, effort };
  await withSubmitter(context, wanted, async (submitter) => {
    const kept: Submitted[] = [];
    for await (const submitted of submitter.flush()) kept.push(submitted);
    const done: Submitted[] = [];
    const batches = cutBatches(await make(submitter));
    for (const [i, events] of batches.entries()) {
      const repeated = takeRepeated(kept, events);
      done.push(repeated ?? (await submitter.submit(events)));
      if (batches.length > 1) context.note(`batch ${i + 1} of ${batches.length}`);
    }
    // What is only accepted still is kept, and the next command learns more.
    const known = kept.filter(({ receipt }) => receipt.level !== "accepted");
    print(context, done, known);
  });
};

/** A batch that an interrupted command kept, when this command asks for the very same events. */
export const takeRepeated = (
  kept: Submitted[],
  events: readonly EncodedEvent[],
): Submitted | undefined => {
  const at = kept.findIndex(
    ({ batch, interrupted }) =>
      interrupted &&
      batch.events.length === events.length &&
      batch.events.every((event, i) => equalBytes(event.bytes, events[i]?.bytes ?? event.bytes)),
  );
  return at < 0 ? undefined : kept.splice(at, 1)[0];
};

/** What is known of an event; "pending" while its batch waits to be executed, which --wait may not wait for. */
const outcomeText = (outcome: OutcomeJson | undefined): string =>
  outcome === undefined
    ? "pending"
    : outcome.kind === "refused"
      ? `refused: ${outcome.code}`
      : outcome.kind;

export const rowsOf = ({ batch, receipt }: Submitted): Row[] =>
  batch.events.map((event, i) => ({
    index: receipt.firstIndex === undefined ? null : receipt.firstIndex + i,
    type: event.type,
    outcome: outcomeText(receipt.outcomes?.[i]),
    height: receipt.height ?? null,
    batch: short(toHex(batch.id)),
  }));

/**
 * First what was asked for, then the batches of earlier commands whose outcome is known only now. The exit
 * code is about the first alone; of the others a refusal is told, because nobody else will tell it.
 */
export const printReceipts: PrintReceipts = (context, done, kept) => {
  const { terminal } = context;
  const receipts = [
    ...done.map(({ receipt }) => receipt),
    ...kept.map(({ receipt }) => ({ ...receipt, kept: true })),
  ];
  if (context.format === "json") terminal.out(formatJson(receipts));
  else if (context.format === "ndjson") {
    for (const receipt of receipts) terminal.out(formatNdjson(receipt));
  } else {
    const columns = ["index", "type", "outcome", "height", "batch"];
    terminal.out(formatTable(columns, [...done, ...kept].flatMap(rowsOf), terminal.colorOut));
  }
  const earlier = kept.reduce((sum, { batch }) => sum + batch.events.length, 0);
  if (earlier > 0) context.note(`the last ${earlier} event(s) are of earlier commands`);
  const lost = refusalOf(kept.map(({ receipt }) => receipt));
  if (lost !== undefined) context.note(`of these, ${lost.message}`);
  const pending = done.filter(({ receipt }) => receipt.outcomes === undefined).length;
  if (pending > 0) {
    context.note(
      `${pending} batch(es) have no outcome yet: \`nexus tail\` shows it when there is one`,
    );
  }
  const failure = refusalOf(done.map(({ receipt }) => receipt));
  if (failure !== undefined) throw failure;
};

/** The error of the first refused event, under its own code where that is one of the table. */
export const refusalOf = (receipts: readonly ReceiptJson[]): TetradError | undefined => {
  const refused = receipts
    .flatMap((receipt) => receipt.outcomes ?? [])
    .filter((outcome) => outcome.kind === "refused");
  const first = refused[0];
  if (first === undefined) return undefined;
  return new TetradError(
    isErrorCode(first.code) ? first.code : "event.invalid",
    `${refused.length} event(s) are in the log but have no effect: ${first.code ?? "refused"}`,
  );
};
