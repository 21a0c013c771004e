import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostRetired } from "../../src/assets/index.ts";
import { toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import type { Genesis } from "../../src/ledger/genesis.ts";
import { NO_PROOFS, NO_PROVER } from "../../src/ledger/genesis-proofs.ts";
import {
  capabilities,
  capabilityId,
  resourceCovers,
} from "../../src/ledger/projections/capabilities.ts";
import {
  actorRegistered,
  actorRevoked,
  capabilityGranted,
  capabilityRevoked,
  recordPut,
} from "../../src/ledger/projections/events.ts";
import { validatorJailed } from "../../src/ledger/projections/stake/events.ts";
import { hashPart, keyOf as rowKeyOf, tagPart } from "../../src/ledger/row.ts";
import type { EncodedEvent, Hash } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { projectionsOf } from "../../src/node/product.ts";
import { STAKE_PROFILES } from "../../src/proofs/stake/parameters.ts";
import {
  codesOf,
  genesis,
  hasher,
  idOf,
  keyOf,
  runnerOptions,
  TestChain,
} from "./execution-support.ts";

const STAKED: Genesis = {
  ...genesis,
  format: 2,
  proofs: { ...NO_PROOFS, stake: STAKE_PROFILES.dev },
  provers: genesis.validators.map(() => NO_PROVER),
};

const FAR = genesis.timeMs + 1_000_000_000;

const chainOf = () => new TestChain(runnerOptions(projectionsOf(STAKED), STAKED.proofs), STAKED);

type Grant = Parameters<typeof capabilityGranted.encode>[0];

const grant = (holder: string, more: Partial<Grant> = {}): EncodedEvent =>
  capabilityGranted.encode({
    holder: idOf(holder),
    parent: ZERO_HASH,
    delegable: true,
    notAfterMs: FAR,
    actions: ["record.put"],
    resource: "record/",
    ...more,
  });

const takeBack = (capability: Hash): EncodedEvent => capabilityRevoked.encode({ capability });

const put = (topic = "free", key = "k"): EncodedEvent =>
  recordPut.encode({ topic, key, body: Uint8Array.of(1) });

const revokeActor = (name: string): EncodedEvent => actorRevoked.encode({ actor: idOf(name) });

/** What came of one event that an actor writes in a block of its own, and the id it would have given. */
const write = (chain: TestChain, by: string, event: EncodedEvent) => {
  const input = chain.input([{ by, events: [event] }]);
  const [batch] = input.batches;
  if (batch === undefined) throw new Error("no batch");
  return { code: codesOf(chain.run(input))[0], id: capabilityId(hasher, batch.id, 0) };
};

const register = (name: string, permissions: readonly string[] = []): EncodedEvent =>
  actorRegistered.encode({ publicKey: keyOf(name), name, permissions: [...permissions] });

describe("capabilities", () => {
  it("let somebody write what his permissions do not, within the resource, until it ends", () => {
    const chain = chainOf();
    expect(write(chain, "reader", put()).code).toBe("event.forbidden");
    const topic = { resource: "record/free/" };
    expect(write(chain, "clerk", grant("reader", topic)).code).toBe("accepted");
    expect(write(chain, "reader", put("free")).code).toBe("accepted");
    expect(write(chain, "reader", put("freely")).code).toBe("event.forbidden");
    expect(write(chain, "reader", register("x")).code).toBe("event.forbidden");
    const end = genesis.timeMs + (chain.height + 3) * 250;
    expect(write(chain, "clerk", grant("warden", { notAfterMs: end })).code).toBe("accepted");
    const short = write(chain, "clerk", grant("reader", { resource: "", notAfterMs: end }));
    expect(short.code).toBe("accepted");
    // The last millisecond counts, the one after it does not.
    expect(write(chain, "reader", put("other")).code).toBe("accepted");
    expect(write(chain, "reader", put("other")).code).toBe("event.forbidden");
    expect(write(chain, "reader", put("free")).code).toBe("accepted");
  });

  it("are refused where the giver does not hold them", () => {
    const chain = chainOf();
    const refused = (by: string, event: EncodedEvent) => write(chain, by, event).code;
    expect(refused("reader", grant("clerk"))).toBe("event.forbidden");
    expect(refused("clerk", grant("reader", { actions: ["actor.registered"] }))).toBe(
      "event.forbidden",
    );
    expect(refused("clerk", grant("nobody"))).toBe("event.conflict");
    expect(refused("clerk", grant("reader", { actions: [] }))).toBe("event.invalid");
    expect(refused("clerk", grant("reader", { actions: ["record.put", "asset.host.*"] }))).toBe(
      "event.invalid",
    );
    expect(refused("clerk", grant("reader", { notAfterMs: genesis.timeMs }))).toBe("event.invalid");
    expect(refused("nobody", grant("reader"))).toBe("event.unknown-actor");
    expect(refused("reader", grant("clerk", { parent: new Uint8Array(32).fill(9) }))).toBe(
      "event.forbidden",
    );
  });

  it("become narrower on their way, never wider, and end where they may not be passed on", () => {
    const chain = chainOf();
    const root = write(
      chain,
      "root",
      grant("reader", { actions: ["record.*"], notAfterMs: 2 * FAR }),
    );
    const pass = (more: Partial<Grant>, by = "reader") =>
      write(chain, by, grant("warden", { parent: root.id, ...more }));
    expect(pass({}, "clerk").code).toBe("event.forbidden");
    expect(pass({ actions: ["*"] }).code).toBe("event.forbidden");
    expect(pass({ resource: "" }).code).toBe("event.forbidden");
    expect(pass({ resource: "asset/" }).code).toBe("event.forbidden");
    expect(pass({ notAfterMs: 2 * FAR + 1 }).code).toBe("event.forbidden");
    const last = pass({ resource: "record/a/", delegable: false });
    expect(last.code).toBe("accepted");
    expect(
      write(chain, "warden", grant("reader", { parent: last.id, resource: "record/a/" })).code,
    ).toBe("event.forbidden");
  });

  it("are passed on so many times and no more", () => {
    const chain = chainOf();
    let parent = write(chain, "root", grant("reader")).id;
    const names = ["reader", "clerk"];
    for (let depth = 2; depth <= LIMITS.capabilityDepthMax; depth++) {
      const given = write(
        chain,
        names[depth % 2] ?? "",
        grant(names[(depth + 1) % 2] ?? "", { parent }),
      );
      expect(given.code).toBe("accepted");
      parent = given.id;
    }
    const depth = LIMITS.capabilityDepthMax + 1;
    expect(write(chain, names[depth % 2] ?? "", grant("warden", { parent })).code).toBe(
      "event.forbidden",
    );
  });

  it("fall with what they come from, and with whoever gave or holds them", () => {
    const chain = chainOf();
    const root = write(chain, "root", grant("clerk"));
    write(chain, "root", register("middle"));
    const middle = write(chain, "clerk", grant("middle", { parent: root.id }));
    const leaf = write(chain, "middle", grant("reader", { parent: middle.id }));
    expect(leaf.code).toBe("accepted");
    expect(write(chain, "reader", put()).code).toBe("accepted");
    // Who stands below cannot take back what stands above, and strangers nothing.
    expect(write(chain, "middle", takeBack(middle.id)).code).toBe("event.forbidden");
    expect(write(chain, "warden", takeBack(leaf.id)).code).toBe("event.forbidden");
    expect(write(chain, "root", takeBack(new Uint8Array(32).fill(1))).code).toBe("event.conflict");
    write(chain, "root", revokeActor("middle"));
    expect(write(chain, "reader", put()).code).toBe("event.forbidden");
    expect(write(chain, "middle", put()).code).toBe("event.forbidden");
    expect(write(chain, "root", takeBack(leaf.id)).code).toBe("accepted");
    expect(write(chain, "root", takeBack(leaf.id)).code).toBe("event.conflict");
    const again = write(chain, "clerk", grant("reader", { parent: root.id }));
    expect(write(chain, "reader", put()).code).toBe("accepted");
    expect(write(chain, "root", takeBack(root.id)).code).toBe("accepted");
    expect(write(chain, "reader", put()).code).toBe("event.forbidden");
    expect(again.code).toBe("accepted");
  });

  it("cannot be used by a revoked holder", () => {
    const chain = chainOf();
    write(chain, "root", grant("reader"));
    write(chain, "root", revokeActor("reader"));
    expect(write(chain, "reader", put()).code).toBe("event.forbidden");
    expect(write(chain, "reader", grant("clerk")).code).toBe("event.forbidden");
  });

  it("are held at most so many at a time; what has ended makes room", () => {
    const chain = chainOf();
    const notAfterMs = genesis.timeMs + 250 * 4;
    const many = (count: number, more: Partial<Grant> = {}): EncodedEvent[] =>
      Array.from({ length: count }, () => grant("reader", more));
    const first = chain.block({
      by: "clerk",
      events: many(LIMITS.capabilitiesHeldMax, { notAfterMs }),
    });
    expect(new Set(codesOf(first))).toEqual(new Set(["accepted"]));
    expect(write(chain, "clerk", grant("reader")).code).toBe("event.conflict");
    chain.block();
    chain.block();
    expect(write(chain, "clerk", grant("reader")).code).toBe("accepted");
  });

  it("take names of actions up to the limit and refuse more", () => {
    const actions = (count: number) =>
      Array.from({ length: count }, (_, i) => `record.x${String(i).padStart(2, "0")}`);
    const chain = chainOf();
    const at = grant("reader", { actions: actions(LIMITS.capabilityActionsMax) });
    expect(write(chain, "root", at).code).toBe("accepted");
    expect(() => grant("reader", { actions: actions(LIMITS.capabilityActionsMax + 1) })).toThrow();
    expect(() => grant("reader", { resource: "x".repeat(LIMITS.resourceBytesMax) })).not.toThrow();
    expect(() => grant("reader", { resource: "x".repeat(LIMITS.resourceBytesMax + 1) })).toThrow();
  });

  it("reach as far as the resource of what is written: machines, validators", () => {
    const chain = chainOf();
    const asset = (assetId: Hash): EncodedEvent => hostRetired.encode({ assetId });
    const [mine, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    const one = { actions: ["asset.host.retired"], resource: `asset/${toHex(mine)}` };
    expect(write(chain, "root", grant("reader", one)).code).toBe("accepted");
    // Allowed to say so, of a machine that is not there; of the other one not even that.
    expect(write(chain, "reader", asset(mine)).code).toBe("event.conflict");
    expect(write(chain, "reader", asset(other)).code).toBe("event.forbidden");
    const jail = (validator: string): EncodedEvent =>
      validatorJailed.encode({ validator: idOf(validator), reason: "why" });
    const who = { actions: ["validator.jailed"], resource: `validator/${toHex(idOf("v0"))}` };
    expect(write(chain, "root", grant("reader", who)).code).toBe("accepted");
    expect(write(chain, "reader", jail("v1")).code).toBe("event.forbidden");
    expect(write(chain, "reader", jail("v0")).code).toBe("accepted");
  });

  it("are not there on a chain without the projection", () => {
    const chain = new TestChain();
    expect(write(chain, "root", grant("reader")).code).toBe("event.unknown-type");
  });

  it("are shown to people", () => {
    const chain = chainOf();
    const { id } = write(chain, "root", grant("reader", { resource: "record/a/" }));
    const key = rowKeyOf(tagPart(0), hashPart(id));
    const stored = [...chain.store.rows].find(([at]) => at.endsWith(toHex(key)))?.[1];
    expect(capabilities.format?.(key, (stored ?? new Uint8Array()).subarray(8))).toMatchObject({
      capability: toHex(id),
      holder: toHex(idOf("reader")),
      parent: null,
      depth: 1,
      resource: "record/a/",
      revokedHeight: null,
    });
  });
});

const resourceArb = fc
  .tuple(fc.array(fc.constantFrom("a", "b"), { maxLength: 3 }), fc.boolean())
  .map(([parts, isExact]) => parts.map((part) => `${part}/`).join("") + (isExact ? "x" : ""));

describe("resources", () => {
  it("cover what lies within them: an order, like sets", () => {
    fc.assert(
      fc.property(resourceArb, resourceArb, resourceArb, (a, b, c) => {
        expect(resourceCovers(a, a)).toBe(true);
        if (resourceCovers(a, b) && resourceCovers(b, a)) expect(a).toBe(b);
        if (resourceCovers(a, b) && resourceCovers(b, c)) expect(resourceCovers(a, c)).toBe(true);
      }),
    );
  });
});

/** The oracle: who may write where, by walking what was given, with none of the projection's code. */
type Given = {
  readonly by: string;
  readonly to: string;
  readonly parent: Given | undefined;
  readonly topic: string;
  revoked: boolean;
  readonly id: Hash;
};

const standsFor = (one: Given, gone: ReadonlySet<string>): boolean =>
  !one.revoked && !gone.has(one.by) && (one.parent === undefined || standsFor(one.parent, gone));

const NAMES = ["u0", "u1", "u2"] as const;
const TOPICS = ["a", "b"] as const;

const stepArb = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("grant" as const),
      by: fc.nat(3),
      to: fc.nat(2),
      parent: fc.nat(8),
      topic: fc.nat(1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("take" as const), by: fc.nat(3), which: fc.nat(8) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("write" as const), by: fc.nat(2), topic: fc.nat(1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("revoke" as const), who: fc.nat(2) }) },
);

