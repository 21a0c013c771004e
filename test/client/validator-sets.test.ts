/** Following the sets of validators: what a node or a file may say, and what it cannot make anybody believe. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatSets as formatChecked,
  type KeptStep,
  KeptSteps,
} from "../../src/client/kept-steps.ts";
import type { AsksNode } from "../../src/client/set-step.ts";
import { followFile, followSets, SetWalk } from "../../src/client/validator-sets.ts";
import { toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import { TetradError } from "../../src/errors.ts";
import { KEYS } from "../../src/ledger/projections/stake/rows.ts";
import { validatorKey } from "../../src/ledger/projections/validators.ts";
import type { ValidatorSet } from "../../src/ledger/types.ts";
import {
  type Bundle,
  bundleJson,
  type Claim,
  formatBundle,
} from "../../src/ledger/verify/bundle.ts";
import { encodeSet } from "../../src/ledger/verify/links.ts";
import { type Trust, trustCheckpoint } from "../../src/ledger/verify/trust.ts";
import { LIMITS } from "../../src/limits.ts";
import { World } from "../ledger/verify/support.ts";
import { identities, keyBytes } from "./stake-identities.ts";

const EPOCHS = 5;

const world = new World({ chainId: "sets", epochs: EPOCHS, stake: identities });

const verify = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean =>
  world.ring.verify({ signature, message, publicKey });

const walkOf = (trust = world.trust): SetWalk => new SetWalk(trust, verify);

const keysOf = (epoch: number, from = world): Uint8Array[] =>
  (from.sets[epoch]?.validators ?? []).map(({ id }) => KEYS.identity(id)).sort(Buffer.compare);

/** From one epoch to another, with the members of the last set or without. */
const step = (from: number, to: number, members = true): Bundle => {
  const claim: Claim = members
    ? world.rowsOf("stake", keysOf(to)).claim
    : { kind: "no-event", index: world.entries.length };
  return world.bundle(claim, world.links.slice(from, to + 1));
};

/** The code of a refusal and its words; "ok". */
const said = (walk: SetWalk, ...bundles: readonly Bundle[]): string => {
  for (const bundle of bundles) {
    const taken = walk.take(bundle);
    if (!taken.ok) return `${taken.code}: ${taken.detail}`;
  }
  return "ok";
};

/** A node that answers with these, and how often it was asked for what. */
const nodeOf = (answer: (epoch: number, time: number) => Bundle) => {
  const asked: number[] = [];
  const client: AsksNode = {
    get: async (path, query) => {
      expect(path).toBe("/v1/validators");
      asked.push(Number(query["trustedEpoch"]));
      return bundleJson(answer(Number(query["trustedEpoch"]), asked.length)) as never;
    },
  };
  return { client, asked };
};

const signal = new AbortController().signal;

const formatSets = (bundles: readonly Bundle[]): string => {
  const text = formatChecked(bundles);
  if (!text.ok) throw TetradError.from(text);
  return text.value;
};

