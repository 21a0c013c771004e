/** Shapes that several answers have, under components/schemas of the OpenAPI document. */
import type { Parameter, Schema } from "./operation.ts";

export const ref = (name: keyof typeof SCHEMAS): Schema => ({
  $ref: `#/components/schemas/${name}`,
});

const object = (properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []) =>
  ({
    type: "object",
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
  }) as const satisfies Schema;

export const listOf = (items: Schema): Schema => ({ type: "array", items });

export const HASH: Schema = {
  type: "string",
  pattern: "^[0-9a-f]{64}$",
  description: "32 bytes, lower-case hex",
};
export const COUNT: Schema = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
export const TEXT: Schema = { type: "string" };
export const TIME_MS: Schema = { ...COUNT, description: "milliseconds since 1970" };
export const TIME: Schema = { type: "string", format: "date-time" };
export const BYTES: Schema = { type: "string", description: "bytes, base64url without padding" };
const BOOLEAN: Schema = { type: "boolean" };

const OUTCOME = object(
  {
    kind: { enum: ["accepted", "refused"] },
    code: { ...TEXT, description: "why it was refused: a code of the error table" },
  },
  ["code"],
);

const EVENT = object(
  {
    index: COUNT,
    height: COUNT,
    time: { ...TIME, description: "ledger time of its block" },
    batchId: HASH,
    position: { ...COUNT, description: "place in the batch" },
    type: TEXT,
    version: COUNT,
    outcome: { $ref: "#/components/schemas/Outcome" },
    effectsHash: HASH,
    data: { description: "the payload for people; absent for a type that the node does not know" },
    payload: BYTES,
  },
  ["time", "data"],
);

const STATUS = object({
  version: TEXT,
  chainId: TEXT,
  genesisHash: HASH,
  nodeId: HASH,
  name: TEXT,
  validatorIndex: { type: ["integer", "null"] },
  epoch: COUNT,
  view: COUNT,
  leader: HASH,
  voting: { enum: ["yes", "asking", "refused", "halted", "observer", "keyless"] },
  problems: listOf(object({ code: TEXT, detail: TEXT, data: { type: "object" } })),
  driver: {
    type: ["object", "null"],
    description: "the QUIC driver of sessions between nodes",
    properties: {
      driver: TEXT,
      state: {
        enum: ["up", "down"],
        description: "down: another endpoint is opened after a pause",
      },
      restarts: {
        ...COUNT,
        description: "endpoints that failed and were replaced since the start",
      },
      lastFault: {
        type: ["object", "null"],
        properties: {
          cause: { enum: ["library", "socket", "stall"] },
          detail: TEXT,
          agoMs: COUNT,
        },
      },
    },
  },
  finalHeight: COUNT,
  finalHash: HASH,
  finalTimeMs: TIME_MS,
  finalTime: TIME,
  executedHeight: { ...COUNT, description: "what reads see" },
  logSize: COUNT,
  logRoot: HASH,
  stateRoot: HASH,
  refHeight: { ...COUNT, description: "what a new batch should reference" },
  refHash: HASH,
  work: {
    type: ["object", "null"],
    description:
      "what the work of a batch with this reference is held against; null: nothing is asked for",
    properties: {
      beacon: HASH,
      price: { ...TEXT, description: "in 1/65536 of an effort for pricedUnits, decimal" },
      pricedUnits: { ...TEXT, description: "bytes of events and 512 for each event, decimal" },
      puzzle: { type: "object", properties: { kind: TEXT, memoryKiB: COUNT } },
      times: {
        ...COUNT,
        description:
          "how many times the effort asked for the mempool takes now: 1, more under load",
      },
    },
  },
  beacon: {
    type: ["object", "null"],
    description: "null on a chain without a beacon (docs/proofs.md)",
    properties: {
      value: { ...HASH, description: "of finalHeight" },
      epochSeed: { ...HASH, description: "of the epoch that the next height is of" },
    },
  },
  peers: listOf(HASH),
  mempoolBytes: COUNT,
  mempoolBatches: COUNT,
  viewTimeMs: { type: "number", minimum: 0 },
  stake: {
    type: ["object", "null"],
    description:
      "powers of the running epoch's set; null where the validators are those of the genesis",
    properties: {
      degraded: { type: "boolean", description: "the floor rule has kept powers of before" },
      power: { ...TEXT, description: "of all validators together, decimal" },
      stake: { ...TEXT, description: "of all who might have held power, decimal" },
    },
  },
  checkpoint: {
    type: ["object", "null"],
    description: "the newest checkpoint that a quorum has signed",
    properties: { size: COUNT, time: TIME },
  },
});

