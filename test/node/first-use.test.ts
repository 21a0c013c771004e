/** Copies of keys from before their first use must not vote as if the key had signed nothing. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Store } from "../../src/ledger/ports.ts";
import { initVoteStore } from "../../src/ledger/replica/vote-store.ts";
import { createMemoryStore } from "../../src/ledger/store/memory.ts";
import { beginVoteStore, bindVotes } from "../../src/node/first-use.ts";
import { type AuditedChain, areaOf, makeChain, storeOf } from "./audit/support.ts";

const keys = mkdtempSync(join(tmpdir(), "tetrad-first-use-"));
const unused = join(keys, "unused");
afterAll(() => rmSync(keys, { recursive: true }));

let audited: AuditedChain;
beforeAll(() => {
  audited = makeChain(3);
});

/** Whether the vote store was begun, over this data. The first of the others signs every certificate. */
const begins = async (
  rows: ReadonlyMap<string, Uint8Array>,
  id: Uint8Array | undefined,
): Promise<boolean> => {
  if (id === undefined) throw new RangeError("no such validator");
  const { chain } = audited;
  const voteStore = createMemoryStore();
  const store = await storeOf(rows);
  const logger = { log: () => {} };
  await beginVoteStore({
    paths: { keys, unused },
    voteStore,
    store,
    hasher: chain.hasher,
    id,
    logger,
  });
  expect(existsSync(unused)).toBe(false);
  const all = { gte: new Uint8Array(0), lt: new Uint8Array(8).fill(255), limit: 9 };
  return new Promise((resolve) => {
    voteStore.range(all, (_failure, entries) => resolve(entries.length > 0));
  });
};

describe("a key whose marker says that it has signed nothing", () => {
  it("begins a vote store: with no data, and over a chain that it has no part in yet", async () => {
    const { rows, chain, lab } = audited;
    const [signer = 1] = lab.others;
    const id = chain.set.validators[signer]?.id;
    writeFileSync(unused, "");
    expect(await begins(new Map(), id)).toBe(true);
    writeFileSync(unused, "");
    expect(await begins(rows, chain.hasher.ht("another validator"))).toBe(true);
    writeFileSync(unused, "");
    const uncertified = new Map([...rows].filter(([key]) => areaOf(key) !== "c"));
    expect(await begins(uncertified, id)).toBe(true);
  });

  it("begins none where the data has a signature of it, and not at the next start either", async () => {
    const { rows, chain, lab } = audited;
    const id = chain.set.validators[lab.others[0] ?? 1]?.id;
    writeFileSync(unused, "");
    expect(await begins(rows, id)).toBe(false);
    expect(await begins(new Map(), id)).toBe(false);
  });
});

describe("a vote store", () => {
  const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const bind = (votes: Store, hash: Uint8Array, data: Store = createMemoryStore()): Promise<void> =>
    bindVotes(votes, data, { hash, hasher: audited.chain.hasher });
  const begun = async (): Promise<Store> => {
    const store = createMemoryStore();
    await new Promise<void>((resolve) => initVoteStore(store, one, () => resolve()));
    return store;
  };
  const put = (store: Store, key: string): Promise<void> =>
    new Promise((resolve) => {
      const op = { type: "put", key: Buffer.from(key), value: Uint8Array.of(1) } as const;
      store.write([op], { sync: true }, () => resolve());
    });

  it("is of the chain that its key first signs for, and of no other of that name", async () => {
    const none = createMemoryStore();
    // What is no vote store does not become one by this.
    await bind(none, one);
    expect(none.get(Buffer.from("g"))).toBeUndefined();
    // A vote, the floor above forgotten ones, a signed checkpoint.
    for (const trace of ["v/1", "w", "c"]) {
      const store = await begun();
      await bind(store, one);
      await put(store, trace);
      await bind(store, one);
      await expect(bind(store, other)).rejects.toMatchObject({ code: "folder.foreign" });
      await bind(store, one);
    }
  });

  it("is not lost to a start with a wrong genesis that came to nothing", async () => {
    const store = await begun();
    await bind(store, other);
    await bind(store, one);
    await put(store, "w");
    await expect(bind(store, other)).rejects.toMatchObject({ code: "folder.foreign" });
    // Votes of before there was a mark: the data beside them says whose they are.
    const old = await begun();
    await put(old, "w");
    const data = await storeOf(audited.rows);
    await bind(old, other, data);
    await bind(old, audited.chain.hash, data);
    expect(old.get(Buffer.from("g"))).toEqual(audited.chain.hash);
  });
});
