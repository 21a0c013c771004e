/**
 * I27: on a chain that asks for space, every final block opens its proposer's sector and every batch its host's,
 * and every accepted answer to an epoch is right and in time. Challenges, trees and which sectors count are the
 * oracle's own, from docs/proofs.md. Sectors are those of the genesis.
 */
import { type Beacons, beaconsOf } from "./beacons.ts";
import { Cursor, hex, taggedHash } from "./oracle.ts";
import { payloadOf } from "./payload.ts";
import { Recent } from "./recent.ts";
import { SectorLabels } from "./sector-labels.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker, Dump, Entry, SpaceTerms } from "./types.ts";

const CORE = 186;
const SIGNATURE = 1 + 4 + 1280;
const HEADER = 288;
const HOST = 40;
const SPACE_SLOT = 2;

type Hosted = {
  readonly actor: Uint8Array;
  readonly laneSeq: number;
  readonly refHeight: number;
  readonly slot: Uint8Array | undefined;
};
type Final = {
  readonly height: number;
  readonly timeMs: number;
  readonly openings: Uint8Array;
  readonly hosted: readonly Hosted[];
};

const u32 = (bytes: Uint8Array, at: number): number =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32BE(at);
const u32Bytes = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64Bytes = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

/** 1 + (u64le mod N - 1). */
const nodeOf = (digest: Uint8Array, lgNodes: number): number =>
  1 + Number(Buffer.from(digest).readBigUInt64LE(0) % (2n ** BigInt(lgNodes) - 1n));

const rootOf = (chainId: string, opening: Uint8Array, node: number): string => {
  let hash = opening.subarray(0, 32);
  let place = node;
  for (let at = 32; at < opening.length; at += 32) {
    const sibling = opening.subarray(at, at + 32);
    const pair = place % 2 === 0 ? [hash, sibling] : [sibling, hash];
    hash = taggedHash(chainId, "space/node", ...pair);
    place = Math.floor(place / 2);
  }
  return hex(hash);
};

const hostedOf = (bytes: Uint8Array): Hosted & { readonly core: Uint8Array } => {
  const head = new Cursor(bytes, 34);
  const actor = head.take(32);
  const laneSeq = head.u64();
  head.take(32);
  const refHeight = head.u64();
  let at = CORE + 4 * u32(bytes, 146) + u32(bytes, 150) + SIGNATURE;
  let slot: Uint8Array | undefined;
  for (let left = bytes[at++] ?? 0; left > 0; left--) {
    const length = u32(bytes, at + 3);
    if (bytes[at] === SPACE_SLOT) slot = bytes.subarray(at + 7, at + 7 + length);
    at += 7 + length;
  }
  return { actor, laneSeq, refHeight, slot, core: bytes.subarray(0, CORE) };
};

class Judge {
  readonly #context: CheckContext;
  readonly #terms: SpaceTerms;
  readonly #beacons: Beacons;
  /** Validators whose sector is admitted, and since which epoch it counts for that. */
  readonly #admitted = new Set<string>();
  /** Author and number of every sector that was committed to. */
  readonly #committed = new Set<string>();

  constructor(context: CheckContext, terms: SpaceTerms, beacons: Beacons) {
    this.#context = context;
    this.#terms = terms;
    this.#beacons = beacons;
    for (const author of terms.roots.keys()) this.#committed.add(`${author} 0`);
  }

