/**
 * The final chain and its log as honest nodes make them durable, read while a run goes on: header, batches in their
 * order, and what came of each event. Layouts are those of docs/protocol.md and of a node's store.
 */
import { HEADER_BYTES } from "./decode.ts";
import { Cursor, hex } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { Put } from "./types.ts";

/** An event of the final log. */
export type FinalEvent = {
  readonly height: number;
  readonly type: string;
  readonly payload: Uint8Array;
  /** Hex id of who signed the batch. */
  readonly actor: string;
  /** The code, or "" where it was accepted. */
  readonly refusedWith: string;
};

export type FinalBlock = {
  readonly height: number;
  readonly epoch: number;
  readonly view: number;
  readonly parentView: number;
  readonly timeMs: number;
  /** Hex, where it ends its epoch. */
  readonly nextSet: string | undefined;
  readonly events: readonly FinalEvent[];
};

const CORE_BYTES = 186;
const ACTOR_AT = 34;
const COUNT_AT = 146;
const NO_SET = "00".repeat(32);

type Batch = { readonly actor: string; readonly events: readonly Uint8Array[] };

const readBatch = (bytes: Uint8Array): Batch => {
  const actor = hex(bytes.subarray(ACTOR_AT, ACTOR_AT + 32));
  const count = new Cursor(bytes, COUNT_AT).u32();
  const cursor = new Cursor(bytes, CORE_BYTES);
  return { actor, events: Array.from({ length: count }, () => cursor.sized()) };
};

/** u16 version, u64 height, batch id, digest, u32 count, then a code of each event. */
const readCodes = (record: Uint8Array): readonly string[] => {
  const cursor = new Cursor(record, 2 + 8 + 32 + 32);
  const count = cursor.u32();
  return Array.from({ length: count }, () =>
    Buffer.from(cursor.take(cursor.u8())).toString("latin1"),
  );
};

const eventOf = (
  bytes: Uint8Array,
  rest: Pick<FinalEvent, "height" | "actor" | "refusedWith">,
): FinalEvent => {
  const cursor = new Cursor(bytes);
  const type = Buffer.from(cursor.take(cursor.u16())).toString("latin1");
  cursor.u16();
  return { ...rest, type, payload: cursor.sized() };
};

/** Follows the final heights without a gap, and shows each once, when all of it is known. */
export class FinalLog {
  readonly #blocks = new Recent<string, Uint8Array>(4096);
  readonly #batches = new Recent<string, Uint8Array>(16_384);
  readonly #records = new Map<number, Uint8Array>();
  readonly #final = new Map<number, string>();
  readonly #shown: (block: FinalBlock) => void;
  #height = 0;
  #size = 0;

  constructor(shown: (block: FinalBlock) => void) {
    this.#shown = shown;
  }

  /** What an honest node has made durable of its data. */
  note(puts: readonly Put[]): void {
    for (const { key, value } of puts) {
      if (key[1] !== 0x2f) continue;
      const area = String.fromCharCode(key[0] ?? 0);
      if (area === "b") this.#blocks.set(hex(key.subarray(2)), value);
      else if (area === "d") this.#batches.set(hex(key.subarray(2)), value);
      else if (area === "h") this.#noteHeight(new Cursor(key, 2).u64(), value);
      else if (area === "e") this.#noteRecord(new Cursor(key, 2).u64(), value);
    }
    while (this.#follow());
  }

  #noteHeight(height: number, hash: Uint8Array): void {
    if (height > this.#height) this.#final.set(height, hex(hash));
  }

  #noteRecord(index: number, record: Uint8Array): void {
    if (index >= this.#size) this.#records.set(index, record);
  }

  /** The events of a block, from its body and what execution says of them; undefined while that is not there. */
  #events(height: number, block: Uint8Array): readonly FinalEvent[] | undefined {
    const events: FinalEvent[] = [];
    const count = new Cursor(block, 138).u32();
    for (let i = 0; i < count; i++) {
      const at = HEADER_BYTES + 32 * i;
      const bytes = this.#batches.get(hex(block.subarray(at, at + 32)));
      const record = this.#records.get(this.#size + events.length);
      if (bytes === undefined || record === undefined) return undefined;
      const { actor, events: all } = readBatch(bytes);
      const codes = readCodes(record);
      for (const [k, event] of all.entries()) {
        events.push(eventOf(event, { height, actor, refusedWith: codes[k] ?? "missing" }));
      }
    }
    return events;
  }

  #follow(): boolean {
    const height = this.#height + 1;
    const block = this.#blocks.get(this.#final.get(height) ?? "");
    const events = block === undefined ? undefined : this.#events(height, block);
    if (block === undefined || events === undefined) return false;
    const head = new Cursor(block, 2 + 32);
    const [epoch, view] = [head.u64(), head.u64()];
    head.u64();
    const parentView = head.u64();
    head.take(32);
    const timeMs = head.u64();
    const set = hex(block.subarray(HEADER_BYTES - 34, HEADER_BYTES - 2));
    const nextSet = set === NO_SET ? undefined : set;
    this.#final.delete(height);
    for (let index = this.#size; index < this.#size + events.length; index++) {
      this.#records.delete(index);
    }
    this.#height = height;
    this.#size += events.length;
    this.#shown({ height, epoch, view, parentView, timeMs, nextSet, events });
    return true;
  }
}
