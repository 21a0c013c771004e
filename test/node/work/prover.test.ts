/** The node's own work: found in a thread while the event loop goes on, and given up when it is told to. */
import { describe, expect, it } from "vitest";
import { buildBatch } from "../../../src/ledger/batch.ts";
import { slotOf, WORK_SLOT } from "../../../src/ledger/batch-proofs.ts";
import type { NodeStatus } from "../../../src/ledger/handle.ts";
import { realTimers } from "../../../src/node/real-ports.ts";
import { createNodeProver, proofsFor } from "../../../src/node/work/prover.ts";
import { verifyWork, WORK_PROFILES } from "../../../src/proofs/work/index.ts";
import { batchOf, hashOf, putOf } from "../../golden/fixtures.ts";
import { EQUIHASH, hasher, subject } from "../../proofs/work/support.ts";

const quiet = { log: () => undefined };
const proverOf = () => createNodeProver({ logger: quiet, timers: realTimers });

describe("the prover of a node", () => {
  it("finds what is asked for, and leaves the event loop to others meanwhile", async () => {
    const prover = proverOf();
    const task = { puzzle: EQUIHASH, subject, required: 3 };
    let turns = 0;
    let isFound = false;
    const timer = setInterval(() => {
      if (!isFound) turns += 1;
    }, 1);
    const proof = await new Promise<Uint8Array>((resolve) => {
      prover.prove(hasher.chainId, task, resolve);
      expect(turns).toBe(0);
    });
    isFound = true;
    clearInterval(timer);
    expect(turns).toBeGreaterThan(1);
    expect(verifyWork(hasher, EQUIHASH, subject, proof, 3).ok).toBe(true);
    prover.close();
  });

  it("calls nobody who has given up, or after it was closed", async () => {
    const prover = proverOf();
    let calls = 0;
    const called = (): void => {
      calls += 1;
    };
    const task = { puzzle: EQUIHASH, subject, required: 1 };
    const giveUp = prover.prove(hasher.chainId, task, called);
    giveUp();
    prover.prove(hasher.chainId, task, called);
    prover.close();
    const later = proverOf();
    await new Promise<Uint8Array>((resolve) => later.prove(hasher.chainId, task, resolve));
    expect(calls).toBe(0);
    later.close();
  });
});

describe("the proofs of a key on this node", () => {
  const input = batchOf({ actor: hashOf(4), events: [putOf(1)] });
  const unsigned = buildBatch(hasher, input);
  const parameters = WORK_PROFILES.dev;
  const statusWith = (work: NodeStatus["work"]) => ({
    status: () => ({ work }) as unknown as NodeStatus,
  });

  it("are work for the terms that the node names", async () => {
    const workProver = proverOf();
    const terms = { beacon: hashOf(0xbe), price: parameters.price.priceStart };
    const handle = statusWith({ ...terms, parameters, times: 1 });
    const proofs = await proofsFor({ hasher, work: parameters, handle, workProver })(unsigned);
    const what = { beacon: terms.beacon, actor: unsigned.actor, batchId: unsigned.id };
    const bytes = slotOf(proofs, WORK_SLOT)?.bytes ?? new Uint8Array(0);
    expect(verifyWork(hasher, parameters.puzzle, what, bytes, 1).ok).toBe(true);
    workProver.close();
  });

  it("are none where the chain asks for none", async () => {
    const workProver = proverOf();
    const options = { hasher, work: null, handle: statusWith(undefined), workProver };
    expect(await proofsFor(options)(unsigned)).toEqual([]);
    workProver.close();
  });
});
