/** Forgeries of stake: who signs, who may, and who holds power. */
import { expect } from "vitest";
import { ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { evidenceEvent } from "../../../src/detect/index.ts";
import { buildBatch } from "../../../src/ledger/batch.ts";
import { capabilityId } from "../../../src/ledger/projections/capabilities.ts";
import { actorRevoked, capabilityGranted } from "../../../src/ledger/projections/events.ts";
import {
  possessionMessage,
  validatorRegistered,
} from "../../../src/ledger/projections/stake/events.ts";
import { evidenceOf, notarize, statementBytes } from "../../../src/ledger/statement.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { orderBatches } from "../../../src/ledger/validity.ts";
import { LIMITS } from "../../../src/limits.ts";
import { codesOf, hasher, idOf, keyOf, testSign } from "../../ledger/execution-support.ts";
import {
  bond,
  equivocation,
  grant,
  identityOf,
  jail,
  leave,
  PARAMETERS,
  register,
  rejoin,
  StakeChain,
  unbond,
  withdraw,
} from "../../ledger/stake/support.ts";
import { type Act, bent, both, NOTHING, type Seen } from "./act.ts";
import { otherHasher, putEvent, World } from "./world.ts";

const OK = "accepted";

/** A capability of the reader's to write records under `free/`, given by the clerk. */
const givenTo = (world: World, holder: string, notAfterMs: number): Uint8Array => {
  const event = capabilityGranted.encode({
    ...{ holder: idOf(holder), parent: ZERO_HASH, delegable: false, notAfterMs },
    ...{ actions: ["record.put"], resource: "record/free/" },
  });
  const input = world.input([{ by: "clerk", events: [event] }]);
  expect(codesOf(world.run(input))).toEqual([OK]);
  const [batch] = input.batches;
  if (batch === undefined) throw new Error("no batch");
  return capabilityId(hasher, batch.id, 0);
};

const onEvents: Readonly<Record<string, Act>> = {
  "stake/event/missing": () => {
    const empty = new Uint8Array(LIMITS.falconSignatureBytes);
    return bent(new World(), () => ({ signature: empty }));
  },
  "stake/event/missing/actor": () => {
    const world = new World();
    return both(world, world.sealed(world.parts("nobody")));
  },
  "stake/event/missing/right": () => {
    const world = new World();
    expect(world.write("clerk", putEvent())).toBe(OK);
    return { execution: world.write("reader", putEvent()) };
  },
  "stake/event/stale": () => {
    const world = new World();
    const batch = world.sealed(world.parts("clerk"));
    expect(both(world, batch)).toEqual({ admission: OK, vote: "valid" });
    expect(world.write("root", actorRevoked.encode({ actor: idOf("clerk") }))).toBe(OK);
    // In a block it is valid: who has executed less cannot know. There it comes to nothing.
    expect(world.vote([world.sealed(world.parts("clerk"))])).toBe("valid");
    return {
      admission: world.admit(world.sealed(world.parts("clerk"))),
      execution: world.write("clerk", putEvent()),
    };
  },
  "stake/event/stale/capability": () => {
    const world = new World();
    givenTo(world, "reader", (world.timeAt(world.height) ?? 0) + 1_000);
    expect(world.write("reader", putEvent())).toBe(OK);
    world.pass(4);
    return { execution: world.write("reader", putEvent()) };
  },
  "stake/event/forged": () => {
    const world = new World();
    return bent(world, ({ input }) => ({ signature: world.signature(input, "warden") }));
  },
  "stake/event/replayed": () => {
    const world = new World();
    const right = world.parts("clerk");
    const abroad = buildBatch(otherHasher, right.input);
    const signature = testSign(abroad.signingMessage, keyOf("clerk"));
    expect(abroad.signingMessage).not.toEqual(buildBatch(hasher, right.input).signingMessage);
    return both(world, world.sealed({ ...right, signature }));
  },
  "stake/event/borrowed": () => {
    const world = new World();
    const others = world.signature(world.core("clerk", { events: [putEvent("other")] }), "clerk");
    return bent(world, () => ({ signature: others }));
  },
  "stake/event/borrowed/capability": () => {
    const world = new World();
    givenTo(world, "reader", Number.MAX_SAFE_INTEGER);
    expect(world.write("reader", putEvent())).toBe(OK);
    return { execution: world.write("v0", putEvent()) };
  },
  "stake/event/borrowed/passed-on": () => {
    const world = new World();
    const parent = givenTo(world, "reader", Number.MAX_SAFE_INTEGER);
    const event = capabilityGranted.encode({
      ...{ holder: idOf("v0"), parent, delegable: false, notAfterMs: Number.MAX_SAFE_INTEGER },
      ...{ actions: ["record.put"], resource: "record/free/" },
    });
    return { execution: world.write("reader", event) };
  },
  "stake/event/precomputed": () => {
    // Signed, worked and hosted before its author is registered: a key that nobody knows yet.
    const world = new World();
    return both(world, world.sealed(world.parts("to-be-registered")));
  },
  "stake/event/ground/tries": () => {
    const world = new World();
    const right = world.parts("clerk");
    const pool = world.pool();
    const wrong = (fill: number) =>
      world.sealed({ ...right, signature: new Uint8Array(right.signature.length).fill(fill) });
    for (let tries = 0; tries < LIMITS.signatureTriesMax; tries++) {
      expect(world.admit(wrong(tries), "v0", pool)).toBe("batch.signature");
    }
    const next = wrong(LIMITS.signatureTriesMax);
    const seen = { admission: world.admit(next, "v0", pool), vote: world.vote([next]) };
    expect(world.admit(world.sealed(right), "v0", pool, "v1")).toBe(OK);
    return seen;
  },
  "stake/event/ground": () => {
    const world = new World();
    const right = world.parts("clerk");
    const again = { ...right, signature: world.signature(right.input, "clerk", 5) };
    const [one, other] = [world.sealed(right), world.sealed(again)];
    for (const batch of [one, other])
      expect(both(world, batch)).toEqual({ admission: OK, vote: "valid" });
    // Another digest, and nothing else: one id, one place in the lane and in a block, one challenge.
    expect(other.digest).not.toEqual(one.digest);
    expect(other.id).toEqual(one.id);
    const warden = world.sealed(world.parts("warden"));
    const places = [one, other].map((batch) =>
      orderBatches(hasher, world.beaconAt(40), [warden, batch]).indexOf(batch),
    );
    expect(places[0]).toBe(places[1]);
    world.include(one);
    expect(world.vote([other])).toBe("batch.lane-replay");
    return NOTHING;
  },
};

const done = (chain: StakeChain, by: string, event: EncodedEvent): Seen => ({
  execution: chain.codes([by, event])[0] ?? "nothing",
});

/** Ann has registered w0, and 900 of stake that is not bonded. */
const candidate = (): StakeChain => {
  const chain = new StakeChain();
  expect(chain.codes(["root", grant("ann", 900n)], ["ann", register("w0", "ann")])).toEqual([
    OK,
    OK,
  ]);
  return chain;
};

/** w0's key has signed this for an owner. */
const signedFor = (owner: string, by = hasher, key = keyOf("w0")): EncodedEvent => {
  const identity = identityOf("w0");
  const possession = testSign(possessionMessage(by, idOf(owner), identity), key);
  return validatorRegistered.encode({ ...identity, possession });
};

/** Two proposals of a view by v0, signed on some chain with some key. */
const evidence = (by = hasher, key = keyOf("v0"), hashes = [1, 2]): EncodedEvent => {
  const [first, second] = hashes.map((fill) => {
    const statement = notarize(0, 7, new Uint8Array(32).fill(fill));
    const signature = testSign(statementBytes(by, statement), key);
    return { statement, signer: 0, signature };
  });
  const found = first && second && evidenceOf(first, second);
  if (found === undefined) throw new Error("no conflict");
  return evidenceEvent(found, idOf("v0"));
};

const powers: Readonly<Record<string, Act>> = {
  "stake/validator/missing": () => done(candidate(), "ann", bond("w0", 901n)),
  "stake/validator/missing/possession": () => {
    const identity = identityOf("w0");
    const possession = new Uint8Array(LIMITS.falconSignatureBytes);
    const event = validatorRegistered.encode({ ...identity, possession });
    return done(new StakeChain(), "ann", event);
  },
  "stake/validator/stale": () => {
    const chain = new StakeChain();
    expect(chain.codes(["v0", unbond("v0", 1_000n)])).toEqual([OK]);
    chain.end();
    // It counts in no set that is decided since, and is not to be had before the last that counts it is over.
    expect(chain.powers(1)["v0"]).toBe(1_000n);
    expect(chain.powers(2)["v0"]).toBeUndefined();
    return done(chain, "v0", withdraw("v0"));
  },
  "stake/validator/stale/jail": () => {
    const chain = new StakeChain();
    expect(chain.codes(["root", jail("v0")])).toEqual([OK]);
    return done(chain, "v0", rejoin("v0"));
  },
  "stake/validator/stale/ended": () => {
    const chain = new StakeChain();
    expect(chain.codes(["v1", equivocation("v0", 0)])).toEqual([OK]);
    return done(chain, "v0", rejoin("v0"));
  },
  "stake/validator/stale/evidence": () => {
    const chain = new StakeChain();
    chain.end(2);
    chain.next([], false, PARAMETERS.evidenceMs);
    expect(chain.codes(["v1", equivocation("v0", 0)])).toEqual([OK]);
    expect(chain.standing("v0")).toMatchObject({ slashedBps: 0, tombstoned: true });
    return NOTHING;
  },
  "stake/validator/forged": () =>
    done(new StakeChain(), "ann", signedFor("ann", hasher, keyOf("w1"))),
  "stake/validator/forged/evidence": () => {
    expect(done(new StakeChain(), "v1", evidence())).toEqual({ execution: OK });
    return done(new StakeChain(), "v1", evidence(hasher, keyOf("v1")));
  },
  "stake/validator/replayed": () => done(new StakeChain(), "ann", signedFor("ann", otherHasher)),
  "stake/validator/replayed/evidence": () => done(new StakeChain(), "v1", evidence(otherHasher)),
  "stake/validator/borrowed": () => {
    expect(done(new StakeChain(), "ann", signedFor("ann"))).toEqual({ execution: OK });
    return done(new StakeChain(), "ann", signedFor("bob"));
  },
  "stake/validator/borrowed/bond": () => {
    const chain = candidate();
    chain.codes(["root", grant("bob", 5n)]);
    return done(chain, "bob", bond("w0", 5n));
  },
  "stake/validator/borrowed/stake": () => done(new StakeChain(), "ann", unbond("v0", 1n)),
  "stake/validator/borrowed/standing": () => done(new StakeChain(), "ann", leave("v0")),
  "stake/validator/precomputed": () => {
    const chain = candidate();
    expect(chain.codes(["ann", bond("w0", 900n)])).toEqual([OK]);
    chain.end();
    // The seed of epoch 1 and its leaders were known; power comes with the set after the next.
    expect(chain.powers(0)["w0"]).toBeUndefined();
    expect(chain.powers(1)["w0"]).toBeUndefined();
    expect(chain.powers(2)["w0"]).toBe(900n);
    return NOTHING;
  },
  "stake/validator/ground": () => {
    const totals = [["w0"], ["w0", "w1", "w2"]].map((names) => {
      const chain = new StakeChain();
      chain.codes(["root", grant("ann", 900n)]);
      for (const name of names) {
        const part = 900n / BigInt(names.length);
        expect(chain.codes(["ann", register(name, "ann")], ["ann", bond(name, part)])).toEqual([
          OK,
          OK,
        ]);
      }
      chain.end();
      return names.reduce((sum, name) => sum + (chain.powers(2)[name] ?? 0n), 0n);
    });
    expect(totals).toEqual([900n, 900n]);
    return NOTHING;
  },
  "stake/validator/ground/evidence": () => {
    const chain = new StakeChain();
    expect(chain.codes(["v1", evidence()])).toEqual([OK]);
    return done(chain, "v1", evidence(hasher, keyOf("v0"), [1, 3]));
  },
};

export const STAKE_ACTS: Readonly<Record<string, Act>> = { ...onEvents, ...powers };
