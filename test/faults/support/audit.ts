/**
 * What must be true of four stopped nodes after any fault, read from their folders by this test's own
 * code: one chain, one log, one state, every acknowledged batch in it once, and no contradiction signed.
 */
import { createHash } from "node:crypto";
import { expect } from "vitest";
import { openLevelStore } from "../../../src/ledger/store/level.ts";
import type { Acknowledged } from "./load.ts";
import type { NetworkNode } from "./network.ts";
import { findContradictions, readCertificate, type Signed, statementOf } from "./statements.ts";

type Rows = ReadonlyMap<string, Buffer>;

export type NodeData = {
  readonly name: string;
  /**
   * Rows of an area, by the hex of what follows the area's two bytes; under e the leaves of the log by
   * index, put together from the records of execution and the batches.
   */
  readonly areas: Readonly<Record<"h" | "v" | "x" | "e" | "c", Rows>>;
};

const AREAS = ["h", "v", "x", "e", "c", "d"] as const;
const SLASH_END = "0";

const silent = { log: () => {} };

/** Reads a stopped node's store. */
export const readNode = async (node: NetworkNode): Promise<NodeData> => {
  const store = await openLevelStore(`${node.folder}/db`, { logger: silent });
  const areas: Record<(typeof AREAS)[number], Rows> = {
    h: new Map(),
    v: new Map(),
    x: new Map(),
    e: new Map(),
    c: new Map(),
    d: new Map(),
  };
  try {
    for (const area of AREAS) {
      const range = {
        gte: Buffer.from(`${area}/`),
        lt: Buffer.from(`${area}${SLASH_END}`),
        limit: 10_000_000,
      };
      areas[area] = await new Promise<Rows>((resolve, reject) => {
        store.range(range, (failure, entries) => {
          if (failure !== undefined) return reject(new Error(failure.detail));
          const named = entries.map(([key, value]): [string, Buffer] => [
            Buffer.from(key).toString("hex", 2),
            Buffer.from(value),
          ]);
          resolve(new Map(named));
        });
      });
    }
  } finally {
    await new Promise<void>((resolve) => {
      store.close(resolve);
    });
  }
  const { h, v, x, c, e, d } = areas;
  return { name: node.name, areas: { h, v, x, c, e: leavesOf(node.name, e, d) } };
};

/** An envelope's events follow its core: the count, then count × (u32 length || event). */
const EVENT_COUNT_AT = 2 + 32 + 32 + 8 + 32 + 8 + 32;
const EVENTS_AT = EVENT_COUNT_AT + 4 + 4 + 32;

const eventsOf = (envelope: Buffer): Buffer[] => {
  const events: Buffer[] = [];
  let at = EVENTS_AT;
  for (let left = envelope.readUInt32BE(EVENT_COUNT_AT); left > 0; left--) {
    const end = at + 4 + envelope.readUInt32BE(at);
    events.push(envelope.subarray(at + 4, end));
    at = end;
  }
  return events;
};

const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

/**
 * The leaves that the records stand for. Record: u16 version, u64 height, batchId(32), digest(32),
 * u32 count, count × (u8 length || code), count × effectsHash(32). Leaf: docs/protocol.md, Log.
 */
const leavesOf = (name: string, records: Rows, batches: Rows): Rows => {
  const leaves = new Map<string, Buffer>();
  for (const [key, record] of records) {
    const digest = record.toString("hex", 42, 74);
    const envelope = batches.get(digest);
    if (envelope === undefined) expect.fail(`${name}: batch ${digest} of the log is gone`);
    const events = eventsOf(envelope);
    const count = record.readUInt32BE(74);
    expect(events.length, `${name}: events of batch ${digest}`).toBe(count);
    let at = 78;
    const codes = events.map(() => {
      const code = record.subarray(at + 1, at + 1 + record.readUInt8(at));
      at += 1 + code.length;
      return code;
    });
    const first = BigInt(`0x${key}`);
    events.forEach((event, position) => {
      const code = codes[position] ?? Buffer.alloc(0);
      const fixed = Buffer.alloc(7);
      fixed.writeUInt32BE(position);
      fixed.writeUInt8(code.length === 0 ? 0 : 1, 4);
      fixed.writeUInt16BE(code.length, 5);
      const index = first + BigInt(position);
      const effects = record.subarray(at + 32 * position, at + 32 * (position + 1));
      const head = [Buffer.of(1), u64(index), record.subarray(2, 10), record.subarray(10, 42)];
      const leaf = Buffer.concat([...head, fixed, code, effects, event]);
      leaves.set(index.toString(16).padStart(16, "0"), leaf);
    });
  }
  return leaves;
};

