import { describe, expect, it } from "vitest";
import { toHex, ZERO_HASH } from "../../../src/crypto/bytes.ts";
import type { Result } from "../../../src/errors.ts";
import type { ProofOptions, ProvenPage } from "../../../src/ledger/handle.ts";
import { recordKey } from "../../../src/ledger/projections/records.ts";
import { validatorKey } from "../../../src/ledger/projections/validators.ts";
import { type Bundle, formatBundle, parseBundle } from "../../../src/ledger/verify/bundle.ts";
import type { ProvenClaim } from "../../../src/ledger/verify/proven.ts";
import { type Trust, trustCheckpoint, trustGenesis } from "../../../src/ledger/verify/trust.ts";
import { verifyBundle } from "../../../src/ledger/verify/verify-bundle.ts";
import { LIMITS } from "../../../src/limits.ts";
import { createChain, endEpoch, Lab, putEvent } from "./support.ts";

const FROM_GENESIS: ProofOptions = { trustedEpoch: 0 };

const trustOf = ({ chain }: Lab): Trust =>
  trustGenesis({ genesis: chain.genesis, hasher: chain.hasher, hash: chain.hash });

/** What a bundle proves to who has nothing but the genesis, after its way through the text. */
const proven = (
  lab: Lab,
  result: Result<Bundle>,
  trust = trustOf(lab),
): { claim: ProvenClaim; height: number; epoch: number; links: number } => {
  if (!result.ok) throw new Error(`${result.code}: ${result.detail}`);
  const parsed = parseBundle(formatBundle(result.value));
  if (!parsed.ok) throw new Error(parsed.detail);
  const verification = verifyBundle(parsed.value, trust, (signature, message, publicKey) =>
    lab.chain.ring.verify({ signature, message, publicKey }),
  );
  if (!verification.result.ok) throw new Error(verification.result.detail);
  const { claim, header } = verification.result.value;
  const { height, epoch } = header;
  return { claim, height, epoch, links: parsed.value.links.length };
};

const settle = <T>(lab: Lab, start: (done: (result: T) => void) => void): T => {
  const results: T[] = [];
  start((result) => results.push(result));
  lab.loop.run();
  expect(results.length).toBe(1);
  return results[0] as T;
};

const event = (lab: Lab, index: number, options = FROM_GENESIS): Result<Bundle> =>
  settle(lab, (done) => lab.handle.proofs().event(index, options, done));

const row = (lab: Lab, key: string, options = FROM_GENESIS): Result<Bundle> =>
  settle(lab, (done) =>
    lab.handle.proofs().rows("records", [recordKey("topic", key)], options, done),
  );

const codeOf = (result: Result<unknown>): string => (result.ok ? "ok" : result.code);

