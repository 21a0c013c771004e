/** What a program finds out about rights from rows, beside what the ledger decides about the event itself. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LedgerRow } from "../../src/client/index.ts";
import { mayWrite, readCapability } from "../../src/client/index.ts";
import { capabilityOf } from "../../src/client/rights.ts";
import { toHex, ZERO_HASH } from "../../src/crypto/bytes.ts";
import type { Genesis } from "../../src/ledger/genesis.ts";
import { NO_PROOFS, NO_PROVER } from "../../src/ledger/genesis-proofs.ts";
import { CAPABILITY_KEYS, capabilityId } from "../../src/ledger/projections/capabilities.ts";
import {
  actorRevoked,
  capabilityGranted,
  capabilityRevoked,
  recordPut,
} from "../../src/ledger/projections/events.ts";
import { readRow } from "../../src/ledger/row.ts";
import type { EncodedEvent, Hash } from "../../src/ledger/types.ts";
import { capabilityKeys } from "../../src/node/capability-keys.ts";
import { FORMATS } from "../../src/node/formats.ts";
import { projectionsOf } from "../../src/node/product.ts";
import { STAKE_PROFILES } from "../../src/proofs/stake/parameters.ts";
import {
  codesOf,
  genesis,
  hasher,
  idOf,
  runnerOptions,
  TestChain,
} from "../ledger/execution-support.ts";

const STAKED: Genesis = {
  ...genesis,
  format: 2,
  proofs: { ...NO_PROOFS, stake: STAKE_PROFILES.dev },
  provers: genesis.validators.map(() => NO_PROVER),
};
const FAR = genesis.timeMs + 1_000_000_000;
const chainOf = () => new TestChain(runnerOptions(projectionsOf(STAKED), STAKED.proofs), STAKED);

/** A client that reads the rows of the chain itself, as the API shows them. */
const clientOf = (chain: TestChain) => ({
  async row(projection: string, key: string): Promise<LedgerRow> {
    const bytes = FORMATS.keyBytes(projection, key);
    if (!bytes.ok) throw new Error(bytes.detail);
    const row = readRow(chain.store.read, projection, bytes.value);
    const value = row && FORMATS.row(projection, bytes.value, row.value);
    const height = chain.height;
    return { projection, key, value: value as LedgerRow["value"], height, verified: true };
  },
});

const write = (chain: TestChain, by: string, event: EncodedEvent) => {
  const input = chain.input([{ by, events: [event] }]);
  const [batch] = input.batches;
  if (batch === undefined) throw new Error("no batch");
  return { code: codesOf(chain.run(input))[0], id: capabilityId(hasher, batch.id, 0) };
};

const nowOf = (chain: TestChain): number => genesis.timeMs + (chain.height + 1) * 250;

const NAMES = ["root", "clerk", "warden", "reader"] as const;
const TOPICS = ["a", "b"] as const;
const name = fc.constantFrom(...NAMES);
const stepArb = fc.oneof(
  fc.record({
    kind: fc.constant("grant" as const),
    by: name,
    to: name,
    parent: fc.option(fc.nat(5)),
    topic: fc.constantFrom(...TOPICS, ""),
    /** Some end while the test runs. */
    soon: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("take" as const), by: name, which: fc.nat(5) }),
  fc.record({ kind: fc.constant("gone" as const), who: fc.constantFrom("clerk", "warden") }),
);