const PROBLEM = object(
  {
    type: { ...TEXT, description: "urn:tetrad:error: and the code" },
    title: TEXT,
    status: { type: "integer", minimum: 400, maximum: 599 },
    code: { ...TEXT, description: "stable: one of docs/errors.md" },
    detail: TEXT,
    retryable: { ...BOOLEAN, description: "the same request may succeed later" },
    instance: { ...TEXT, description: "urn:tetrad:request: and the id that the node's log has" },
    data: { type: "object" },
  },
  ["data"],
);

const PROOF_CLAIMS: readonly Schema[] = [
  object({
    kind: { const: "events" },
    events: listOf(object({ leaf: BYTES, path: BYTES, batchPath: BYTES })),
    batches: listOf(object({ core: BYTES, signature: BYTES, publicKey: BYTES })),
  }),
  object({ kind: { const: "range" }, leaves: listOf(BYTES), before: BYTES, path: BYTES }),
  object({ kind: { const: "no-event" }, index: COUNT }),
  object({
    kind: { const: "rows" },
    projection: TEXT,
    projections: listOf(object({ name: TEXT, schemaVersion: COUNT, root: HASH })),
    rows: listOf(
      object({
        key: BYTES,
        row: { type: ["string", "null"], description: "u64 origin and value; null: there is none" },
        proof: BYTES,
      }),
    ),
  }),
];

export const SCHEMAS = {
  Outcome: OUTCOME,
  Event: EVENT,
  EventPage: object({
    items: listOf({ $ref: "#/components/schemas/Event" }),
    next: { ...TEXT, description: "cursor of the next page; also there at the end of the log" },
    more: BOOLEAN,
    logSize: COUNT,
    logRoot: HASH,
    height: COUNT,
  }),
  Row: object({ key: TEXT, value: {} }),
  RowRead: {
    ...object({ key: TEXT, value: {}, height: COUNT }),
    description: "a row; height: after which the state was read",
  },
  RowPage: object({
    projection: TEXT,
    items: listOf({ $ref: "#/components/schemas/Row" }),
    next: { type: ["string", "null"], description: "cursor of the next page, null at the end" },
    height: COUNT,
    stateRoot: HASH,
  }),
  Proof: {
    ...object({
      format: { const: "tetrad-proof" },
      version: { const: 1 },
      chainId: TEXT,
      genesisHash: HASH,
      links: listOf(object({ set: BYTES, header: BYTES, certificate: BYTES })),
      claim: { oneOf: PROOF_CLAIMS },
    }),
    additionalProperties: false,
    description: "a proof bundle (docs/protocol.md): `nexus proof verify` and the SDK check it",
  },
  Receipt: object(
    {
      batchId: HASH,
      level: { enum: ["accepted", "committed", "projected"] },
      height: COUNT,
      firstIndex: COUNT,
      outcomes: listOf({ $ref: "#/components/schemas/Outcome" }),
    },
    ["height", "firstIndex", "outcomes"],
  ),
  Lane: object({
    actor: HASH,
    laneSeq: { ...COUNT, description: "of the last final batch; 0 for a new lane" },
    batchId: HASH,
    pendingSeq: { ...COUNT, description: "of the last batch that waits behind it here" },
    pendingId: HASH,
  }),
  Status: STATUS,
  Problem: PROBLEM,
} as const satisfies Readonly<Record<string, Schema>>;

export const objectOf = object;

/** Parameters that several routes take. */
export const LIMIT = (most: number, usual: number): Parameter => ({
  description: "at most so many items; a page may hold fewer and not be the last",
  schema: { type: "integer", minimum: 1, maximum: most, default: usual },
});

export const AFTER: Parameter = {
  description: "the `next` of the page before: an opaque cursor of this list and filter",
  schema: { type: "string", minLength: 1 },
};

export const TYPE: Parameter = {
  description: "an event type, or a prefix such as `asset.*`",
  schema: { type: "string", pattern: "^[a-z0-9-]+(\\.[a-z0-9-]+)*(\\.\\*)?$", maxLength: 64 },
  example: "record.put",
};

export const hashParameter = (description: string): Parameter => ({
  description,
  schema: { type: "string", pattern: "^[0-9a-fA-F]{64}$" },
});
