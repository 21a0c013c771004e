import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import type { Header } from "../../../src/ledger/types.ts";
import {
  type Bundle,
  formatBundle,
  type ProofLink,
  parseBundle,
} from "../../../src/ledger/verify/bundle.ts";
import type { ProvenClaim } from "../../../src/ledger/verify/proven.ts";
import { trustCheckpoint } from "../../../src/ledger/verify/trust.ts";
import { type CheckId, prepareBundle } from "../../../src/ledger/verify/verify-bundle.ts";
import { quorumSigners, rawSet, START_MS, World } from "./support.ts";

const world = new World({ epochs: 3, events: 11 });
const one = new World({ epochs: 1, events: 11 });

const failedAt = (bundle: Bundle, on: World = world): CheckId | undefined =>
  on.verify(bundle).checks.find((check) => check.result === "failed")?.id;

const withLink = (bundle: Bundle, at: number, link: Partial<ProofLink>): Bundle => ({
  ...bundle,
  links: bundle.links.map((known, i) => (i === at ? { ...known, ...link } : known)),
});

describe("what verifies", () => {
  it("events of the log with their outcome and author, from the genesis over all epochs", () => {
    const { result, checks } = world.verify(world.events(0, 2, 10));
    if (!result.ok) throw new Error(result.detail);
    const { claim, header } = result.value;
    if (claim.kind !== "events") throw new Error(claim.kind);
    expect(claim.events.map(({ index, outcome }) => [index, outcome.kind])).toEqual([
      [0, "accepted"],
      [2, "refused"],
      [10, "accepted"],
    ]);
    expect(claim.events[0]?.author?.publicKey).toEqual(world.author.publicKey);
    expect(header).toMatchObject({ height: 60, epoch: 2, logSize: 11, weight: 3n, quorum: 3n });
    expect(checks.map(({ result: outcome }) => outcome)).toEqual(Array(8).fill("ok"));
    expect(result.value.statements[1]).toContain(new Date(START_MS + 2000).toISOString());
  });

  it("every single event of the log", () => {
    for (let index = 0; index < 11; index++) expect(one.verdict(one.events(index))).toBe("ok");
  });

  it("an event without its batch: authorship is then not claimed, and said not to be", () => {
    const bundle = one.events(4);
    if (bundle.claim.kind !== "events") throw new Error("events");
    const events = bundle.claim.events.map((event) => ({ ...event, batchPath: [] }));
    const { result, checks } = one.verify({
      ...bundle,
      claim: { ...bundle.claim, events, batches: [] },
    });
    if (!result.ok || result.value.claim.kind !== "events") throw new Error("not verified");
    expect(result.value.claim.events[0]?.author).toBeUndefined();
    expect(checks.find(({ id }) => id === "authorship")?.result).toBe("not claimed");
    expect(result.value.statements.join()).not.toContain("signed");
  });

  it("rows, and that there are none, by key", () => {
    const { result } = world.verify(world.rows("absent", "records-3"));
    if (!result.ok || result.value.claim.kind !== "rows") throw new Error("not verified");
    const [absent, present] = result.value.claim.rows;
    expect(absent).toMatchObject({ value: undefined, origin: undefined });
    expect(present).toMatchObject({ value: utf8("value 3"), origin: 3 });
    expect(result.value.statements[0]).toContain("records had no row");
  });

  it("every range of the log, without a gap", () => {
    for (const size of [1, 2, 7, 8, 9]) {
      const world = new World({ events: size });
      for (let from = 0; from < size; from++) {
        for (let to = from + 1; to <= size; to++) {
          const { result } = world.verify(world.range(from, to));
          if (!result.ok) throw new Error(`${from}..${to} of ${size}: ${result.detail}`);
          const { claim } = result.value;
          const indexes = claim.kind === "range" ? claim.events.map(({ index }) => index) : [];
          expect(indexes).toEqual(Array.from({ length: to - from }, (_, i) => from + i));
        }
      }
    }
  });

  it("that the log ends before an index", () => {
    expect(world.verdict(world.bundle({ kind: "no-event", index: 11 }))).toBe("ok");
    expect(world.verdict(world.bundle({ kind: "no-event", index: 10 }))).toBe("proof.invalid");
  });

  it("from a checkpoint on, with the links before it or without them", () => {
    const { result } = world.verify(world.events(0));
    if (!result.ok) throw new Error(result.detail);
    const trust = trustCheckpoint(result.value.checkpoint);
    const bundle = world.events(3);
    expect(world.verdict(bundle, trust)).toBe("ok");
    expect(world.verdict({ ...bundle, links: bundle.links.slice(2) }, trust)).toBe("ok");
    expect(world.verdict({ ...bundle, links: bundle.links.slice(2) })).toBe("proof.unanchored");
    expect(world.verdict({ ...bundle, links: bundle.links.slice(0, 2) }, trust)).toBe(
      "proof.unanchored",
    );
  });

  it("by jobs that somebody else runs, all of which must hold", () => {
    const { jobs, conclude } = prepareBundle(world.events(0), world.trust);
    expect(jobs.length).toBe(3 * 3 + 1);
    expect(jobs.every((job) => world.ring.verify(job))).toBe(true);
    expect(conclude(jobs.map(() => true)).result.ok).toBe(true);
    for (const bad of jobs.keys()) {
      expect(conclude(jobs.map((_, i) => i !== bad)).result).toMatchObject({
        code: "proof.invalid",
      });
    }
    expect(conclude([]).result.ok).toBe(false);
  });
});