  /** A sector has one try at a challenge: its number is not had twice, and its beacon is one that many share. */
  committed(entry: Entry, author: string): string | undefined {
    const payload = payloadOf(entry);
    const name = `${author} ${payload.u64()}`;
    if (this.#committed.has(name)) return "commits to a sector for the second time";
    this.#committed.add(name);
    return payload.u64() % 16 === 0 ? undefined : "is of a beacon of its author's choice";
  }

  admitted(author: string): void {
    this.#admitted.add(author);
  }

  #rootIn(author: string, epoch: number): string | undefined {
    if (epoch > 1 && !this.#admitted.has(author)) return undefined;
    return this.#terms.roots.get(author);
  }

  #wrong(
    openings: Uint8Array,
    count: number,
    root: string,
    digest: (j: number) => Uint8Array,
  ): string | undefined {
    const { lgNodes } = this.#terms;
    const length = 32 * (1 + lgNodes);
    if (openings.length !== count * length) return `has ${openings.length} bytes of openings`;
    for (let j = 0; j < count; j++) {
      const opening = openings.subarray(j * length, (j + 1) * length);
      const node = nodeOf(digest(j), lgNodes);
      if (rootOf(this.#context.chainId, opening, node) !== root)
        return `opens node ${node} wrongly`;
    }
    return undefined;
  }

  block({ height, openings }: Final): string | undefined {
    const known = this.#beacons.at(height);
    const parent = this.#beacons.at(height - 1);
    const set = known === undefined ? undefined : setsOf(this.#context).at(known.epoch);
    const author = set?.ofIndex(known?.proposer ?? -1)?.idHex;
    if (known === undefined || parent === undefined || author === undefined) return undefined;
    const root = this.#rootIn(author, known.epoch);
    if (root === undefined) {
      return openings.length === 0 ? undefined : "opens a sector that does not count";
    }
    this.#context.mark("block opened");
    const id = Buffer.from(author, "hex");
    return this.#wrong(openings, this.#terms.blockOpenings, root, (j) =>
      taggedHash(this.#context.chainId, "space/block", parent.beacon, id, u32Bytes(j)),
    );
  }

  batch(height: number, { actor, laneSeq, refHeight, slot }: Hosted): string | undefined {
    const epoch = this.#beacons.at(height)?.epoch ?? 0;
    const beacon = this.#beacons.at(refHeight)?.beacon;
    if (slot === undefined) {
      const isDue = [...this.#terms.roots.keys()].some(
        (id) => this.#rootIn(id, epoch) !== undefined,
      );
      return isDue ? "has no host" : undefined;
    }
    const host = hex(slot.subarray(0, 32));
    const root = this.#rootIn(host, epoch);
    const sectorId = this.#terms.sectorIds.get(host);
    if (root === undefined || sectorId === undefined || beacon === undefined) {
      return `has a host without a sector in epoch ${epoch}`;
    }
    this.#context.mark("host opened");
    const place = [Buffer.from(host, "hex"), sectorId, actor, u64Bytes(laneSeq)];
    return this.#wrong(slot.subarray(HOST), this.#terms.eventOpenings, root, (j) =>
      taggedHash(this.#context.chainId, "space/event", beacon, ...place, u32Bytes(j)),
    );
  }

  window(entry: Entry, author: string, timeMs: number): string | undefined {
    const payload = payloadOf(entry);
    const claimed = payload.u64();
    const from = payload.u32();
    const openings = payload.sized();
    const epoch = this.#beacons.at(entry.height)?.epoch ?? 0;
    const before = this.#beacons.at(entry.height - 1)?.next;
    if (claimed !== epoch || before === undefined || epoch === 0) return "is of another epoch";
    if (timeMs - before.startMs > this.#terms.responseMs) return "came too late";
    const root = this.#rootIn(author, epoch);
    const seed = this.#beacons.at(before.firstHeight)?.beacon;
    if (root === undefined || seed === undefined) return "is of a sector that does not count";
    this.#context.mark("epoch answered");
    const id = Buffer.from(author, "hex");
    const count = openings.length / (32 * (1 + this.#terms.lgNodes));
    return this.#wrong(openings, count, root, (j) =>
      taggedHash(this.#context.chainId, "space/post", seed, id, u32Bytes(from + j)),
    );
  }
}

export const spaceShown = (context: CheckContext): Checker => {
  const terms = context.space;
  const beacons = beaconsOf(context);
  const base = { id: "I27", title: "space is opened for every block, batch and epoch" };
  if (terms === undefined || beacons === undefined) return base;
  const blocks = new Recent<string, Uint8Array>(4096);
  const batches = new Recent<string, Uint8Array>(16_384);
  const labels = new SectorLabels(context, terms);
  const final = new Map<number, Final>();
  const authors = new Map<string, string>();
  const honest = new Set(
    context.members.filter(({ slot }) => context.honest(slot)).map(({ idHex }) => idHex),
  );

  const noteFinal = (hash: string): void => {
    const block = blocks.get(hash);
    if (block === undefined) return;
    const head = new Cursor(block, 2 + 32 + 8 + 8);
    const height = head.u64();
    if (final.has(height)) return;
    const timeMs = new Cursor(block, 2 + 32 + 8 + 8 + 8 + 8 + 32).u64();
    const count = u32(block, 138);
    const section = new Cursor(new Cursor(block, HEADER + 32 * count).sized());
    section.take(section.u16());
    const openings = section.sized().slice();
    const hosted: Hosted[] = [];
    for (let i = 0; i < count; i++) {
      const bytes = batches.get(hex(block.subarray(HEADER + 32 * i, HEADER + 32 * (i + 1))));
      if (bytes === undefined)
        return context.report("I27", `a batch of height ${height} is nowhere`);
      const { core, slot, ...one } = hostedOf(bytes);
      hosted.push({ ...one, slot: slot?.slice() });
      authors.set(hex(taggedHash(context.chainId, "batch/id", core)), hex(one.actor));
    }
    final.set(height, { height, timeMs, openings, hosted });
  };

  const judgeEntry = (
    judge: Judge,
    done: Map<string, number>,
    entry: Entry,
  ): string | undefined => {
    const author = authors.get(entry.batchId) ?? "";
    if (!entry.eventType.startsWith("space.")) return undefined;
    if (entry.refusedWith !== "") {
      context.mark(`${entry.eventType} refused ${entry.refusedWith}`);
      if (honest.has(author)) return undefined;
      context.mark(`liar's ${entry.eventType} ${entry.refusedWith}`);
      if (entry.refusedWith === "space.stale" && entry.eventType === "space.window.proven") {
        const isOver = payloadOf(entry).u64() !== beacons.at(entry.height)?.epoch;
        context.mark(isOver ? "space next epoch" : "space late");
      }
      return undefined;
    }
    if (entry.eventType === "space.window.proven") {
      return judge.window(entry, author, final.get(entry.height)?.timeMs ?? 0);
    }
    if (entry.eventType === "space.sector.committed") return judge.committed(entry, author);
    if (entry.eventType !== "space.sector.proven") return undefined;
    const payload = payloadOf(entry);
    payload.u64();
    const from = payload.u32();
    const openings = payload.sized();
    const shown = labels.part(author, from, openings);
    if (shown !== "right") return `is an admission with a ${shown}`;
    const answered = (done.get(author) ?? 0) + openings.length / terms.admissionBytes;
    done.set(author, answered);
    if (answered < terms.admissionChallenges) return undefined;
    context.mark("sector admitted");
    judge.admitted(author);
    return undefined;
  };

  const judgeAll = ({ entries, status }: Dump): void => {
    const judge = new Judge(context, terms, beacons);
    const done = new Map<string, number>();
    let next = 0;
    for (let height = 1; height <= Math.min(status.executedHeight, beacons.height); height++) {
      const block = final.get(height);
      if (block === undefined) return;
      const fault = judge.block(block);
      if (fault !== undefined) context.report("I27", `final block ${height} ${fault}`);
      for (const batch of block.hosted) {
        const wrong = judge.batch(height, batch);
        if (wrong !== undefined)
          context.report("I27", `a batch of final height ${height} ${wrong}`);
      }
      for (let entry = entries[next]; entry?.height === height; entry = entries[++next]) {
        const wrong = judgeEntry(judge, done, entry);
        if (wrong !== undefined) context.report("I27", `event ${entry.index} ${wrong}`);
      }
    }
  };

  return {
    ...base,
    durable: (slot, disk, puts) => {
      if (disk !== "data" || !context.honest(slot)) return;
      beacons.note(puts);
      for (const { key, value } of puts) {
        if (key[0] === 0x62) blocks.set(hex(key.subarray(2)), value);
        if (key[0] === 0x64) batches.set(hex(key.subarray(2)), value);
      }
      for (const { key, value } of puts) if (key[0] === 0x68) noteFinal(hex(value));
    },
    end: (dumps) => {
      const longest = dumps.toSorted(
        (a, b) => b.status.executedHeight - a.status.executedHeight,
      )[0];
      if (longest !== undefined) judgeAll(longest);
    },
  };
};
