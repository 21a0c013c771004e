/** The folder of a node of a chain with a beacon, as the simulator made it, under the audit. */
import { beforeAll, describe, expect, it } from "vitest";
import { createNetwork, type SimNetwork } from "../../../sim/network.ts";
import { scenario } from "../../../sim/scenario.ts";
import { SYSTEM } from "../../../sim/system.ts";
import { startWorkload } from "../../../sim/workload.ts";
import { toHex } from "../../../src/crypto/bytes.ts";
import { heightKey, pointKey } from "../../../src/ledger/keys.ts";
import { auditRules } from "../../../src/node/audit/rules.ts";
import type { NodeVerifier } from "../../../src/node/signing/types.ts";
import { type AuditedChain, auditRows } from "./support.ts";

let network: SimNetwork;
let audited: Pick<AuditedChain, "rules" | "verifier">;
let rows: Map<string, Uint8Array>;
let height = 0;

beforeAll(() => {
  network = createNetwork(
    scenario("audited", { proofs: ["beacon"], epochMs: 6_000, healMs: 20_000 }),
    SYSTEM,
  );
  const { world, chain, scheme, nodes } = network;
  for (const node of nodes) node.start();
  startWorkload({
    ...{ world, chain, nodes, scheme },
    workload: { ...network.scenario.workload, untilMs: 15_000 },
    submitted: () => undefined,
    offered: () => undefined,
    declined: () => undefined,
    acknowledged: () => undefined,
  });
  world.runUntil(20_000_000);
  const verify = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean =>
    scheme.verify({ signature, message, publicKey });
  const verifier: NodeVerifier = {
    implementation: "noble",
    verify: (jobs, _priority, done) => {
      const valid = jobs.map((job) => scheme.verify(job));
      queueMicrotask(() => done(valid));
    },
    pending: () => 0,
    cpuMs: () => 0,
    close: async () => {},
  };
  const { genesis, hasher, hash } = chain;
  audited = { rules: auditRules({ genesis, hasher, hash }, verify), verifier };
  const data = nodes[0]?.data.dump() ?? [];
  rows = new Map(data.map(([key, value]) => [toHex(key), value]));
  while (rows.has(toHex(heightKey(height + 1)))) height += 1;
});

const findingsOf = async (changed: ReadonlyMap<string, Uint8Array>) => {
  const { findings } = await auditRows(audited as AuditedChain, changed);
  return findings.list.map(({ subject, code }) => `${subject} ${code}`);
};

describe("the audit of a chain with a beacon", () => {
  it("finds nothing in what a node has kept, over several epochs", async () => {
    expect(height).toBeGreaterThan(40);
    expect(await findingsOf(rows)).toEqual([]);
  });

  it("finds a beacon that is another one, and one that is missing", async () => {
    const changed = new Map(rows);
    const value = (rows.get(toHex(pointKey(30))) ?? new Uint8Array(88)).slice();
    value[31] = (value[31] ?? 0) ^ 1;
    changed.set(toHex(pointKey(30)), value);
    expect(await findingsOf(changed)).toEqual(["chain point state.mismatch"]);
    const less = new Map(rows);
    less.delete(toHex(pointKey(12)));
    expect(await findingsOf(less)).toEqual(["chain point state.mismatch"]);
  });
});