describe("proofs of events", () => {
  it("are there once a header with its own certificate commits to them", () => {
    const lab = new Lab();
    lab.handle.proofs();
    const events = [putEvent("a"), putEvent("b"), putEvent("c")];
    lab.finalize([lab.nextBatch(lab.chain.alice, events)]);
    expect(lab.status.logSize).toBe(3);
    expect(codeOf(event(lab, 1))).toBe("proof.pending");
    expect(codeOf(event(lab, 1, { trustedEpoch: 0, newest: true }))).toBe("proof.pending");
    lab.finalize();
    const { claim, height } = proven(lab, event(lab, 1));
    expect(height).toBe(2);
    if (claim.kind !== "events") throw new Error(claim.kind);
    expect(claim.events[0]).toMatchObject({ index: 1, height: 1, position: 1 });
    expect(claim.events[0]?.author?.actor).toEqual(lab.chain.alice.id);
  });

  it("are of any index: first and last of the log, of blocks, batches, tiles and groups", () => {
    const lab = new Lab();
    const { alice, reader } = lab.chain;
    const some = (count: number) => Array.from({ length: count }, (_, i) => putEvent(`k${i}`));
    // Where batches begin; the second author's events are refused, and in the log all the same.
    const begins = new Set<number>([0]);
    let size = 0;
    for (const [mine, others] of [
      [1, 0],
      [31, 33],
      [190, 1],
      [1, 254],
      [1, 1],
      [LIMITS.batchEventsMax, 65],
    ] as const) {
      const batches = [lab.nextBatch(alice, some(mine))];
      if (others > 0) batches.push(lab.nextBatch(reader, some(others)));
      lab.finalize(batches);
      for (const { events } of lab.finals.at(-1)?.batches ?? []) {
        size += events.length;
        begins.add(size);
      }
    }
    lab.finalize();
    lab.finalize();
    expect(lab.status.logSize).toBe(size);
    const places = new Set<number>([size - 1, 511, 512, 1023, 1024]);
    for (const begin of begins) {
      for (const at of [begin - 1, begin, begin + 1, begin + 31, begin + 32]) places.add(at);
    }
    for (let tile = 256; tile < size; tile += 256)
      for (const at of [-1, 0, 1]) places.add(tile + at);
    let refused = 0;
    for (const index of [...places].filter((at) => at >= 0 && at < size)) {
      const { claim } = proven(lab, event(lab, index));
      const [found] = claim.kind === "events" ? claim.events : [];
      expect([found?.index, found?.author === undefined]).toEqual([index, false]);
      if (found?.outcome.kind === "refused") refused += 1;
    }
    expect(refused).toBeGreaterThan(10);
    expect(proven(lab, event(lab, size)).claim).toMatchObject({ kind: "no-event", index: size });
  });

  it("say that the log ends before an index, with the newest header", () => {
    const lab = new Lab();
    expect(codeOf(event(lab, 0))).toBe("proof.pending");
    lab.finalize([lab.nextBatch(lab.chain.alice)]);
    lab.finalize();
    expect(proven(lab, event(lab, 1))).toMatchObject({
      height: 2,
      claim: { kind: "no-event", index: 1, logSize: 1 },
    });
  });

  it("stay the same, however long the log grows", () => {
    const lab = new Lab();
    for (let i = 0; i < 20; i++) lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent(`${i}`)])]);
    const early = event(lab, 3);
    expect(proven(lab, early).height).toBe(5);
    for (let i = 0; i < 5; i++) lab.finalize();
    expect(event(lab, 3)).toEqual(early);
    // Unless the newest header is asked for.
    expect(proven(lab, event(lab, 3, { trustedEpoch: 0, newest: true })).height).toBe(25);
    for (let index = 0; index < 20; index++) {
      const { claim } = proven(lab, event(lab, index));
      expect(claim.kind === "events" && claim.events[0]?.index).toBe(index);
    }
  });

  it("are by the newest header where that is asked for, once it has the event", () => {
    const lab = new Lab();
    const newest = { ...FROM_GENESIS, newest: true };
    lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent("a")])]);
    expect(codeOf(event(lab, 0, newest))).toBe("proof.pending");
    for (let i = 0; i < 20; i++) lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent(`${i}`)])]);
    expect(proven(lab, event(lab, 3)).height).toBe(5);
    for (const index of [0, 3, 19]) {
      const { claim, height } = proven(lab, event(lab, index, newest));
      expect(height).toBe(21);
      expect(claim.kind === "events" && claim.events[0]?.index).toBe(index);
    }
    expect(codeOf(event(lab, 20, newest))).toBe("proof.pending");
  });

  it("lead over the boundaries of every epoch, and from a checkpoint over the later ones only", () => {
    const lab = new Lab({ chain: createChain({ epochMs: 5_000 }) });
    lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent("first")])]);
    lab.finalize();
    const checkpoint = proven(lab, event(lab, 0));
    expect(checkpoint).toMatchObject({ epoch: 0, links: 1 });
    for (let i = 0; i < 3; i++) {
      endEpoch(lab);
      lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent(`epoch ${i}`)])]);
      lab.finalize();
    }
    expect(lab.status.epoch).toBe(3);
    expect(proven(lab, event(lab, 3))).toMatchObject({ epoch: 3, links: 4 });
    // An old event is of a header of its epoch; who trusts a later set gets a header of that one.
    expect(proven(lab, event(lab, 0))).toMatchObject({ epoch: 0, links: 1 });
    const last = event(lab, 3);
    if (!last.ok) throw new Error(last.detail);
    const whole = verifyBundle(last.value, trustOf(lab), (signature, message, publicKey) =>
      lab.chain.ring.verify({ signature, message, publicKey }),
    ).result;
    if (!whole.ok) throw new Error(whole.detail);
    const trust = trustCheckpoint(whole.value.checkpoint);
    const since = { trustedEpoch: 3 };
    expect(proven(lab, event(lab, 0, since), trust)).toMatchObject({ epoch: 3, links: 1 });
    expect(proven(lab, row(lab, "first", since), trust)).toMatchObject({ epoch: 3, links: 1 });
    expect(codeOf(event(lab, 0, { trustedEpoch: 4 }))).toBe("http.bad-parameter");
    expect(codeOf(row(lab, "first", { trustedEpoch: 4 }))).toBe("http.bad-parameter");
  });

  it("are answered by store.* when the disk is not what it was", () => {
    const lab = new Lab();
    lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent("a"), putEvent("b")])]);
    lab.finalize();
    for (const area of ["t/", "c/", "f/", "d/", "s/", "r/"]) {
      const fresh = new Lab({ chain: lab.chain, ...lab.disks() });
      fresh.data.readFailurePrefix = area;
      fresh.data.readFailure = "store.corrupt";
      expect([area, codeOf(event(fresh, 0))]).toEqual([
        area,
        area === "s/" ? "ok" : "store.corrupt",
      ]);
      fresh.data.readFailure = undefined;
      expect(codeOf(event(fresh, 0))).toBe("ok");
    }
  });
});

