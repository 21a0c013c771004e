/** What programs give and get of objects (docs/sdk.md, "Objects"). */
import type { Signer } from "../submit.ts";

/** How far a call has come. */
export type ObjectProgress = {
  readonly step: "hash" | "send" | "get" | "verify";
  /** Bytes that are done; what an earlier run has left counts from the beginning. */
  readonly bytes: number;
  /** Undefined while a stream is read whose end is not known. */
  readonly totalBytes: number | undefined;
};

/** Bytes that can be read more than once, from any place: a file. */
export type ObjectBytes = {
  readonly length: number;
  /** `length` bytes from `offset` on; fewer only where there are no more. */
  read(offset: number, length: number): Promise<Uint8Array>;
};

/** What can be put. Bytes that come once (a stream, an async iterable) may be of any size and in any pieces. */
export type ObjectSource =
  | Uint8Array
  | Blob
  | ObjectBytes
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/**
 * Chunks that are kept outside of a call: those of a stream that is put, since a node wants the name of the whole
 * before it takes any, and those of an object that is got, so that a later call goes on where this one ended.
 * What is read back is held against its hash.
 */
export type ChunkStore = {
  /** The first `length` bytes of a chunk; undefined where they are not all there. */
  read(index: number, length: number): Promise<Uint8Array | undefined> | Uint8Array | undefined;
  write(index: number, chunk: Uint8Array): Promise<void> | void;
};

type Told = {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ObjectProgress) => void;
};

type Patient = {
  /** Milliseconds that a node is asked again while it is slow or away. Default 60,000. */
  readonly patienceMs?: number;
};

export type OrderOptions = {
  /** The key of an actor with the permission object.put, or object.drop. */
  readonly signer: Signer;
  /** Id of the node that it is for, hex; the first one that can answer if not given. */
  readonly nodeId?: string;
  readonly signal?: AbortSignal;
};

export type PutObjectOptions = OrderOptions &
  Told &
  Patient & {
    /** Where the chunks of a stream wait; memory if not given, up to LIMITS.clientStreamBytesMax. */
    readonly spool?: ChunkStore;
  };

export type GetObjectOptions = Told &
  Patient & {
    /** Place of the first byte that is wanted. Default 0. */
    readonly offset?: number;
    /** Where chunks are looked for before a node is asked for them, and written when they are right. */
    readonly kept?: ChunkStore;
  };

export type VerifyObjectOptions = Told;

/** An object by its name: 64 hex digits that stand for these bytes and no others. */
export type ObjectName = {
  readonly root: string;
  readonly length: number;
  readonly chunks: number;
};

export type PutObject = ObjectName & {
  /** Id of the node that keeps it, as it says. */
  readonly nodeId: string;
  /** Chunks that the node had not. */
  readonly sent: number;
};

/** An object on the disk of a node: the node's word. */
export type ObjectState = ObjectName & {
  /** Chunks that are there. */
  readonly held: number;
  /** An actor has the node keep it; else it goes when others need the room. */
  readonly kept: boolean;
  /** When it was used last, milliseconds since 1970. */
  readonly usedMs: number;
  /** While the node gets it from members: how far it is, and from whom. */
  readonly fetch: Readonly<Record<string, unknown>> | null;
};

/** What a node found when it read an object from its disk: the node's word. */
export type VerifiedObject = {
  readonly root: string;
  readonly checked: number;
  readonly missing: number;
  /** Chunks that had changed, and are not there any more. */
  readonly damaged: readonly number[];
};

/** Objects of the nodes of a client. */
export type Objects = {
  /**
   * Has a node keep an object. What it has already is not sent, so that a call that failed can be made again.
   * Throws object.too-large, client.stream-too-large, object.mismatch for bytes that change while they are read,
   * folder.foreign for a node of another chain, and the codes of orderObject and putObjectChunk (docs/api.md).
   */
  put(source: ObjectSource, options: PutObjectOptions): Promise<PutObject>;
  /**
   * The bytes in order, in pieces of 1 MiB or less, each held against the name before it is given: the node is
   * believed nothing. Throws object.mismatch where a node gives other bytes, and the codes of getObjectChunk.
   */
  get(root: string, options?: GetObjectOptions): AsyncGenerator<Uint8Array, void, undefined>;
  /** Its length, held against the name: a node that does not have it gets it from members first. */
  describe(root: string, options?: Omit<GetObjectOptions, "offset" | "kept">): Promise<ObjectName>;
  /** The objects on the node's disk, the one used last first: its word. */
  list(options?: { readonly signal?: AbortSignal }): Promise<readonly ObjectState[]>;
  /** One of them; undefined where the node has nothing of it. Has nothing fetched. */
  state(
    root: string,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ObjectState | undefined>;
  /** Has the node read the object from its disk and hold it against the name. Throws object.not-found. */
  verify(root: string, options?: VerifyObjectOptions): Promise<VerifiedObject>;
  /** Has a node give up an object. Throws object.not-found, and the codes of orderObject. */
  drop(root: string, options: OrderOptions): Promise<void>;
};
