/** Objects as the API sees them: what is here, what members are asked for, and what an actor has this node keep. */
import type { Result } from "../../errors.ts";
import type { EvidenceRecord } from "./evidence.ts";
import type { FetchFigures } from "./fetch.ts";

/** An object as the API shows it. */
export type ObjectState = {
  /** Its name, hex. */
  readonly root: string;
  readonly length: number;
  readonly chunks: number;
  readonly held: number;
  readonly kept: boolean;
  readonly usedMs: number;
  /** While it is being fetched. */
  readonly fetch: FetchFigures | undefined;
};

export type CheckedPage = {
  /** Where to go on; undefined at the end. */
  readonly next: number | undefined;
  readonly checked: number;
  /** Chunks that had changed on the disk, and are not here any more. */
  readonly damaged: readonly number[];
  readonly missing: number;
};

/** What came of an order, or of a chunk that was put. */
export type OrderedState = {
  readonly root: string;
  readonly chunks: number;
  readonly held: number;
  readonly kept: boolean;
  /** A bit for each chunk that is here, the first one highest. */
  readonly bits: Uint8Array;
};

export type ObjectsPort = {
  /** The one used last first. */
  list(): readonly ObjectState[];
  state(root: string): ObjectState | undefined;
  /**
   * The encoded manifest, as soon as it is known; the rest is fetched from then on, as long as somebody asks. What
   * it returns ends the waiting. Codes: object.not-found, object.no-room, node.overloaded, store.*.
   */
  manifest(root: string, done: (result: Result<Uint8Array>) => void): () => void;
  /** A chunk, as soon as it is here. Codes: as of `manifest`, object.stalled. */
  chunk(root: string, index: number, done: (result: Result<Uint8Array>) => void): () => void;
  /** Follows a signed order. Throws the codes of `checkOrder`, object.*, node.overloaded, store.*. */
  order(bytes: Uint8Array): Promise<OrderedState>;
  /** Takes a chunk of what an order has this node keep. Throws object.not-ordered, object.mismatch, store.*. */
  upload(root: string, index: number, chunk: Uint8Array): Promise<OrderedState>;
  /**
   * Holds chunks on the disk against their hashes, `count` at most; `turn` is waited for before each. Throws
   * object.not-found, store.io.
   */
  check(root: string, from: number, count: number, turn: () => Promise<void>): Promise<CheckedPage>;
  /** The oldest first. */
  evidence(): readonly EvidenceRecord[];
};