describe("a walk along the sets", () => {
  it("ends with the set of the newest header and the keys of its members", () => {
    const walk = walkOf();
    expect(walk.reached).toBeUndefined();
    expect(said(walk, step(0, 4))).toBe("ok");
    const { reached } = walk;
    expect(reached?.set.epoch).toBe(4);
    expect(reached?.policy.origin).toBe("sets/tlog");
    expect(reached?.policy.quorum).toBe(3n);
    const set = world.sets[4];
    for (const [i, member] of (reached?.policy.members ?? []).entries()) {
      expect(member.weight).toBe(1n);
      expect(member.keys.falcon.publicKey).toEqual(set?.validators[i]?.publicKey);
      const index = Number(/^v(\d)-4$/.exec(member.name)?.[1]);
      expect(toHex(member.keys.ed25519.publicKey)).toBe(
        toHex(keyBytes(`ed ${index} 4`, LIMITS.ed25519PublicKeyBytes)),
      );
    }
    expect(reached?.policy.members.map(({ name }) => name).sort()).toEqual([
      ...["v0-4", "v1-4", "v2-4", "v3-4"],
    ]);
    expect(reached?.steps).toEqual([{ from: 0, to: 4, height: 100, links: 5, members: 4 }]);
  });

  it("comes to the same by any steps", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }), (stops) => {
        const walk = walkOf();
        let from = 0;
        for (const stop of stops.sort()) {
          expect(said(walk, step(from, stop, stop % 2 === 0))).toBe("ok");
          from = stop;
        }
        expect(said(walk, step(from, 4))).toBe("ok");
        expect(walk.reached?.set.epoch).toBe(4);
        expect(walk.reached?.steps.length).toBe(stops.length + 1);
      }),
    );
  });

  it("goes on from a checkpoint, and tells nothing twice", () => {
    const walk = walkOf();
    expect(said(walk, step(0, 2), step(2, 2), step(2, 3))).toBe("ok");
    expect(walk.reached?.steps.map(({ from, to }) => [from, to])).toEqual([
      [0, 2],
      [2, 3],
    ]);
    expect(
      walk.reached?.policies.map(({ epoch, header, endHeight }) => [
        epoch,
        header.height,
        endHeight,
      ]),
    ).toEqual([
      [3, 80, undefined],
      [2, 60, 60],
    ]);
    expect(said(walkOf(walk.trust), step(3, 4))).toBe("ok");
  });

  it("says which step and which check fails: a forged set", () => {
    const [a, b] = [world.links[1], world.links[2]];
    const set = world.sets[2];
    const other = world.setOf(2, 9);
    if (a === undefined || b === undefined || set === undefined) throw new Error("no link");
    // A set of the liar's own, with a header that it has signed.
    const forged = world.link(other, { ...world.header, epoch: 2, height: 60 });
    const claim: Claim = world.rowsOf("stake", keysOf(2)).claim;
    const own = world.bundle(claim, [a, forged]);
    expect(said(walkOf(), step(0, 1, false), own)).toMatch(
      /^proof\.invalid: step 2, from the set of epoch 1: epochs: the boundary of epoch 1 names another set/,
    );
    // The true set, under a header that it has not signed.
    const unsigned = { ...b, header: forged.header };
    expect(said(walkOf(), step(0, 1, false), world.bundle(claim, [a, unsigned]))).toMatch(
      /^proof\.invalid: step 2, .*: set: height 60: the certificate does not make this header final/,
    );
    // Weight that is forged changes the set's hash.
    const heavier = {
      ...set,
      validators: set.validators.map((one, i) => ({ ...one, weight: i === 0 ? 9n : one.weight })),
    };
    const heavy = { ...b, set: encodeSet(heavier) };
    expect(said(walkOf(), step(0, 1, false), world.bundle(claim, [a, heavy]))).toMatch(/step 2, /);
    // Too few have signed the boundary.
    const few = world.link(
      world.sets[0] ?? other,
      { ...world.header, epoch: 0, height: 20 },
      [0, 1],
    );
    expect(said(walkOf(), world.bundle(claim, [few]))).toMatch(
      /step 1, .*set: .*weight 2, quorum 3/,
    );
  });

  it("does not skip an epoch, nor begin at another", () => {
    const links = [...world.links.slice(0, 2), ...world.links.slice(3)];
    const claim: Claim = world.rowsOf("stake", keysOf(4)).claim;
    expect(said(walkOf(), world.bundle(claim, links))).toMatch(
      /^proof\.invalid: step 1, from the set of epoch 0: epochs: epoch 3 follows epoch 1/,
    );
    expect(said(walkOf(), step(0, 1), step(3, 4))).toMatch(/^proof\.unanchored: step 2, .*: set: /);
  });

  it("takes no set of another chain, of one with the same name either", () => {
    const foreign = new World({ chainId: "others", epochs: 2, stake: identities });
    const claim = foreign.rowsOf("stake", keysOf(1, foreign)).claim;
    expect(said(walkOf(), foreign.bundle(claim))).toMatch(/^proof\.untrusted: step 1, .*: chain: /);
    const twin = new World({ chainId: "sets", epochs: 2, seed: 6, stake: identities });
    const twins = twin.bundle(twin.rowsOf("stake", keysOf(1, twin)).claim);
    expect(said(walkOf(), twins)).toMatch(/^proof\.invalid: step 1, .*: set: .* not the one/);
    // It says that it is of the trusted genesis, and shows the trusted first set.
    const mixed = world.bundle(twins.claim, [...world.links.slice(0, 1), ...twin.links.slice(1)]);
    expect(said(walkOf(), mixed)).toMatch(/^proof\.invalid: step 1, .*: epochs: /);
  });

  it("wants the keys of every member, of the projection that has them", () => {
    const missing = world.rowsOf("stake", keysOf(1).slice(1)).claim;
    const links = world.links.slice(0, 2);
    expect(said(walkOf(), world.bundle(missing, links))).toMatch(
      /^proof\.invalid: step 1, .*: members: the keys of member .* are not proven/,
    );
    const others = world.rowsOf("stake", keysOf(2)).claim;
    expect(said(walkOf(), world.bundle(others, links))).toContain("members: the keys of member");
    expect(said(walkOf(), world.bundle(world.rows("records-1").claim, links))).toContain(
      "members: it proves rows of records",
    );
    // A row that was changed does not lead to the state root.
    const [row, ...rest] = missing.kind === "rows" ? missing.rows : [];
    if (missing.kind !== "rows" || row?.row === undefined) throw new Error("no row");
    const changed = { ...row, row: row.row.map((byte, i) => (i === 20 ? byte ^ 1 : byte)) };
    const claim: Claim = { ...missing, rows: [changed, ...rest] };
    expect(said(walkOf(), world.bundle(claim, links))).toMatch(/step 1, .*: claim: /);
    const newer = missing.projections.map((one) => ({
      ...one,
      schemaVersion: one.schemaVersion + 1,
    }));
    expect(said(walkOf(), world.bundle({ ...missing, projections: newer }, links))).toMatch(
      /^proof\.(version|invalid): step 1/,
    );
  });

  it("keeps nothing where nobody wants it kept, and comes to the same set", () => {
    const walk = new SetWalk(world.trust, verify, false);
    expect(said(walk, step(0, 2), step(2, 4))).toBe("ok");
    expect(walk.reached).toMatchObject({ set: { epoch: 4 }, bundles: [] });
    expect(walk.reached?.steps.map(({ from, to }) => [from, to])).toEqual([
      [0, 2],
      [2, 4],
    ]);
  });

  it("keeps the policies of the newest sets", () => {
    const count = LIMITS.setPoliciesMax + 1;
    const long = new World({ chainId: "sets", epochs: count, stake: identities });
    const walk = new SetWalk(long.trust, (signature, message, publicKey) =>
      long.ring.verify({ signature, message, publicKey }),
    );
    for (let to = 0; to < count; to++) {
      const claim = long.rowsOf("stake", keysOf(to, long)).claim;
      expect(said(walk, long.bundle(claim, long.links.slice(Math.max(0, to - 1), to + 1)))).toBe(
        "ok",
      );
      expect(walk.reached?.policies.length).toBe(Math.min(to + 1, LIMITS.setPoliciesMax));
      expect(walk.reached?.policies[0]?.epoch).toBe(to);
    }
  });
});