describe("what is refused", () => {
  const set = one.sets[0] ?? one.setOf(0, 0);

  it("certificates below the quorum, of strangers, of another kind, epoch or header", () => {
    const bundle = one.events(0);
    const relink = (link: ProofLink): Bundle => withLink(bundle, 0, link);
    expect(failedAt(relink(one.link(set, one.header, [0, 1])), one)).toBe("set");
    expect(failedAt(relink(one.link(set, one.header, [])), one)).toBe("set");
    expect(failedAt(relink(one.link(set, one.header, undefined, "notarize")), one)).toBe("set");
    const other = one.link(set, { ...one.header, height: 21 });
    expect(failedAt(withLink(bundle, 0, { certificate: other.certificate }), one)).toBe("set");
    const stolen = one.link(one.setOf(0, 1), one.header);
    expect(failedAt(relink(stolen), one)).toBe("set");
    expect(failedAt(withLink(bundle, 0, { certificate: stolen.certificate }), one)).toBe(
      "signatures",
    );
    const later = one.link(one.setOf(1, 0), { ...one.header, epoch: 1 });
    expect(one.verdict(relink(later))).toBe("proof.unanchored");
  });

  it("a quorum by heads that is none by weight", () => {
    const heavy = new World({ weights: [1n, 1n, 1n, 10n] });
    const [only] = heavy.sets;
    if (only === undefined) throw new Error("no set");
    const light = only.validators.flatMap((one_, i) => (one_.weight === 1n ? [i] : []));
    const bundle = withLink(heavy.events(0), 0, heavy.link(only, heavy.header, light));
    expect(heavy.verdict(bundle)).toBe("proof.invalid");
    expect(heavy.verdict(heavy.events(0))).toBe("ok");
    expect(quorumSigners(only).length).toBeGreaterThan(0);
  });

  it("a set whose validators stand in another order, and one that is empty", () => {
    const bundle = one.events(0);
    const shuffled = rawSet(0, [...set.validators].reverse());
    expect(one.verdict(withLink(bundle, 0, { set: shuffled }))).toBe("proof.malformed");
    expect(one.verdict(withLink(bundle, 0, { set: rawSet(0, []) }))).toBe("proof.malformed");
  });

  it("boundaries that are none, that name another set, or that leave an epoch out", () => {
    const bundle = world.events(0);
    const [first, second, last] = world.sets;
    if (first === undefined || second === undefined || last === undefined) throw new Error("sets");
    const boundary = (change: Partial<Header>): Bundle =>
      withLink(
        bundle,
        0,
        world.link(first, { ...world.header, epoch: 0, height: 20, timeMs: START_MS, ...change }),
      );
    expect(world.verdict(boundary({ nextSetHash: second.hash, executedHeight: 19 }))).toBe("ok");
    expect(failedAt(boundary({ executedHeight: 19 }))).toBe("epochs");
    expect(failedAt(boundary({ nextSetHash: last.hash, executedHeight: 19 }))).toBe("epochs");
    const { links } = bundle;
    expect(failedAt({ ...bundle, links: links.filter((_, i) => i !== 1) })).toBe("epochs");
    expect(failedAt({ ...bundle, links: [...links].reverse() })).toBe("set");
    const late = { nextSetHash: second.hash, executedHeight: 19 };
    expect(failedAt(boundary({ ...late, height: 40 }))).toBe("epochs");
    expect(failedAt(boundary({ ...late, timeMs: START_MS + 1000 }))).toBe("epochs");
  });

  it("a chain of the same name and another genesis, whatever genesis its bundle says it is of", () => {
    const own = new World({ epochs: 2, seed: 5 });
    const other = new World({ epochs: 2, seed: 6 });
    const genesisHash = own.hasher.ht("genesis", utf8("another"));
    expect(own.chainId).toBe(other.chainId);
    for (const bundle of [other.events(1), other.rows("records-3"), other.range(0, 3)]) {
      expect(own.verdict({ ...bundle, genesisHash })).toBe("proof.untrusted");
      // Relabelled: the first set is not the one of the trusted genesis.
      expect(own.verdict({ ...bundle, genesisHash: own.genesisHash })).toBe("proof.invalid");
      // Begun with the trusted set: its boundary does not name the other chain's set.
      const [first] = own.links;
      const rest = bundle.links.slice(1);
      const grafted = first === undefined ? rest : [first, ...rest];
      expect(own.verdict({ ...bundle, genesisHash: own.genesisHash, links: grafted })).toBe(
        "proof.invalid",
      );
    }
  });

  it("another chain, another genesis, and a fork of what is trusted", () => {
    const foreign = new World({ chainId: "other", epochs: 3, events: 11 });
    expect(world.verdict(foreign.events(0))).toBe("proof.untrusted");
    // Naming this chain does not make it one: ids and headers are bound to the chain that they are of.
    const renamed = { ...foreign.events(0), chainId: "proofs", genesisHash: world.genesisHash };
    expect(world.verdict(renamed)).toBe("proof.invalid");
    const genesisHash = new Uint8Array(32);
    expect(world.verdict({ ...world.events(0), genesisHash })).toBe("proof.untrusted");
    const block = { height: 60, hash: new Uint8Array(32), timeMs: 0 };
    expect(world.verdict(world.events(0), { ...world.trust, block })).toBe("proof.invalid");
  });

  it("the path, leaf or batch of another event", () => {
    const [a, b] = [one.eventProof(4), one.eventProof(5)];
    const claimOf = (event: typeof a): Bundle => {
      const bundle = one.events(4);
      if (bundle.claim.kind !== "events") throw new Error("events");
      return { ...bundle, claim: { ...bundle.claim, events: [event] } };
    };
    expect(one.verdict(claimOf(a))).toBe("ok");
    expect(failedAt(claimOf({ ...a, path: b.path }), one)).toBe("claim");
    expect(failedAt(claimOf({ ...a, leaf: b.leaf }), one)).toBe("claim");
    expect(failedAt(claimOf({ ...a, batchPath: b.batchPath }), one)).toBe("authorship");
    expect(failedAt(claimOf({ ...a, path: a.path.slice(1) }), one)).toBe("claim");
    // A whole proof of another event stands, but not beside a batch that is not its own.
    expect(failedAt(claimOf(one.eventProof(9)), one)).toBe("authorship");
    expect(failedAt(claimOf({ ...one.eventProof(9), batchPath: [] }), one)).toBe("authorship");
  });

  it("a range with an event left out, twice, in another order, or of another place", () => {
    const whole = new World({ events: 9 });
    const bundle = whole.range(2, 8);
    const { claim } = bundle;
    if (claim.kind !== "range") throw new Error("no range");
    const verdict = (change: Partial<typeof claim>): string =>
      whole.verdict({ ...bundle, claim: { ...claim, ...change } });
    expect(verdict({})).toBe("ok");
    const { leaves, before, path } = claim;
    for (let at = 0; at < leaves.length; at++) {
      const without = leaves.filter((_, i) => i !== at);
      expect(verdict({ leaves: without })).not.toBe("ok");
      expect(
        verdict({ leaves: leaves.flatMap((leaf, i) => (i === at ? [leaf, leaf] : [leaf])) }),
      ).toBe("proof.malformed");
    }
    expect(verdict({ leaves: [...leaves].reverse() })).toBe("proof.malformed");
    expect(verdict({ leaves: [] })).toBe("proof.malformed");
    expect(verdict({ before: [] })).toBe("proof.malformed");
    expect(verdict({ before: [...before, ...before] })).toBe("proof.malformed");
    expect(verdict({ before: [new Uint8Array(32)] })).toBe("proof.invalid");
    expect(verdict({ path: path.slice(1) })).toBe("proof.invalid");
    // The leaves of another log of this length, in the same places.
    const other = new World({ events: 9, seed: 8 }).range(2, 8).claim;
    if (other.kind !== "range") throw new Error("no range");
    expect(verdict({ leaves: [...other.leaves.slice(0, 1), ...leaves.slice(1)] })).toBe(
      "proof.invalid",
    );
  });

  it("a row in the place of another, a list of projections that is not the state's", () => {
    const bundle = world.rows("absent", "records-3");
    if (bundle.claim.kind !== "rows") throw new Error("rows");
    const { claim } = bundle;
    const withRows = (rows: typeof claim.rows): Bundle => ({
      ...bundle,
      claim: { ...claim, rows },
    });
    const [absent, present] = claim.rows;
    if (absent === undefined || present === undefined) throw new Error("rows");
    expect(world.verdict(withRows([]))).toBe("ok");
    expect(world.verdict(withRows([present, absent]))).toBe("proof.malformed");
    expect(world.verdict(withRows([present, present]))).toBe("proof.malformed");
    expect(world.verdict(withRows([{ ...present, row: undefined }]))).toBe("proof.invalid");
    expect(world.verdict(withRows([{ ...absent, row: present.row }]))).toBe("proof.invalid");
    const projections = claim.projections.map((entry) => ({ ...entry, schemaVersion: 2 }));
    expect(world.verdict({ ...bundle, claim: { ...claim, projections } })).toBe("proof.invalid");
    expect(world.verdict({ ...bundle, claim: { ...claim, projection: "actors" } })).toBe(
      "proof.invalid",
    );
    expect(world.verdict({ ...bundle, claim: { ...claim, projection: "none" } })).toBe(
      "proof.invalid",
    );
  });

  it("a header that commits to its own height", () => {
    const forged = one.link(set, { ...one.header, executedHeight: one.header.height });
    expect(failedAt(withLink(one.events(0), 0, forged), one)).toBe("header");
  });
});