describe("proofs of pages of the log", () => {
  const range = (lab: Lab, from: number, limit: number, bytesMax = 1e9, slices?: () => boolean) => {
    const slice =
      slices === undefined
        ? {}
        : { slice: (resume: (goesOn: boolean) => void) => resume(slices()) };
    return settle<Result<ProvenPage>>(lab, (done) =>
      lab.handle.proofs().range({ from, limit, bytesMax, ...slice }, FROM_GENESIS, done),
    );
  };
  const indexes = (lab: Lab, page: Result<ProvenPage>): number[] => {
    const { claim } = proven(lab, page.ok ? { ok: true, value: page.value.bundle } : page);
    return claim.kind === "range" ? claim.events.map(({ index }) => index) : [];
  };

  it("have all events from the first on, to the limit, some bytes, or what a header has", () => {
    const lab = new Lab();
    const events = Array.from({ length: 150 }, (_, i) => putEvent(`k${i}`));
    lab.finalize([lab.nextBatch(lab.chain.alice, events)]);
    expect(range(lab, 0, 10)).toMatchObject({ ok: false, code: "proof.pending" });
    lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent("later")])]);
    lab.finalize([]);
    for (const [from, limit, last] of [
      [0, 1, 0],
      [0, 150, 149],
      [7, 100, 106],
      [100, 1000, 150],
      [150, 1, 150],
    ] as const) {
      const page = range(lab, from, limit);
      const wanted = Array.from({ length: last - from + 1 }, (_, i) => from + i);
      expect([from, indexes(lab, page)]).toEqual([from, wanted]);
      expect(page.ok && page.value.more).toBe(last < 150);
    }
    const size = events[0]?.bytes.length ?? 0;
    expect(indexes(lab, range(lab, 0, 100, 3 * size))).toEqual([0, 1, 2]);
    expect(indexes(lab, range(lab, 0, 100, 1))).toEqual([0]);
    const past = range(lab, 151, 5);
    expect(past.ok && proven(lab, { ok: true, value: past.value.bundle }).claim).toMatchObject({
      kind: "no-event",
      index: 151,
    });
  });

  it("are made in slices, and not to the end where nobody waits", () => {
    const lab = new Lab();
    const events = Array.from({ length: 300 }, (_, i) => putEvent(`k${i}`));
    lab.finalize([lab.nextBatch(lab.chain.alice, events)]);
    lab.finalize([]);
    lab.finalize([]);
    let slices = 0;
    const whole = range(lab, 0, 300, 1e9, () => {
      slices += 1;
      return true;
    });
    expect(indexes(lab, whole)).toHaveLength(300);
    expect(slices).toBeGreaterThan(4);
    expect(codeOf(range(lab, 0, 300, 1e9, () => false))).toBe("http.timeout");
  });
});

