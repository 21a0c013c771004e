/** Writing: events as programs have them, into signed batches, to the outcome of each. */
import { toHex } from "../crypto/bytes.ts";
import { TetradError } from "../errors.ts";
import type { WaitLevel } from "../ledger/handle.ts";
import type { EncodedEvent, Outcome } from "../ledger/types.ts";
import { toBase64url } from "../ledger/verify/base64url.ts";
import { definitionFor } from "../node/formats.ts";
import type { OutcomeJson } from "./api.ts";
import type { PoolClient } from "./pool.ts";
import {
  type BatchKeeper,
  cutBatches,
  type SignedChain,
  type Signer,
  type Submitted,
  Submitter,
} from "./submit.ts";
import type { WorkOptions } from "./work.ts";

/** An event to write: its data as JSON, in the form in which events are read. */
export type EventInput = { readonly type: string; readonly data: unknown };

export type AppendOptions = {
  readonly signer: Signer;
  /** What is waited for: see docs/api.md. Default "projected": every event has an outcome. */
  readonly wait?: WaitLevel;
  /**
   * Where signed batches stay until their outcome is known; a keeper for each key. With one that outlives
   * the program (fileKeeper of tetrad/client/node), what was interrupted is sent first at the next call, and
   * never written twice. Default: the memory of this client.
   */
  readonly keeper?: BatchKeeper;
  /** Milliseconds without an answer after which the call gives up; the batch stays kept. Default 30,000. */
  readonly patienceMs?: number;
  /** How the work is done that a chain asks for; without it, in threads or slices, up to a bound. */
  readonly work?: WorkOptions;
  readonly signal?: AbortSignal;
  /** Told what takes time, and what became of batches that an earlier call had left. */
  readonly onNote?: (text: string) => void;
};

/** What the node says became of an event: its word, which `client.event(index)` proves. */
export type Appended = {
  readonly type: string;
  readonly batchId: string;
  /** Undefined while it is not in the log, or not executed ("accepted", "committed"). */
  readonly index: number | undefined;
  readonly height: number | undefined;
  readonly outcome: Outcome | undefined;
};

/** Bytes, or text as UTF-8, as byte fields of events have them in JSON: base64. */
export const base64 = (value: Uint8Array | string): string => {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  const text = toBase64url(bytes).replaceAll("-", "+").replaceAll("_", "/");
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
};

/** The encoding of an event. Throws batch.unknown-event-type and batch.bad-payload. */
export const encodeInput = ({ type, data }: EventInput): EncodedEvent => {
  const definition = definitionFor(type, data);
  if (definition === undefined) {
    throw new TetradError(
      "batch.unknown-event-type",
      `"${type.slice(0, 64)}" is no event type here`,
    );
  }
  const value = definition.fromJson(data);
  if (!value.ok) throw TetradError.from(value);
  return definition.encode(value.value);
};

const outcomeOf = (outcome: OutcomeJson | undefined): Outcome | undefined => {
  if (outcome === undefined || outcome.kind === "accepted") return outcome as Outcome | undefined;
  return { kind: "refused", code: outcome.code ?? "" };
};

const resultsOf = ({ batch, receipt }: Submitted): Appended[] =>
  batch.events.map((event, i) => ({
    type: event.type,
    batchId: toHex(batch.id),
    index: receipt.firstIndex === undefined ? undefined : receipt.firstIndex + i,
    height: receipt.height,
    outcome: outcomeOf(receipt.outcomes?.[i]),
  }));

/**
 * Signs and sends events; one result an event, in order. One call at a time for a key. `chain` is the one
 * that is signed for; undefined: the one that the node names.
 */
export const appendEvents = async (
  client: PoolClient,
  events: readonly EventInput[],
  options: AppendOptions,
  keeper: BatchKeeper,
  chain: SignedChain | undefined,
): Promise<Appended[]> => {
  const encoded = events.map(encodeInput);
  const submitter = await Submitter.open({
    client,
    chain,
    key: options.signer,
    outbox: options.keeper ?? keeper,
    wait: options.wait ?? "projected",
    patienceMs: options.patienceMs ?? 30_000,
    signal: options.signal ?? new AbortController().signal,
    note: options.onNote ?? (() => undefined),
    now: () => performance.now(),
    work: options.work,
  });
  for await (const { receipt } of submitter.flush()) {
    options.onNote?.(`batch ${receipt.batchId} of an earlier call is ${receipt.level}`);
  }
  const results: Appended[] = [];
  for (const batch of cutBatches(encoded))
    results.push(...resultsOf(await submitter.submit(batch)));
  return results;
};