describe("capabilities against an oracle", () => {
  it("allow exactly what a walk over the grants allows", () => {
    fc.assert(
      fc.property(fc.array(stepArb, { minLength: 1, maxLength: 25 }), (steps) => {
        const chain = chainOf();
        chain.block({ by: "root", events: NAMES.map((name) => register(name)) });
        const given: Given[] = [];
        const gone = new Set<string>();
        const live = (one: Given) => standsFor(one, gone) && !gone.has(one.to);
        for (const step of steps) {
          if (step.kind === "grant") {
            const by = step.by === 3 ? "root" : (NAMES[step.by] ?? "u0");
            const to = NAMES[step.to] ?? "u0";
            const topic = TOPICS[step.topic] ?? "a";
            const parent = by === "root" ? undefined : given[step.parent];
            const event = grant(to, {
              parent: parent?.id ?? ZERO_HASH,
              resource: `record/${topic}/`,
            });
            const { code, id } = write(chain, by, event);
            const may =
              !gone.has(by) &&
              !gone.has(to) &&
              (by === "root" ||
                (parent !== undefined &&
                  parent.to === by &&
                  parent.topic === topic &&
                  live(parent)));
            let depth = 1;
            for (let at = parent; at !== undefined; at = at.parent) depth += 1;
            const allowed = may && depth <= LIMITS.capabilityDepthMax;
            expect(code === "accepted").toBe(allowed);
            if (allowed) given.push({ by, to, parent, topic, revoked: false, id });
          } else if (step.kind === "take") {
            const one = given[step.which];
            if (one === undefined) continue;
            const by = step.by === 3 ? "root" : (NAMES[step.by] ?? "u0");
            let may = false;
            for (let at: Given | undefined = one; at !== undefined; at = at.parent)
              may ||= at.by === by;
            const allowed = may && !one.revoked && !gone.has(by);
            expect(write(chain, by, takeBack(one.id)).code === "accepted").toBe(allowed);
            if (allowed) one.revoked = true;
          } else if (step.kind === "write") {
            const by = NAMES[step.by] ?? "u0";
            const topic = TOPICS[step.topic] ?? "a";
            const may = given.some((one) => one.to === by && one.topic === topic && live(one));
            expect(write(chain, by, put(topic)).code === "accepted").toBe(may && !gone.has(by));
          } else {
            const who = NAMES[step.who] ?? "u0";
            const { code } = write(chain, "root", revokeActor(who));
            expect(code === "accepted").toBe(!gone.has(who));
            gone.add(who);
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});
