/**
 * I27: what the chain takes for proven of time and shares was really done. The oracle computes the run and the
 * shares of every author and epoch anew, from docs/proofs.md and with nothing of the product, and compares; and
 * it keeps its own account of what was committed, answered, late and false, which the rows must be. An
 * honest validator's claim is never called false.
 */
import { scryptSync } from "node:crypto";
import { beaconsOf, longestOf } from "./beacons.ts";
import { Cursor, hex, taggedHash } from "./oracle.ts";
import { payloadOf } from "./payload.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker, ClaimTerms, Dump, Entry } from "./types.ts";

const CORE_BYTES = 186;
const DELAY = 10;
const ZEROS = new Uint8Array(32);

const u8 = (value: number): Uint8Array => Uint8Array.of(value);
const u32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

/** phi of a run without blocks and members, by the definition: every parent looked up. */
export const truePhi = (
  chainId: string,
  { tailBlocks, leavesLog2: depth }: NonNullable<ClaimTerms["time"]>,
  of: { readonly epoch: number; readonly seed: Uint8Array; readonly author: Uint8Array },
): string => {
  const chi = taggedHash(chainId, "time/posw", u64(of.epoch), of.seed, of.author, ZEROS);
  const known = new Map<string, Uint8Array>();
  const label = (level: number, index: number): Uint8Array => {
    const key = `${level}/${index}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const made = level === 0 ? leaf(index) : node(level, index);
    known.set(key, made);
    return made;
  };
  const node = (level: number, index: number): Uint8Array => {
    const children = [label(level - 1, 2 * index), label(level - 1, 2 * index + 1)];
    return taggedHash(chainId, "time/node", chi, u8(level), u64(index), ...children);
  };
  const leaf = (index: number): Uint8Array => {
    const parents: Uint8Array[] = [];
    for (let level = depth - 1; level >= 0; level--) {
      const ancestor = Math.floor(index / 2 ** level);
      if (ancestor % 2 === 1) parents.push(label(level, ancestor - 1));
    }
    const tail = new Uint8Array(64 * tailBlocks);
    return taggedHash(chainId, "time/leaf", chi, u64(index), ZEROS, ...parents, tail);
  };
  const root = label(depth, 0);
  return hex(taggedHash(chainId, "time/root", root, u64(2 ** depth), u32(0), ZEROS));
};

/** The root over the least nonces that fill the first slots. */
export const trueShares = (
  chainId: string,
  { scryptN, difficulty }: NonNullable<ClaimTerms["shares"]>,
  of: { readonly seed: Uint8Array; readonly author: Uint8Array; readonly count: number },
): string => {
  const chi = taggedHash(chainId, "work/epoch", of.seed, of.author);
  const fits = (slot: number, nonce: number): boolean => {
    const password = Buffer.concat([chi, u64(slot), u64(nonce)]);
    const tried = scryptSync(password, chi, 32, { N: scryptN, r: 1, p: 1 });
    const word = new Cursor(taggedHash(chainId, "work/share", tried)).u32();
    return word * difficulty < 2 ** 32;
  };
  const leaves = Array.from({ length: of.count }, (_, slot) => {
    let nonce = 0;
    while (!fits(slot, nonce)) nonce += 1;
    return taggedHash(chainId, "work/share-leaf", u64(slot), u64(nonce));
  });
  const root = (list: readonly Uint8Array[]): Uint8Array => {
    const [only = ZEROS] = list;
    if (list.length <= 1) return only;
    let left = 1;
    while (left * 2 < list.length) left *= 2;
    const parts = [root(list.slice(0, left)), root(list.slice(left))];
    return taggedHash(chainId, "work/share-node", ...parts);
  };
  return hex(root(leaves));
};

type Account = {
  readonly committedAt: number;
  /** What it has committed to, in hex. */
  readonly claimed: string;
  readonly count: number;
  /** Epoch in which it was proven, or the code that it failed with. */
  proven?: number;
  failed?: string;
  /** An answer came when it was too late for one. */
  late?: true;
};

const FATAL = ["time.proof-malformed", "time.proof-invalid", "work.malformed", "work.shares"];

export const claimsTrue = (context: CheckContext): Checker => {
  const base = { id: "I27", title: "what is proven of time and shares was really done" };
  const beacons = beaconsOf(context);
  const terms = context.claims;
  if (terms === undefined || beacons === undefined) return base;
  const authors = new Recent<string, Uint8Array>(65_536);
  const accounts = new Map<string, Account>();
  const honest = new Set(
    context.members.filter(({ slot }) => context.honest(slot)).map(({ idHex }) => idHex),
  );

  const truthOf = (part: string, author: Uint8Array, epoch: number, count: number): string => {
    const seed = beacons.seedOf(epoch);
    if (seed === undefined) return "no such epoch";
    if (part === "time") {
      return terms.time === undefined
        ? "none"
        : truePhi(context.chainId, terms.time, { epoch, seed, author });
    }
    return terms.shares === undefined
      ? "none"
      : trueShares(context.chainId, terms.shares, { seed, author, count });
  };

  const commit = (entry: Entry, part: string, author: Uint8Array, epochNow: number): void => {
    const payload = payloadOf(entry);
    const epoch = payload.u64();
    const count = part === "time" ? payload.u64() : payload.u32();
    const claimed = hex(payload.take(32));
    const key = `${part} ${hex(author)} ${epoch}`;
    if (epoch !== epochNow) context.report("I27", `${key} is committed in epoch ${epochNow}`);
    if (accounts.has(key)) context.report("I27", `${key} is committed twice`);
    accounts.set(key, { committedAt: entry.height, claimed, count });
  };

  const answer = (entry: Entry, part: string, author: Uint8Array, epochNow: number): void => {
    const epoch = payloadOf(entry).u64();
    const idHex = hex(author);
    const key = `${part} ${idHex} ${epoch}`;
    const account = accounts.get(key);
    const code = entry.refusedWith;
    if (FATAL.includes(code)) {
      context.mark(`false ${part} refused`);
      if (account !== undefined && account.failed === undefined) account.failed = code;
      if (honest.has(idHex)) context.report("I27", `${key} is called false: ${code}`);
      return;
    }
    if (code.endsWith(".stale")) {
      context.mark(`late ${part} refused`);
      if (account !== undefined) account.late = true;
    }
    if (code !== "") return;
    if (account === undefined) return context.report("I27", `${key} is proven, and not committed`);
    if (epoch + 1 < epochNow) context.report("I27", `${key} is proven in epoch ${epochNow}`);
    if (account.failed !== undefined) context.report("I27", `${key} is proven after it has failed`);
    if (entry.height <= account.committedAt + DELAY) {
      context.report("I27", `${key} is proven before its challenge`);
    }
    if (account.claimed !== truthOf(part, author, epoch, account.count)) {
      context.report("I27", `${key} is proven, and was never done`);
    }
    account.proven = epochNow;
    context.mark(epoch < epochNow ? `${part} proven late` : `${part} proven`);
  };

  /** Rows against the account: of each author the claims that the row holds. */
  const compare = ({ rows }: Dump, name: string, part: string): void => {
    for (const { key, value } of rows.get(name) ?? []) {
      if (key[0] !== 1) continue;
      const author = hex(key.subarray(1));
      const cursor = new Cursor(value);
      for (let left = cursor.u32(); left > 0; left--) {
        const epoch = cursor.u64();
        cursor.take(32 + 8 + 4);
        const state = cursor.u8();
        const settled = cursor.u64();
        const fault = Buffer.from(cursor.sized()).toString("latin1");
        if (part === "time") {
          cursor.take(8 + 32);
          cursor.take(32 * cursor.u32());
        } else cursor.take(4 + 32 + 8);
        const account = accounts.get(`${part} ${author} ${epoch}`);
        const due = account?.failed !== undefined ? 2 : account?.proven !== undefined ? 1 : 0;
        const fits = due !== 1 || account?.proven === settled;
        if (account === undefined || state !== due || !fits || fault !== (account.failed ?? "")) {
          context.report("I27", `the row of ${part} ${author} ${epoch} says ${state} ${fault}`);
        }
      }
      if (!cursor.ok) context.report("I27", `the row of ${part} ${author} does not read`);
    }
  };

  const follow = (dump: Dump): void => {
    for (const entry of dump.entries) {
      const { eventType, refusedWith, height } = entry;
      const part = eventType.startsWith("time.run.")
        ? "time"
        : eventType.startsWith("work.shares.")
          ? "shares"
          : undefined;
      const author = authors.get(entry.batchId);
      const epochNow = beacons.at(height)?.epoch;
      if (part === undefined || author === undefined || epochNow === undefined) continue;
      if (eventType.endsWith(".committed")) {
        if (refusedWith === "") commit(entry, part, author, epochNow);
      } else answer(entry, part, author, epochNow);
    }
    const last = beacons.at(dump.status.executedHeight)?.epoch ?? 0;
    for (const [key, { proven, failed, late }] of accounts) {
      const [part = "", author = "", epoch] = key.split(" ");
      const isShown = proven !== undefined || failed !== undefined || late === true;
      const isNever = Number(epoch) + 1 < last && !isShown;
      if (isNever && !honest.has(author)) context.mark(`liar's ${part} never shown`);
    }
    compare(dump, "time", "time");
    compare(dump, "work", "shares");
  };

  return {
    ...base,
    durable: (slot, _disk, puts) => {
      if (!context.honest(slot)) return;
      beacons.note(puts);
      for (const { key, value } of puts) {
        if (key[0] !== 0x64 || key[1] !== 0x2f || value.length < CORE_BYTES) continue;
        const id = taggedHash(context.chainId, "batch/id", value.subarray(0, CORE_BYTES));
        authors.set(hex(id), value.slice(34, 66));
      }
    },
    end: (dumps) => {
      const longest = longestOf(dumps);
      if (longest !== undefined) follow(longest);
    },
  };
};