/** Every height that two nodes have is the same block with the same roots; every leaf is the same. */
export const expectSameChain = (nodes: readonly NodeData[]): void => {
  for (const area of ["h", "v", "x", "e"] as const) {
    const seen = new Map<string, { readonly name: string; readonly value: Buffer }>();
    for (const { name, areas } of nodes) {
      for (const [key, value] of areas[area]) {
        const known = seen.get(key);
        if (known === undefined) seen.set(key, { name, value });
        else if (!known.value.equals(value)) {
          expect.fail(`${area}/${key} differs between ${known.name} and ${name}`);
        }
      }
    }
  }
};

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** RFC 6962, section 2.1, as it is written there. */
const treeHash = (leaves: readonly Buffer[]): Buffer => {
  const [first] = leaves;
  if (first === undefined) return sha256();
  if (leaves.length === 1) return sha256(Buffer.of(0), first);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha256(Buffer.of(1), treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)));
};

/** The last execution record: u16, u64 height, u64 time, u64 index, u32 count, u64 size, log root. */
const SIZE_AT = 2 + 8 + 8 + 8 + 4;

/** A node's log is gapless, and its root is the Merkle tree hash of what it holds. */
export const expectWholeLog = ({ name, areas }: NodeData): void => {
  const leaves = [...areas.e.values()];
  [...areas.e.keys()].forEach((key, i) => {
    expect(Number.parseInt(key, 16), `${name}: index of leaf ${i}`).toBe(i);
  });
  const last = [...areas.x.values()].at(-1);
  if (last === undefined) return expect.fail(`${name} has executed nothing`);
  expect(Number(last.readBigUInt64BE(SIZE_AT)), `${name}: log size`).toBe(leaves.length);
  const root = last.toString("hex", SIZE_AT + 8, SIZE_AT + 40);
  expect(root, `${name}: log root`).toBe(treeHash(leaves).toString("hex"));
};

type Place = { readonly index: number; readonly height: number; readonly position: number };

/** leaf: u8 version, u64 index, u64 height, batchId(32), u32 position … */
const placesOf = ({ areas }: NodeData): Map<string, Place[]> => {
  const places = new Map<string, Place[]>();
  for (const leaf of areas.e.values()) {
    const batchId = leaf.toString("hex", 17, 49);
    const list = places.get(batchId) ?? [];
    places.set(batchId, list);
    list.push({
      index: Number(leaf.readBigUInt64BE(1)),
      height: Number(leaf.readBigUInt64BE(9)),
      position: leaf.readUInt32BE(49),
    });
  }
  return places;
};

/** Each acknowledged batch: all of its events, once, in order, at the height that was told. */
export const expectAllThere = (node: NodeData, acknowledged: readonly Acknowledged[]): void => {
  const places = placesOf(node);
  for (const { batchId, height, payloads, by, laneSeq } of acknowledged) {
    const found = places.get(batchId) ?? [];
    const what = `${node.name}: batch ${batchId.slice(0, 16)} (lane place ${laneSeq}, told by ${by})`;
    const first = found[0]?.index ?? -1;
    expect(found, what).toEqual(
      payloads.map((_, position) => ({ index: first + position, height, position })),
    );
    payloads.forEach((payload, position) => {
      const leaf = node.areas.e.get((first + position).toString(16).padStart(16, "0"));
      expect(leaf?.includes(Buffer.from(payload, "base64url")), `${what}: payload`).toBe(true);
    });
  }
};

const certificatesOf = ({ areas }: NodeData): Signed[] =>
  [...areas.c.values()].flatMap(readCertificate);

export type SignedAudit = { readonly statements: number; readonly certified: number };

/**
 * No signer contradicted itself or signed anything twice: among all that the nodes wrote down, and all
 * that others hold of them in certificates. And nothing was ever sent that was not written down before.
 */
export const expectHonestSigners = (
  nodes: readonly NodeData[],
  recorded: ReadonlyMap<string, readonly Signed[]>,
): SignedAudit => {
  const own = [...recorded.values()].flat();
  const certified = nodes.flatMap(certificatesOf);
  expect(findContradictions([...own, ...certified])).toEqual([]);
  const written = new Set(own.map(statementOf));
  const unwritten = certified.map(statementOf).filter((name) => !written.has(name));
  expect(unwritten, "certified statements that their signer never wrote down").toEqual([]);
  for (const [name, votes] of recorded) {
    const signers = new Set(votes.map(({ signer }) => signer));
    expect(signers.size, `${name} signs as one validator`).toBe(1);
  }
  return { statements: written.size, certified: certified.length };
};
