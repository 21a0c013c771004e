/**
 * A rolling 64-bit digest over everything observable that happens in a run: two runs of one seed must
 * end with the same digest, else something in the code is not deterministic (I17). The digest is not
 * cryptographic: it guards against accidents. Bytes enter it through CRC-32, which is native and fast.
 */
import { crc32 } from "node:zlib";

export const EVENT_KINDS = [
  "boot",
  "crash",
  "pause",
  "peer-up",
  "peer-down",
  "send",
  "deliver",
  "drop",
  "write",
  "synced",
  "sign",
  "timer",
  "submit",
  "answer",
  "executed",
  "fault",
  "heal",
  "write-failed",
  "log",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

const KIND_CODE = new Map<EventKind, number>(EVENT_KINDS.map((kind, i) => [kind, i + 1]));

export type TraceEvent = {
  readonly atUs: number;
  readonly kind: EventKind;
  readonly node: number;
  /** The peer, the height, or -1: by kind. */
  readonly other: number;
  /** First byte of a frame: its message type; -1 where there are no bytes. */
  readonly type: number;
  readonly length: number;
  readonly note: string;
};

const RING = 512;
/** Time, node, other, type, length. */
const NUMBERS = 5;

export class Trace {
  #h1 = 0x6a09e667;
  #h2 = 0xbb67ae85;
  #count = 0;
  #newest: Uint8Array | undefined;
  #newestDigest = 0;
  /** The newest events, field by field: an object an event would be most of what a run throws away. */
  readonly #kinds = new Array<EventKind>(RING).fill("boot");
  readonly #notes = new Array<string>(RING).fill("");
  readonly #numbers = new Float64Array(RING * NUMBERS);
  /** Sees every event, and what the trace is with it; for `--trace` and for pictures. */
  tap: ((event: TraceEvent, digest: number) => void) | undefined;

  get count(): number {
    return this.#count;
  }

  #mix(word: number): void {
    this.#h1 = Math.imul(this.#h1 ^ word, 0x85ebca6b);
    this.#h1 ^= this.#h1 >>> 13;
    this.#h2 = Math.imul(this.#h2 + word, 0xc2b2ae35) ^ this.#h1;
    this.#h2 ^= this.#h2 >>> 16;
  }

  /** What the trace takes in of bytes. One frame that goes to many is read once. */
  digestOf(bytes: Uint8Array): number {
    if (this.#newest !== bytes) {
      this.#newest = bytes;
      this.#newestDigest = crc32(bytes) ^ bytes.length;
    }
    return this.#newestDigest;
  }

  /** `digest` is that of the bytes, where the caller has it already. */
  add(
    atUs: number,
    kind: EventKind,
    node: number,
    other: number,
    bytes?: Uint8Array,
    note = "",
    digest?: number,
  ): void {
    this.#mix(atUs >>> 0);
    this.#mix((KIND_CODE.get(kind) ?? 0) | (node << 8) | (other << 20));
    if (bytes !== undefined) this.#mix(digest ?? this.digestOf(bytes));
    if (note !== "") this.#mix(crc32(note));
    const slot = this.#count % RING;
    this.#count += 1;
    this.#kinds[slot] = kind;
    this.#notes[slot] = note;
    const numbers = this.#numbers;
    numbers[slot * NUMBERS] = atUs;
    numbers[slot * NUMBERS + 1] = node;
    numbers[slot * NUMBERS + 2] = other;
    numbers[slot * NUMBERS + 3] = bytes?.[0] ?? -1;
    numbers[slot * NUMBERS + 4] = bytes?.length ?? 0;
    this.tap?.(this.#eventAt(slot), this.#h1 >>> 0);
  }

  #eventAt(slot: number): TraceEvent {
    const at = slot * NUMBERS;
    const [atUs = 0, node = 0, other = 0, type = 0, length = 0] = this.#numbers.subarray(
      at,
      at + NUMBERS,
    );
    const [kind, note] = [this.#kinds[slot] ?? "boot", this.#notes[slot] ?? ""];
    return { atUs, kind, node, other, type, length, note };
  }

  /** 16 hex digits. */
  hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.#h1) + hex(this.#h2);
  }

  /** The newest events, oldest first, at most 512. */
  last(count: number): TraceEvent[] {
    const out: TraceEvent[] = [];
    for (let i = Math.max(0, this.#count - Math.min(count, RING)); i < this.#count; i++) {
      out.push(this.#eventAt(i % RING));
    }
    return out;
  }
}

export const formatEvent = (event: TraceEvent): string => {
  const time = (event.atUs / 1_000_000).toFixed(6).padStart(12);
  const other = event.other < 0 ? "   " : `>${String(event.other).padEnd(2)}`;
  const bytes = event.length === 0 ? "" : ` type=${event.type} bytes=${event.length}`;
  return `${time} n${event.node}${other} ${event.kind.padEnd(12)}${bytes} ${event.note}`.trimEnd();
};