describe("a walk of many steps", () => {
  const count = LIMITS.setPoliciesMax + 4;
  const long = new World({ chainId: "sets", epochs: count, stake: identities });
  const verifyLong = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) =>
    long.ring.verify({ signature, message, publicKey });
  const one = (to: number): Bundle => {
    const claim = long.rowsOf("stake", keysOf(to, long)).claim;
    return long.bundle(claim, long.links.slice(Math.max(0, to - 1), to + 1));
  };
  const walk = new SetWalk(long.trust, verifyLong);
  const all = Array.from({ length: count }, (_, to) => one(to));

  it("joins what is old, and leaves the newest as they are", () => {
    expect(said(walk, ...all)).toBe("ok");
    const { reached } = walk;
    if (reached === undefined) throw new Error("nothing was reached");
    const { steps, bundles } = reached;
    expect(steps).toHaveLength(LIMITS.setPoliciesMax + 1);
    expect(steps[0]).toEqual({ from: 0, to: 3, height: 80, links: 4, members: 4 });
    expect(bundles.slice(1)).toEqual(all.slice(4));
    expect(reached.policies).toHaveLength(LIMITS.setPoliciesMax);
  });

  it("is followed from its file to the same, and on from there to the same file", () => {
    const short = new SetWalk(long.trust, verifyLong);
    expect(said(short, ...all.slice(0, -1))).toBe("ok");
    const text = formatSets(short.reached?.bundles ?? []);
    const again = new SetWalk(long.trust, verifyLong);
    expect(followFile(text, again)).toMatchObject({ ok: true });
    expect(again.reached).toEqual(short.reached);
    expect(said(again, ...all.slice(-1))).toBe("ok");
    expect(again.reached).toEqual(walk.reached);
  }, 60_000);

  const nothing = new Uint8Array(0);
  const small: Bundle = {
    ...{ chainId: "sets", genesisHash: ZERO_HASH, claim: { kind: "no-event", index: 0 } },
    links: [{ set: nothing, header: nothing, certificate: nothing }],
  };
  const step = { from: 0, to: 1, height: 1, links: 1, members: 0 };
  const keptOf = (...bundles: readonly Bundle[]): readonly KeptStep[] => {
    const kept = new KeptSteps();
    for (const bundle of bundles) kept.push({ step, bundle });
    for (let i = 0; i < LIMITS.setPoliciesMax; i++) kept.push({ step, bundle: small });
    return kept.all.slice(0, -LIMITS.setPoliciesMax);
  };

  it("joins what was passed over with nothing that was verified, and not over a gap", () => {
    const at = (byte: number): Bundle => ({
      ...small,
      links: [{ set: Uint8Array.of(byte), header: nothing, certificate: nothing }],
    });
    const kept = new KeptSteps();
    for (const bundle of [at(1), at(1), at(2)]) kept.push({ step: undefined, bundle });
    kept.push({ step, bundle: at(2) });
    for (let i = 0; i < LIMITS.setPoliciesMax; i++) kept.push({ step, bundle: small });
    const [first, second, third] = kept.all;
    expect([first?.step, second?.step, third?.step]).toEqual([undefined, undefined, step]);
    expect([first, second].map((one) => one?.bundle.links[0]?.set[0])).toEqual([1, 2]);
    expect(kept.all).toHaveLength(3 + LIMITS.setPoliciesMax);
  });

  it("joins no steps that overlap, though each was verified", () => {
    const wide = new SetWalk(long.trust, verifyLong);
    const between = (from: number, to: number): Bundle =>
      long.bundle(long.rowsOf("stake", keysOf(to, long)).claim, long.links.slice(from, to + 1));
    // The second begins at the genesis, and is verified from the set that the first leads to.
    const all = [
      between(0, 1),
      between(0, 2),
      ...Array.from({ length: count - 3 }, (_, i) => one(i + 3)),
    ];
    expect(said(wide, ...all)).toBe("ok");
    const again = new SetWalk(long.trust, verifyLong);
    expect(followFile(formatSets(wide.reached?.bundles ?? []), again)).toMatchObject({ ok: true });
    expect(again.reached?.set.epoch).toBe(count - 1);
  }, 60_000);

  it("joins no more than a proof may have", () => {
    const wide = (count: number): Bundle => ({
      ...small,
      links: Array.from({ length: count }, () => ({
        ...{ set: nothing, header: nothing, certificate: nothing },
      })),
    });
    const [one, ...none] = keptOf(wide(2), wide(LIMITS.proofLinksMax - 1));
    expect(one?.bundle.links).toHaveLength(LIMITS.proofLinksMax);
    expect(none).toEqual([]);
    expect(keptOf(wide(2), wide(LIMITS.proofLinksMax))).toHaveLength(2);
    const heavy = (bytes: number): Bundle => ({
      ...small,
      links: [{ set: nothing, header: new Uint8Array(bytes), certificate: nothing }],
    });
    expect(keptOf(small, heavy(LIMITS.setStepBytesMax))).toHaveLength(1);
    expect(keptOf(small, heavy(LIMITS.setStepBytesMax + 1))).toHaveLength(2);
  });

  it("keeps no more bytes than a file may have", () => {
    const kept = new KeptSteps();
    const of = (bytes: number): KeptStep => ({
      step,
      bundle: {
        ...small,
        links: [{ set: new Uint8Array(bytes), header: nothing, certificate: nothing }],
      },
    });
    expect(kept.push(of(LIMITS.setsFileMax - 1)).ok).toBe(true);
    expect(kept.push(of(2))).toMatchObject({ code: "proof.too-long" });
    expect(kept.push(of(1)).ok).toBe(true);
    expect(kept.push(of(1))).toMatchObject({ code: "proof.too-long" });
    expect(kept.all).toHaveLength(2);
  });

  it("is written to no file that could not be read", () => {
    const { length } = formatBundle(small);
    expect(formatChecked([small, small], 2 * length)).toMatchObject({ ok: true });
    expect(formatChecked([small, small], 2 * length - 1)).toMatchObject({ code: "proof.too-long" });
    const many = Array<Bundle>(LIMITS.setStepsMax).fill(small);
    expect(formatChecked(many)).toMatchObject({ ok: true });
    expect(formatChecked([...many, small])).toMatchObject({ code: "proof.too-long" });
  });
});

