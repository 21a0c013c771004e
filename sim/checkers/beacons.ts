/**
 * The oracle's own beacon, from docs/proofs.md and not from the code that it judges: what each final height
 * reveals, the beacon after it, and the seeds of epochs. Fed by what honest nodes make durable.
 */
import { HEADER_BYTES } from "./decode.ts";
import { Cursor, hex, taggedHash } from "./oracle.ts";
import type { CheckContext, Dump, Put } from "./types.ts";

export type BeaconHeight = {
  readonly height: number;
  readonly epoch: number;
  readonly proposer: number;
  readonly reveal: Uint8Array;
  readonly beacon: Uint8Array;
  /** Of the next height. */
  readonly next: EpochFacts;
};

export type EpochFacts = {
  readonly number: number;
  readonly firstHeight: number;
  readonly startMs: number;
  readonly seed: Uint8Array;
};

/** Seeds are the beacon of so many heights before an epoch's first. */
const SEED_BEFORE = 16;
const NOTHING = new Uint8Array(0);
const ZEROS = new Uint8Array(32);

const u64 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

type Body = Pick<BeaconHeight, "height" | "epoch" | "proposer" | "reveal"> & {
  readonly timeMs: number;
  readonly isLast: boolean;
};

/** Header, digests, and then the section: u16 length || reveal || u32 length || openings. */
const readBody = (block: Uint8Array): Body | undefined => {
  if (block.length < HEADER_BYTES) return undefined;
  const head = new Cursor(block, 2 + 32);
  const epoch = head.u64();
  head.u64();
  const height = head.u64();
  head.u64();
  head.take(32);
  const timeMs = head.u64();
  head.take(32);
  const count = head.u32();
  const end = new Cursor(block, HEADER_BYTES - 2 - 32);
  const isLast = end.take(32).some((byte) => byte !== 0);
  const proposer = end.u16();
  const section = new Cursor(new Cursor(block, HEADER_BYTES + 32 * count).sized());
  const reveal = section.left === 0 ? NOTHING : section.take(section.u16());
  return { height, epoch, proposer, reveal, timeMs, isLast };
};

/** The root that a reveal leads to: x_j || siblings from the leaf upwards. */
export const rootOfReveal = (chainId: string, reveal: Uint8Array, index: number): Uint8Array => {
  let hash = taggedHash(chainId, "ivrf/leaf", u64(index), reveal.subarray(0, 32));
  let place = index;
  for (let at = 32; at < reveal.length; at += 32) {
    const sibling = reveal.subarray(at, at + 32);
    const pair = place % 2 === 0 ? [hash, sibling] : [sibling, hash];
    hash = taggedHash(chainId, "ivrf/node", ...pair);
    place = Math.floor(place / 2);
  }
  return hash;
};

export type Beacons = {
  /** Takes in what an honest node has made durable. */
  note(puts: readonly Put[]): void;
  at(height: number): BeaconHeight | undefined;
  /** The seed of an epoch; undefined while its first height is not known here. */
  seedOf(epoch: number): Uint8Array | undefined;
  /** Final heights known without a gap, the genesis not counted. */
  readonly height: number;
};

class Followed implements Beacons {
  readonly #chainId: string;
  readonly #blocks = new Map<string, Body>();
  readonly #final = new Map<number, string>();
  readonly #heights: BeaconHeight[];
  readonly #seeds = new Map<number, Uint8Array>();

  constructor({ chainId, genesisHash, genesisTimeMs }: CheckContext) {
    this.#chainId = chainId;
    const beacon = taggedHash(chainId, "beacon/0", genesisHash);
    const next = { number: 0, firstHeight: 1, startMs: genesisTimeMs, seed: beacon };
    this.#seeds.set(0, beacon);
    this.#heights = [{ height: 0, epoch: 0, proposer: 0, reveal: NOTHING, beacon, next }];
  }

  get height(): number {
    return this.#heights.length - 1;
  }

  at(height: number): BeaconHeight | undefined {
    return this.#heights[height];
  }

  seedOf(epoch: number): Uint8Array | undefined {
    return this.#seeds.get(epoch);
  }

  note(puts: readonly Put[]): void {
    for (const { key, value } of puts) {
      if (key[1] !== 0x2f) continue;
      const area = String.fromCharCode(key[0] ?? 0);
      if (area === "b") this.#noteBlock(hex(key.subarray(2)), value);
      if (area === "h") this.#final.set(new Cursor(key, 2).u64(), hex(value));
    }
    while (this.#follow());
  }

  #noteBlock(hash: string, block: Uint8Array): void {
    if (this.#blocks.has(hash)) return;
    const body = readBody(block);
    if (body !== undefined && body.height > this.height) this.#blocks.set(hash, body);
  }

  #follow(): boolean {
    const height = this.height + 1;
    const hash = this.#final.get(height);
    const body = hash === undefined ? undefined : this.#blocks.get(hash);
    const parent = this.#heights[height - 1];
    if (hash === undefined || body === undefined || parent === undefined) return false;
    const { reveal } = body;
    const y =
      reveal.length === 0
        ? ZEROS
        : taggedHash(this.#chainId, "ivrf/y", reveal.subarray(0, 32), parent.beacon);
    const beacon = taggedHash(this.#chainId, "beacon", parent.beacon, u64(height), y);
    const { epoch, proposer } = body;
    const next = body.isLast ? this.#nextEpoch(body, beacon) : parent.next;
    this.#heights.push({ height, epoch, proposer, reveal, beacon, next });
    for (const [known, { height: of }] of this.#blocks)
      if (of <= height) this.#blocks.delete(known);
    return true;
  }

  #nextEpoch({ height, epoch, timeMs }: Body, beacon: Uint8Array): EpochFacts {
    const firstHeight = height + 1;
    const from = Math.max(0, firstHeight - SEED_BEFORE);
    const seed = from === height ? beacon : (this.#heights[from]?.beacon ?? beacon);
    this.#seeds.set(epoch + 1, seed);
    return { number: epoch + 1, firstHeight, startMs: timeMs, seed };
  }
}

const shared = new WeakMap<CheckContext, Beacons>();

/** One for all checkers of a run; undefined on a chain without a beacon. */
export const beaconsOf = (context: CheckContext): Beacons | undefined => {
  if (context.beacon === undefined) return undefined;
  const known = shared.get(context) ?? new Followed(context);
  shared.set(context, known);
  return known;
};

/** Of what nodes have at the end, the one with the highest executed height; the first of several. */
export const longestOf = (dumps: readonly Dump[]): Dump | undefined => {
  let best: Dump | undefined;
  for (const dump of dumps) {
    if (dump.status.executedHeight > (best?.status.executedHeight ?? -1)) best = dump;
  }
  return best;
};
