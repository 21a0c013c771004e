/**
 * I24: no batch of a final block lacks its work. Prices, beacons, efforts and hashes are the oracle's own,
 * written from docs/proofs.md; only Argon2id itself is Node's.
 */
import { argon2Sync } from "node:crypto";
import { Cursor, hex, taggedHash } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker, WorkTerms } from "./types.ts";

/** What a chain has come to behind a block, of which batches are then judged. */
type Point = { readonly beacon: Uint8Array; readonly price: bigint };

type Core = {
  readonly actor: Uint8Array;
  readonly reference: string;
  readonly id: Uint8Array;
  readonly units: bigint;
  /** Where the list of proofs begins. */
  readonly proofsAt: number;
};

/** Bytes of a core, of the scheme with the signature behind the events, and of a header. */
const CORE = 186;
const SIGNATURE = 1 + 4 + 1280;
const HEADER = 288;
const EFFORT_MAX = 1n << 20n;
const NO_REVEAL = new Uint8Array(32);

const u32 = (bytes: Uint8Array, at: number): number =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32BE(at);

const u64Bytes = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** EIP-1559: an eighth up at twice the target or more, an eighth down at nothing, by at least 1. */
export const priceBehind = (terms: WorkTerms, price: bigint, units: bigint): bigint => {
  const used = least(units, terms.targetUnits * 2n);
  if (used === terms.targetUnits) return price;
  const distance = used > terms.targetUnits ? used - terms.targetUnits : terms.targetUnits - used;
  const step = most(1n, (price * distance) / terms.targetUnits / 8n);
  const moved = used > terms.targetUnits ? price + step : price - step;
  return most(terms.priceMin, least(terms.priceMax, moved));
};

/** Rounded up, 1 at least. */
export const effortAt = (terms: WorkTerms, price: bigint, units: bigint): bigint => {
  const per = terms.pricedUnits * 65_536n;
  const whole = (price * units) / per;
  return least(EFFORT_MAX, most(1n, whole * per === price * units ? whole : whole + 1n));
};

const coreOf = (chainId: string, bytes: Uint8Array): Core | undefined => {
  if (bytes.length < CORE) return undefined;
  const [events, eventBytes] = [u32(bytes, 146), u32(bytes, 150)];
  return {
    actor: bytes.subarray(34, 66),
    reference: hex(bytes.subarray(114, 146)),
    id: taggedHash(chainId, "batch/id", bytes.subarray(0, CORE)),
    units: BigInt(eventBytes + 512 * events),
    proofsAt: CORE + 4 * events + eventBytes + SIGNATURE,
  };
};

/** The bytes of the proof of kind 1; undefined where there is none. */
const slotOf = (bytes: Uint8Array, at: number): Uint8Array | undefined => {
  let next = at + 1;
  for (let left = bytes[at] ?? 0; left > 0; left--) {
    const length = u32(bytes, next + 3);
    if (bytes[next] === 1) return bytes.subarray(next + 7, next + 7 + length);
    next += 7 + length;
  }
  return undefined;
};

export const workShown = (context: CheckContext): Checker => {
  const { chainId, genesisHash, work } = context;
  const blocks = new Recent<string, Uint8Array>(4096);
  const batches = new Recent<string, Uint8Array>(16_384);
  const points = new Map<string, Point>();
  if (work !== undefined) {
    const beacon = taggedHash(chainId, "beacon/0", genesisHash);
    points.set(hex(genesisHash), { beacon, price: work.priceStart });
  }

  /** What is wrong with the work of a batch, or undefined. */
  const faultOf = (terms: WorkTerms, bytes: Uint8Array, core: Core): string | undefined => {
    const point = points.get(core.reference);
    if (point === undefined) return "refers to a block that is not final";
    const proof = slotOf(bytes, core.proofsAt);
    if (proof === undefined) return "carries no work";
    if (proof.length !== 20) return `carries ${proof.length} bytes as its work`;
    const effort = BigInt(u32(proof, 0));
    const required = effortAt(terms, point.price, core.units);
    if (effort < required) return `states an effort of ${effort}, and ${required} is required`;
    const tried = [point.beacon, core.actor, core.id, proof];
    const challenge = taggedHash(chainId, "work/batch", ...tried);
    const tag = argon2Sync("argon2id", {
      ...{ message: challenge, nonce: challenge, tagLength: 32 },
      ...{ memory: terms.memoryKiB, passes: 1, parallelism: 1 },
    });
    const word = BigInt(u32(taggedHash(chainId, "work/effort", challenge, tag), 0));
    return word * effort < 1n << 32n ? undefined : `has a hash that an effort of ${effort} is not`;
  };

  const beaconBehind = (before: Uint8Array, height: number, section: Uint8Array): Uint8Array => {
    const cursor = new Cursor(section);
    const revealed = section.length < 2 ? 0 : (cursor.u16() ?? 0);
    const value = section.subarray(2, 34);
    const y = revealed === 0 ? NO_REVEAL : taggedHash(chainId, "ivrf/y", value, before);
    return taggedHash(chainId, "beacon", before, u64Bytes(height), y);
  };

  const judge = (terms: WorkTerms, hash: string): void => {
    const block = blocks.get(hash);
    if (block === undefined || points.has(hash)) return;
    const before = points.get(hex(block.subarray(66, 98)));
    if (before === undefined) return context.report("I24", "a final block on one that is not");
    const height = Number(Buffer.from(block.subarray(50, 58)).readBigUInt64BE());
    let units = 0n;
    const count = u32(block, 138);
    for (let i = 0; i < count; i++) {
      const digest = hex(block.subarray(HEADER + 32 * i, HEADER + 32 * (i + 1)));
      const bytes = batches.get(digest);
      const core = bytes === undefined ? undefined : coreOf(chainId, bytes);
      if (bytes === undefined || core === undefined) {
        return context.report("I24", `a batch of height ${height} was never written`);
      }
      units += core.units;
      const fault = faultOf(terms, bytes, core);
      if (fault !== undefined) {
        return context.report("I24", `batch ${i} of final height ${height} ${fault}`);
      }
      context.mark("work checked");
    }
    const price = priceBehind(terms, before.price, units);
    if (price > before.price) context.mark("work dearer");
    const section = block.subarray(HEADER + 32 * count + 4);
    points.set(hash, { beacon: beaconBehind(before.beacon, height, section), price });
  };

  return {
    id: "I24",
    title:
      "every batch of a final block carries work for it, of the effort that its reference asks for",
    durable: (slot, disk, puts) => {
      if (work === undefined || disk !== "data" || !context.honest(slot)) return;
      for (const { key, value } of puts) {
        if (key[0] === 0x62) blocks.set(hex(key.subarray(2)), value);
        if (key[0] === 0x64) batches.set(hex(key.subarray(2)), value);
      }
      for (const { key, value } of puts) if (key[0] === 0x68) judge(work, hex(value));
    },
  };
};