it("says of a chain whose sets are fixed that its genesis alone has the keys", () => {
  const rows = (sets: readonly ValidatorSet[]) =>
    sets
      .flatMap(({ validators }) =>
        validators.map(({ id }) => ({ key: validatorKey(id), value: id })),
      )
      .sort((a, b) => Buffer.compare(a.key, b.key));
  const claimOf = (from: World) =>
    from.rowsOf(
      "validators",
      (from.sets[0]?.validators ?? []).map(({ id }) => validatorKey(id)).sort(Buffer.compare),
    ).claim;
  const fixed = new World({ chainId: "sets", validators: rows });
  expect(said(walkOf(fixed.trust), fixed.bundle(claimOf(fixed)))).toMatch(
    /^cli\.usage: step 1, .* trust the genesis/,
  );
  // Where stake decides those rows are not who is in the set, whatever they say.
  const both = new World({ chainId: "sets", stake: identities, validators: rows });
  expect(said(walkOf(both.trust), both.bundle(claimOf(both)))).toMatch(
    /^proof\.invalid: step 1, .*: members: it proves rows of validators/,
  );
});

describe("a node that is asked", () => {
  it("leads on in as many answers as it likes", async () => {
    const { client, asked } = nodeOf((epoch) => step(epoch, Math.min(4, epoch + 2), epoch >= 2));
    const reached = await followSets(client, walkOf(), signal);
    expect(reached.set.epoch).toBe(4);
    expect(asked).toEqual([0, 2]);
  });

  it("is left when it leads nowhere", async () => {
    const { client, asked } = nodeOf((epoch) => step(epoch, Math.min(2, epoch + 1), false));
    await expect(followSets(client, walkOf(), signal)).rejects.toMatchObject({
      code: "proof.invalid",
      message: expect.stringContaining("step 3, from the set of epoch 2: epochs: it leads to no"),
    });
    expect(asked).toEqual([0, 1, 2]);
    const mute: AsksNode = { get: async () => ({ items: [] }) };
    await expect(followSets(mute, walkOf(), signal)).rejects.toBeInstanceOf(TetradError);
  });
});

