/** The records that simulated clients write, and how much of a batch they take. */
import { Writer } from "../src/crypto/codec.ts";
import { encodeEvent } from "../src/ledger/event.ts";
import type { EncodedEvent } from "../src/ledger/types.ts";
import type { Prng } from "./prng.ts";
import type { Workload } from "./scenario.ts";
import { SCENARIO_LIMITS } from "./shape-words.ts";

/** Events of one batch of a client, as `definition.encode` gives them; none: the usual ones. */
export type WorkloadEvents = (random: Prng, client: number) => readonly EncodedEvent[];

/** Names of records: a key of so many, and the place in the batch. */
export const RECORD_KEYS = 16;
export const recordName = (key: number, place: number): string => `k${key}-${place}`;
export const laneTopic = (client: number): string => `lane${client}`;

export const recordEvent = (topic: string, key: string, body: Uint8Array): EncodedEvent =>
  encodeEvent("record.put", 1, new Writer().string(topic).string(key).bytes(body).finish());

const { clientsMax, eventsPerBatchMax, batchEventBytesMax } = SCENARIO_LIMITS;

/** What a record has beside its body, at the longest. */
const FRAME_BYTES = recordEvent(
  laneTopic(clientsMax - 1),
  recordName(RECORD_KEYS - 1, eventsPerBatchMax - 1),
  new Uint8Array(0),
).bytes.length;

/** Bytes of the events of one batch. */
export const recordsBytes = ({
  eventsPerBatch,
  bodyBytes,
}: Pick<Workload, "eventsPerBatch" | "bodyBytes">): number =>
  eventsPerBatch * (FRAME_BYTES + bodyBytes);

/** The longest bodies with which so many events fit into a batch. */
export const bodyBytesFor = (eventsPerBatch: number): number =>
  Math.floor(batchEventBytesMax / eventsPerBatch) - FRAME_BYTES;