describe("rights read from rows", () => {
  it("are those that the ledger goes by when the event comes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArb, { minLength: 1, maxLength: 14 }), async (steps) => {
        const chain = chainOf();
        const ids: Hash[] = [];
        for (const step of steps) {
          if (step.kind === "grant") {
            const notAfterMs = step.soon ? nowOf(chain) + 1000 : FAR;
            const parent = ids[step.parent ?? -1] ?? ZERO_HASH;
            const resource = step.topic === "" ? "" : `record/${step.topic}/`;
            const event = capabilityGranted.encode({
              ...{ holder: idOf(step.to), parent, delegable: true, notAfterMs, resource },
              actions: ["record.put"],
            });
            const given = write(chain, step.by, event);
            if (given.code === "accepted") ids.push(given.id);
          } else if (step.kind === "take") {
            const capability = ids[step.which];
            if (capability !== undefined)
              write(chain, step.by, capabilityRevoked.encode({ capability }));
          } else write(chain, "root", actorRevoked.encode({ actor: idOf(step.who) }));
        }
        const client = clientOf(chain);
        for (const who of NAMES) {
          for (const topic of TOPICS) {
            const right = { actor: toHex(idOf(who)), action: "record.put" };
            const resource = `record/${topic}/k`;
            const may = await mayWrite(client, { ...right, resource }, { timeMs: nowOf(chain) });
            const event = recordPut.encode({ topic, key: "k", body: Uint8Array.of(1) });
            expect(may.allowed, `${who} ${topic}: ${may.by}`).toBe(
              write(chain, who, event).code === "accepted",
            );
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("say why a capability gives nothing, and that there is none", async () => {
    const chain = chainOf();
    const client = clientOf(chain);
    const event = capabilityGranted.encode({
      ...{ holder: idOf("clerk"), parent: ZERO_HASH, delegable: true, notAfterMs: FAR },
      ...{ actions: ["record.put"], resource: "" },
    });
    const id = toHex(write(chain, "warden", event).id);
    const stateAt = async (timeMs: number) => (await readCapability(client, id, { timeMs }))?.state;
    expect(await stateAt(FAR)).toBe("live");
    expect(await stateAt(FAR + 1)).toBe("ended");
    write(chain, "root", actorRevoked.encode({ actor: idOf("warden") }));
    expect(await stateAt(FAR)).toBe("giver-revoked");
    write(chain, "root", actorRevoked.encode({ actor: idOf("clerk") }));
    expect(await stateAt(FAR)).toBe("holder-revoked");
    expect(await readCapability(client, "00".repeat(32), { timeMs: 0 })).toBeUndefined();
    const nobody = { actor: "11".repeat(32), action: "record.put", resource: "" };
    expect(await mayWrite(client, nobody)).toMatchObject({ allowed: false, by: "unknown actor" });
  });
});

describe("names of rows of capabilities", () => {
  it("are read back as the key that they are of", () => {
    const id = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const { one, held, actor } = CAPABILITY_KEYS;
    fc.assert(
      fc.property(fc.oneof(id.map(one), id.map(held), id.map(actor)), (key) => {
        expect(capabilityKeys.parse(capabilityKeys.text(key))).toEqual({ ok: true, value: key });
      }),
    );
  });

  it("are refused where they are none", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom("held/", `x/${"a".repeat(64)}`)),
        (text) => {
          const parsed = capabilityKeys.parse(text);
          if (!parsed.ok) expect(parsed.code).toBe("http.bad-parameter");
        },
      ),
    );
    expect(capabilityKeys.parse(`x/${"a".repeat(64)}`).ok).toBe(false);
    expect(capabilityKeys.group("held")).toEqual(Uint8Array.of(1));
    expect(capabilityKeys.group("")).toBeUndefined();
  });
});

describe("a row of capabilities", () => {
  const id = "a".repeat(64);
  const right = {
    ...{ capability: id, granter: id, holder: id, parent: null, depth: 1, delegable: false },
    ...{ actions: ["record.put"], resource: "", notAfterMs: 1, grantedHeight: 1 },
    revokedHeight: null,
  };

  it("is a capability where every field is what it must be, and none where one is not", () => {
    expect(capabilityOf(right)).toEqual(right);
    expect(capabilityOf({ ...right, more: 1 })).toEqual(right);
    for (const name of Object.keys(right)) {
      expect(capabilityOf({ ...right, [name]: { of: "another kind" } }), name).toBeUndefined();
      const { [name as keyof typeof right]: _, ...less } = right;
      expect(capabilityOf(less), name).toBeUndefined();
    }
    // Other rows of the projection, and what is no row.
    const others = [
      { holder: id, capabilities: [id] },
      { actor: id, revoked: false },
      [],
      null,
      "x",
    ];
    for (const other of others) expect(capabilityOf(other as never)).toBeUndefined();
  });
});