/** Every byte string of a bundle, with a way to put another in its place. */
type Place = { readonly bytes: Uint8Array; readonly put: (bytes: Uint8Array) => Bundle };

const placesOf = (bundle: Bundle): Place[] => {
  const places: Place[] = [];
  const visit = (value: unknown, rebuild: (next: unknown) => unknown): void => {
    if (value instanceof Uint8Array) {
      places.push({ bytes: value, put: (bytes) => rebuild(bytes) as Bundle });
    } else if (Array.isArray(value)) {
      value.forEach((item, i) => {
        visit(item, (next) => rebuild(value.map((known, at) => (at === i ? next : known))));
      });
    } else if (typeof value === "object" && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        visit(item, (next) => rebuild({ ...value, [key]: next }));
      }
    }
  };
  visit(bundle, (next) => next);
  return places;
};

const flipped = (bytes: Uint8Array, at: number, mask: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
};

/** Another absent key is another claim, which may be as true: who asks compares it with the question. */
const isAbsentKey = (bytes: Uint8Array): boolean => toHex(bytes) === toHex(utf8("absent"));

const saysNothingFalse = (claim: ProvenClaim): boolean => {
  if (claim.kind === "no-event") return claim.index >= 7;
  if (claim.kind === "events" || claim.kind === "range") return false;
  return claim.rows.every(({ key, value }) => {
    const there = /^records-[0-8]$/.test(String.fromCharCode(...key));
    return there === (value !== undefined);
  });
};