describe("proofs of rows", () => {
  it("are of the newest state that a certified header commits to, present and absent", () => {
    const lab = new Lab();
    lab.handle.proofs();
    expect(codeOf(row(lab, "a"))).toBe("proof.pending");
    lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent("a", 3)])]);
    lab.finalize();
    const { claim, height } = proven(lab, row(lab, "a"));
    if (claim.kind !== "rows") throw new Error(claim.kind);
    expect(height).toBe(2);
    expect(claim.rows[0]).toMatchObject({ origin: 0 });
    const none = proven(lab, row(lab, "b")).claim;
    expect(none.kind === "rows" && none.rows[0]?.value).toBeUndefined();
  });

  it("are read as the state was, not as it is by now", () => {
    const lab = new Lab();
    lab.handle.proofs();
    lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent("a", 3)])]);
    lab.finalize();
    lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent("a", 9), putEvent("z")])]);
    const before = proven(lab, row(lab, "a")).claim;
    const lengthOf = (claim: ProvenClaim): number | undefined =>
      claim.kind === "rows" ? claim.rows[0]?.value?.length : undefined;
    const now = lab.handle.row("records", recordKey("topic", "a"))?.length ?? 0;
    expect(now - (lengthOf(before) ?? 0)).toBe(6);
    const { executedHeight, stateRoot } = lab.status;
    const wanted = { trustedEpoch: 0, notBefore: { executedHeight, stateRoot } };
    expect(codeOf(row(lab, "a", wanted))).toBe("proof.pending");
    lab.finalize();
    expect(lengthOf(proven(lab, row(lab, "a", wanted)).claim)).toBe(now);
    // A block without events changes no state: what could be proven before it is as new as anything.
    const same = { executedHeight: lab.status.executedHeight, stateRoot: lab.status.stateRoot };
    expect(codeOf(row(lab, "z", { trustedEpoch: 0, notBefore: same }))).toBe("ok");
    const other = { executedHeight: lab.status.executedHeight, stateRoot: ZERO_HASH };
    expect(codeOf(row(lab, "z", { trustedEpoch: 0, notBefore: other }))).toBe("proof.pending");
  });

  it("come in pages that end by count or by bytes", () => {
    const lab = new Lab();
    lab.handle.proofs();
    const events = ["a", "b", "c", "d"].map((key) => putEvent(key, 100));
    lab.finalize([lab.nextBatch(lab.chain.alice, events)]);
    lab.finalize();
    const page = (query: { limit: number; bytesMax?: number; after?: string }): string[] => {
      const after = query.after === undefined ? {} : { after: recordKey("topic", query.after) };
      const result = settle<Result<ProvenPage>>(lab, (done) =>
        lab.handle
          .proofs()
          .page(
            "records",
            { limit: query.limit, bytesMax: query.bytesMax ?? 1e6, ...after },
            FROM_GENESIS,
            done,
          ),
      );
      if (!result.ok) throw new Error(result.detail);
      const { claim } = proven(lab, { ok: true, value: result.value.bundle });
      if (claim.kind !== "rows") throw new Error(claim.kind);
      const keys = claim.rows.map(({ key }) => Buffer.from(key).toString("latin1").at(-3) ?? "");
      return [...keys, result.value.more ? "more" : "end"];
    };
    expect(page({ limit: 2 })).toEqual(["a", "b", "more"]);
    expect(page({ limit: 2, after: "b" })).toEqual(["c", "d", "end"]);
    expect(page({ limit: 9, after: "d" })).toEqual(["end"]);
    expect(page({ limit: 9, bytesMax: 1 })).toEqual(["a", "more"]);
  });

  it("are not held for while blocks are full and nobody asks; who asks waits for a block or two", () => {
    const lab = new Lab();
    lab.handle.proofs();
    const events = () => Array.from({ length: 300 }, (_, i) => putEvent(`k${1000 + i}`, 100));
    lab.finalize([lab.nextBatch(lab.chain.alice, events())]);
    lab.finalize();
    expect(codeOf(row(lab, "k1000"))).toBe("proof.pending");
    lab.finalize([lab.nextBatch(lab.chain.alice, events())]);
    lab.finalize();
    expect(codeOf(row(lab, "k1000"))).toBe("ok");
  });

  it("are of no state that the store has given up, also in the middle of its pages", () => {
    const lab = new Lab();
    const put = (count: number) => Array.from({ length: count }, (_, i) => putEvent(`k${100 + i}`));
    const rows = lab.handle.proofs();
    lab.finalize([lab.nextBatch(lab.chain.alice, put(40))]);
    lab.finalize();
    lab.finalize();
    const height = lab.status.executedHeight;
    const view = rows.stateAt(height);
    expect([codeOf(row(lab, "k100")), view === undefined]).toEqual(["ok", false]);
    // The second slice finds that the state is gone.
    const slice = (resume: (goesOn: boolean) => void): void => {
      lab.data.giveUpSnapshots();
      lab.loop.post(() => resume(true));
    };
    const page = (options: ProofOptions): string =>
      codeOf(
        settle<Result<ProvenPage>>(lab, (done) =>
          rows.page("records", { limit: 40, bytesMax: 1e6, slice }, options, done),
        ),
      );
    expect(page({ ...FROM_GENESIS, atHeight: height - 1 })).toBe("http.height-gone");
    lab.finalize();
    lab.finalize();
    expect(codeOf(row(lab, "k100"))).toBe("ok");
    // Who named no height is served by the next one.
    expect(page(FROM_GENESIS)).toBe("proof.pending");
    expect(codeOf(row(lab, "k100"))).toBe("proof.pending");
    expect(rows.stateAt(height)).toBe(undefined);
    const key = recordKey("topic", "k100");
    expect(() => view?.row("records", key)).toThrow(
      expect.objectContaining({ code: "http.height-gone" }),
    );
    view?.release();
    expect(lab.data.snapshots).toBe(0);
    lab.finalize();
    lab.finalize();
    expect(codeOf(row(lab, "k100"))).toBe("ok");
  });

  it("come in pages that read little more than they show", () => {
    const lab = new Lab();
    // Somebody has asked, so that full blocks are held too.
    lab.handle.proofs().stateAt(0)?.release();
    const before = lab.data.snapshot.bind(lab.data);
    let read = 0;
    lab.data.snapshot = () => {
      const held = before();
      return {
        ...held,
        range: (range, done) =>
          held.range(range, (failure, entries) => {
            read += entries.length;
            done(failure, entries);
          }),
      };
    };
    const keys = Array.from({ length: 300 }, (_, i) => `k${1000 + i}`);
    lab.finalize([
      lab.nextBatch(
        lab.chain.alice,
        keys.map((key) => putEvent(key, 100)),
      ),
    ]);
    lab.finalize();
    let turns = 0;
    let turnsMax = Number.POSITIVE_INFINITY;
    const slice = (resume: (goesOn: boolean) => void): void => {
      turns += 1;
      const goesOn = turns <= turnsMax;
      lab.loop.post(() => resume(goesOn));
    };
    const pageOf = (limit: number, bytesMax: number): Result<ProvenPage> =>
      settle<Result<ProvenPage>>(lab, (done) =>
        lab.handle.proofs().page("records", { limit, bytesMax, slice }, FROM_GENESIS, done),
      );
    const seen = (limit: number, bytesMax: number): string[] => {
      const result = pageOf(limit, bytesMax);
      if (!result.ok) throw new Error(result.detail);
      const { claim } = result.value.bundle;
      if (claim.kind !== "rows") throw new Error(claim.kind);
      const names = claim.rows.map(({ key }) => Buffer.from(key).toString("latin1").slice(-7, -2));
      return [...names, result.value.more ? "more" : "end"];
    };
    expect(seen(1000, 1)).toEqual([keys[0], "more"]);
    expect(read).toBeLessThanOrEqual(4);
    read = 0;
    expect(seen(200, 1e6)).toEqual([...keys.slice(0, 200), "more"]);
    expect(read).toBeLessThanOrEqual(300);
    expect(seen(300, 1e6)).toEqual([...keys, "end"]);
    expect(seen(301, 1e6)).toEqual([...keys, "end"]);
    // Whoever has gone is not worked for, whether between rows or between reads.
    const whole = turns;
    expect(seen(301, 1e6)).toHaveLength(301);
    expect(turns - whole).toBeGreaterThanOrEqual(keys.length / 4 - 1);
    for (let last = 0; last < 20; last++) {
      turns = 0;
      turnsMax = last;
      read = 0;
      expect(codeOf(pageOf(301, 1e6))).toBe("http.timeout");
      expect(turns).toBe(last + 1);
      expect(read).toBeLessThanOrEqual(4 * (last + 1) + 64);
    }
  });

  it("are held for few states, and for none after the end", () => {
    const lab = new Lab();
    lab.handle.proofs();
    expect(lab.data.snapshots).toBeLessThanOrEqual(1);
    // Headers that commit to nothing new: every state may still be the one.
    lab.finalize();
    const { executedHeight, logSize, logRoot, stateRoot } = lab.finals[0]?.block.header ?? {
      executedHeight: 0,
      logSize: 0,
      logRoot: ZERO_HASH,
      stateRoot: ZERO_HASH,
    };
    for (let i = 0; i < 14; i++) lab.finalize([], { executedHeight, logSize, logRoot, stateRoot });
    expect(lab.data.snapshots).toBeGreaterThan(10);
    expect(lab.data.snapshots).toBeLessThanOrEqual(LIMITS.proofSnapshotsMax);
    // Nothing commits to what was passed over: it can be read, and not proven.
    const passed = lab.status.executedHeight;
    lab.finalize([], { executedHeight, logSize, logRoot, stateRoot });
    lab.finalize();
    lab.finalize();
    const view = lab.handle.proofs().stateAt(passed);
    expect(view?.stateRoot).toEqual(stateRoot);
    view?.release();
    expect(codeOf(row(lab, "a", { trustedEpoch: 0, atHeight: passed }))).toBe("http.height-gone");
    for (let i = 0; i < 3 * LIMITS.proofSnapshotsMax; i++) lab.finalize();
    expect(lab.data.snapshots).toBe(LIMITS.proofSnapshotsMax);
    lab.handle.stop(() => undefined);
    lab.loop.run();
    expect(lab.data.snapshots).toBe(0);
  });

  it("are of any height that is held, as its rows were then", () => {
    const lab = new Lab();
    const proofs = lab.handle.proofs();
    const heights: number[] = [];
    for (let i = 0; i < LIMITS.proofSnapshotsMax + 6; i++) {
      lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent("k", i)])]);
      heights.push(lab.status.executedHeight);
    }
    lab.finalize();
    lab.finalize();
    const sizeAt = (height: number): number | undefined => {
      const view = proofs.stateAt(height);
      const value = view?.row("records", recordKey("topic", "k"));
      view?.release();
      return value?.length;
    };
    let held = 0;
    const sizes: number[] = [];
    for (const [i, height] of heights.entries()) {
      const result = row(lab, "k", { trustedEpoch: 0, atHeight: height });
      const plain = sizeAt(height);
      if (!result.ok) {
        expect([result.code, plain]).toEqual(["http.height-gone", undefined]);
        expect(result.data).toMatchObject({ available: lab.status.executedHeight - 1 });
        continue;
      }
      held += 1;
      const { claim } = proven(lab, result);
      const [found] = claim.kind === "rows" ? claim.rows : [];
      expect(found?.value?.length).toBe(plain);
      // A body of as many bytes as the block is behind the first.
      sizes.push((plain ?? 0) - i);
    }
    expect(new Set(sizes).size).toBe(1);
    expect(held).toBeGreaterThan(LIMITS.proofSnapshotsMax - 6);
    expect(held).toBeLessThan(heights.length);
    // A height that nothing commits to yet is pending, but can be read.
    const last = lab.status.executedHeight;
    expect(codeOf(row(lab, "k", { trustedEpoch: 0, atHeight: last }))).toBe("proof.pending");
    expect(sizeAt(last)).toBeDefined();
    expect(codeOf(row(lab, "k", { trustedEpoch: 0, atHeight: last + 1 }))).toBe("http.height-gone");
  });

  it("keep a state that is read, though it is not held any more", () => {
    const lab = new Lab();
    const proofs = lab.handle.proofs();
    lab.finalize([lab.nextBatch(lab.chain.alice, [putEvent("k")])]);
    const height = lab.status.executedHeight;
    const view = proofs.stateAt(height);
    for (let i = 0; i < LIMITS.proofSnapshotsMax + 3; i++) lab.finalize();
    expect(proofs.stateAt(height)).toBeUndefined();
    expect(lab.data.snapshots).toBe(LIMITS.proofSnapshotsMax + 1);
    expect(view?.row("records", recordKey("topic", "k"))).toBeDefined();
    view?.release();
    expect(lab.data.snapshots).toBe(LIMITS.proofSnapshotsMax);
  });

  it("are there again after a restart, a block or two later", () => {
    const first = new Lab();
    first.finalize([first.nextBatch(first.chain.alice, [putEvent("a")])]);
    first.finalize();
    const lab = new Lab({ chain: first.chain, ...first.disks(), nowMs: first.time.nowMs });
    lab.finals.push(...first.finals);
    lab.handle.proofs();
    expect(codeOf(row(lab, "a"))).toBe("proof.pending");
    lab.finalize();
    lab.finalize();
    expect(proven(lab, row(lab, "a")).claim).toMatchObject({ kind: "rows" });
  });
});