it("leads on in so many answers and no more", async () => {
  const leading = () => nodeOf((epoch) => step(epoch, epoch + 1, epoch === 2));
  expect((await followSets(leading().client, walkOf(), signal, 3)).set.epoch).toBe(3);
  const { client, asked } = leading();
  await expect(followSets(client, walkOf(), signal, 2)).rejects.toMatchObject({
    code: "proof.too-long",
  });
  expect(asked).toEqual([0, 1]);
});

describe("a file of steps", () => {
  const text = formatSets([step(0, 1, false), step(1, 3), step(3, 4)]);

  it("leads as far as the node did", () => {
    const followed = followFile(text, walkOf());
    if (!followed.ok) throw new Error(followed.detail);
    expect(followed.value.set.epoch).toBe(4);
    expect(formatSets(followed.value.bundles)).toBe(text);
    expect(followed.value.checkpoint.epoch).toBe(4);
  });

  const trustOf = (epoch: number): Trust => {
    const { result } = world.verify(step(0, epoch));
    if (!result.ok) throw new Error(result.detail);
    return trustCheckpoint(result.value.checkpoint);
  };

  it("leads on from every set on its way, and is kept whole for who trusts an older one", () => {
    const short = formatSets([step(0, 1, false), step(1, 3)]);
    for (const epoch of [0, 1, 2, 3]) {
      const walk = walkOf(trustOf(epoch));
      const followed = followFile(short, walk);
      if (!followed.ok) throw new Error(`from ${epoch}: ${followed.detail}`);
      expect(followed.value.set.epoch).toBe(3);
      expect(followed.value.steps[0]?.from).toBe(epoch);
      expect(formatSets(followed.value.bundles)).toBe(short);
      // What comes after is added to it.
      expect(said(walk, step(3, 4))).toBe("ok");
      const whole = formatSets(walk.reached?.bundles ?? []);
      expect(followFile(whole, walkOf())).toMatchObject({ value: { set: { epoch: 4 } } });
    }
  });

  it("is refused where it ends before what is trusted, or has a step of another chain", () => {
    const short = formatSets([step(0, 1, false), step(1, 3)]);
    expect(followFile(short, walkOf(trustOf(4)))).toMatchObject({
      code: "proof.unanchored",
      detail: "the steps end at the set of epoch 3, and that of epoch 4 is trusted",
    });
    expect(followFile(short, walkOf(trustOf(3)))).toMatchObject({ ok: true });
    const other = new World({ chainId: "other", epochs: 1, stake: identities });
    const first = other.bundle({ kind: "no-event", index: 5 }, other.links.slice(0, 1));
    expect(followFile(formatSets([first, step(3, 4)]), walkOf(trustOf(3)))).toMatchObject({
      code: "proof.untrusted",
      detail: expect.stringMatching(/^step 1, /),
    });
    // Which line is wrong is counted with those that are passed over.
    expect(
      followFile(`${formatSets([step(0, 1), step(0, 2)])}x\n`, walkOf(trustOf(4))),
    ).toMatchObject({ code: "proof.malformed", detail: expect.stringMatching(/^step 3, /) });
    const late = formatSets([step(0, 1), step(3, 4)]);
    expect(followFile(late, walkOf(trustOf(2)))).toMatchObject({
      code: "proof.unanchored",
      detail: expect.stringMatching(/^step 2, /),
    });
  });

  it("does not take trust back to a block that its last step ends at", () => {
    const set = world.sets[4];
    if (set === undefined) throw new Error("no set");
    const later = world.link(set, {
      ...world.header,
      height: 110,
      timeMs: world.header.timeMs + 1,
    });
    const { result } = world.verify(
      world.bundle(world.rowsOf("stake", keysOf(4)).claim, [...world.links.slice(0, 4), later]),
    );
    if (!result.ok) throw new Error(result.detail);
    const { checkpoint } = result.value;
    expect(checkpoint).toMatchObject({ epoch: 4, height: 110, timeMs: world.header.timeMs + 1 });
    const walk = walkOf(trustCheckpoint(checkpoint));
    const followed = followFile(text, walk);
    if (!followed.ok) throw new Error(followed.detail);
    expect(followed.value).toMatchObject({ checkpoint, header: { height: 100 } });
    expect(followed.value.policy.members).toHaveLength(4);
    expect(walk.trust).toEqual(trustCheckpoint(checkpoint));
    expect(formatSets(followed.value.bundles)).toBe(text);
    // What is as new or newer is taken.
    const newest = world.link(set, { ...world.header, height: 120 });
    const claim = world.rowsOf("stake", keysOf(4)).claim;
    expect(said(walk, world.bundle(claim, [newest]))).toBe("ok");
    expect([walk.trust.block?.height, walk.reached?.checkpoint.height]).toEqual([120, 120]);
  });

  it("passes nothing over once a step was taken", () => {
    const back = formatSets([step(0, 1), step(1, 3), step(0, 1), step(3, 4)]);
    expect(followFile(back, walkOf(trustOf(2)))).toMatchObject({
      code: "proof.unanchored",
      detail: expect.stringMatching(/^step 3, from the set of epoch 3: /),
    });
  });

  it("is refused with the line that is wrong", () => {
    const lines = text.trimEnd().split("\n");
    const without = (at: number) => `${lines.filter((_, i) => i !== at).join("\n")}\n`;
    expect(followFile(without(0), walkOf())).toMatchObject({ code: "proof.unanchored" });
    expect(followFile(without(1), walkOf())).toMatchObject({
      code: "proof.unanchored",
      detail: expect.stringMatching(/^step 2, /),
    });
    expect(followFile("", walkOf())).toMatchObject({ code: "proof.invalid" });
    expect(followFile(`${lines[0]}\nx\n`, walkOf())).toMatchObject({
      code: "proof.malformed",
      detail: expect.stringMatching(/^step 2, /),
    });
    expect(followFile(`${lines[0]}\n`, walkOf())).toMatchObject({
      code: "proof.invalid",
      detail: "the steps end before one that proves who is in the set",
    });
  });

  it("has a most of steps", () => {
    const many = formatSets([step(0, 0)]).repeat(LIMITS.setStepsMax + 1);
    expect(followFile(many, walkOf())).toMatchObject({ code: "proof.too-long" });
    const [, ...most] = many.split("\n");
    expect(followFile(most.join("\n"), walkOf())).toMatchObject({ ok: true });
  }, 60_000);

  it("never throws, whatever it has in it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.json(), fc.constant(text.slice(0, 500)))),
        (all) => {
          expect(followFile(all.join("\n"), walkOf()).ok).toBe(false);
        },
      ),
    );
    const bytes = utf8(text);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
        fc.pre(bytes[at] !== byte);
        const changed = bytes.with(at, byte);
        expect(followFile(new TextDecoder().decode(changed), walkOf()).ok).toBe(false);
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});

it("begins at the set that is trusted, whose hash has nothing to do with the file", () => {
  expect(said(walkOf({ ...world.trust, setHash: ZERO_HASH }), step(0, 1))).toMatch(/: set: /);
});