describe("tampering", () => {
  const small = new World({ epochs: 2, events: 7 });
  const bundles: readonly (readonly [string, Bundle])[] = [
    ["events", small.events(1, 5)],
    ["a range", small.range(3, 6)],
    ["rows", small.rows("absent", "records-3")],
    ["no event", small.bundle({ kind: "no-event", index: 7 })],
  ];

  it.each(bundles)(
    "any byte of a bundle of %s",
    (_name, bundle) => {
      expect(small.verdict(bundle)).toBe("ok");
      let tried = 0;
      for (const { bytes, put } of placesOf(bundle)) {
        // Keys and signatures are long and alike: of those every byte, of each other kind every bit.
        const masks = bytes.length > 1200 ? [0x40] : [1, 2, 4, 8, 16, 32, 64, 128];
        for (let at = 0; at < bytes.length; at++) {
          for (const mask of masks) {
            tried += 1;
            const verdict = small.verdict(put(flipped(bytes, at, mask)));
            if (verdict === "ok" && !isAbsentKey(bytes)) {
              expect([at, mask, bytes.length]).toBe("refused");
            }
          }
        }
      }
      expect(tried).toBeGreaterThan(10_000);
    },
    300_000,
  );

  it("any byte string cut short, or longer by a byte", () => {
    for (const [, bundle] of bundles) {
      for (const { bytes, put } of placesOf(bundle)) {
        const shorter = small.verdict(put(bytes.subarray(0, bytes.length - 1)));
        if (!isAbsentKey(bytes)) expect(shorter).not.toBe("ok");
        const longer = new Uint8Array(bytes.length + 1);
        longer.set(bytes);
        if (!isAbsentKey(bytes)) expect(small.verdict(put(longer))).not.toBe("ok");
      }
    }
  });

  it("any character of the text: what is read is the same bundle, or it is refused", () => {
    const texts = bundles.map(([, bundle]) => formatBundle(bundle));
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.constantFrom(...'Aa0_-="{}[],:\\ \n\u0000é9'),
        (text, place, character) => {
          const at = Math.floor(place * text.length);
          const changed = `${text.slice(0, at)}${character}${text.slice(at + 1)}`;
          const parsed = parseBundle(changed);
          if (!parsed.ok || formatBundle(parsed.value) === text) return;
          const { result } = small.verify(parsed.value);
          // What is left of a true claim may be another true claim, about other keys or a later index.
          if (result.ok) expect(saysNothingFalse(result.value.claim)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