describe("steps along the sets", () => {
  const set = (lab: Lab, trustedEpoch: number): Result<Bundle> =>
    settle(lab, (done) => lab.handle.proofs().set({ trustedEpoch }, done));

  it("prove who is in the set of the newest header", () => {
    const lab = new Lab({ chain: createChain({ epochMs: 5_000 }) });
    lab.handle.proofs();
    expect(codeOf(set(lab, 0))).toBe("proof.pending");
    endEpoch(lab);
    lab.finalize();
    lab.finalize();
    const { claim, epoch, links } = proven(lab, set(lab, 0));
    expect([epoch, links]).toEqual([1, 2]);
    if (claim.kind !== "rows") throw new Error(claim.kind);
    expect(claim.projection).toBe("validators");
    const keys = lab.chain.set.validators.map(({ id }) => toHex(validatorKey(id))).sort();
    expect(claim.rows.map(({ key }) => toHex(key))).toEqual(keys);
    expect(claim.rows.every(({ value }) => value !== undefined)).toBe(true);
    expect(set(lab, 2)).toMatchObject({
      code: "http.bad-parameter",
      data: { parameter: "trustedEpoch" },
    });
  });

  it("end at a boundary where there is no room for more, and lead on from there", () => {
    const lab = new Lab({ chain: createChain({ epochMs: 5_000 }) });
    lab.handle.proofs();
    endEpoch(lab);
    lab.finalize();
    const first = set(lab, 0);
    const linkBytes = first.ok ? bytesOf(first.value) / first.value.links.length : 0;
    const room = Math.floor(LIMITS.setStepBytesMax / linkBytes);
    for (let epoch = 1; epoch < room + 5; epoch++) endEpoch(lab);
    lab.finalize();
    lab.finalize();
    const step = set(lab, 0);
    const on = proven(lab, step);
    expect(on).toMatchObject({ claim: { kind: "no-event" }, epoch: on.links - 1 });
    expect(Math.abs(on.links - room)).toBeLessThan(5);
    const last = step.ok ? step.value.links.length * linkBytes : 0;
    expect(last).toBeLessThan(LIMITS.setStepBytesMax + 2 * linkBytes);
    const verified = verifyBundle(step.ok ? step.value : throwing(), trustOf(lab), () => true);
    if (!verified.result.ok) throw new Error(verified.result.detail);
    const rest = set(lab, on.epoch);
    const end = proven(lab, rest, trustCheckpoint(verified.result.value.checkpoint));
    expect(end).toMatchObject({ claim: { kind: "rows" }, epoch: lab.status.epoch });
  }, 120_000);
});

const throwing = (): never => {
  throw new Error("no bundle");
};

const bytesOf = ({ links }: Bundle): number =>
  links.reduce((sum, one) => sum + one.set.length + one.header.length + one.certificate.length, 0);
