/**
 * `tetrad/client`: read, follow, verify and write a chain, in Node and in browsers (docs/sdk.md). What
 * only Node can do (files, key files) is `tetrad/client/node`.
 */
export { ERRORS, type ErrorCode, isErrorCode, TetradError } from "../errors.ts";
export type { Outcome } from "../ledger/types.ts";
export type { PageJson, StatusJson, WorkJson } from "./api.ts";
export { type Appended, type AppendOptions, base64, type EventInput } from "./append.ts";
export {
  type Client,
  type ClientOptions,
  createClient,
  type RowOptions,
  type TrustInput,
  type VerifiedHead,
} from "./client.ts";
export type { LedgerEvent } from "./entry.ts";
export type { EventsOptions } from "./events.ts";
export type { Fetch } from "./http.ts";
export type { LedgerRow, ListOptions, ListPage, PageOptions, ReadOptions } from "./lists.ts";
export type {
  ChunkStore,
  GetObjectOptions,
  ObjectBytes,
  ObjectName,
  ObjectProgress,
  ObjectSource,
  ObjectState,
  Objects,
  OrderOptions,
  PutObject,
  PutObjectOptions,
  VerifiedObject,
  VerifyObjectOptions,
} from "./objects/types.ts";
export {
  type Capability,
  type CapabilityChain,
  type CapabilityState,
  mayWrite,
  type Right,
  type RightAnswer,
  readCapability,
} from "./rights.ts";
export { keySigner } from "./signer.ts";
export { memoryStore, type TextStore } from "./store.ts";
export { type BatchKeeper, type KeptBatch, memoryKeeper, type Signer } from "./submit.ts";
export { searchInSlices, type WorkOptions, type WorkSearcher, type WorkTask } from "./work.ts";
