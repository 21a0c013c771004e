/**
 * Somebody with a key who fills mempools: large batches in one lane, handed to every node that is up, with the work
 * that is asked for and no more. It waits for no answer and tries nothing again.
 */
import { buildBatch, sealBatch, type UnsignedBatch } from "../src/ledger/batch.ts";
import type { NodeStatus } from "../src/ledger/handle.ts";
import type { Hash, ProofSlot } from "../src/ledger/types.ts";
import type { Submission } from "./checkers/types.ts";
import type { SimChain } from "./genesis.ts";
import type { SimNode } from "./node.ts";
import { recordEvent } from "./records.ts";
import type { KeyPair, SignatureScheme } from "./signer.ts";
import type { World } from "./world.ts";

export type FloodWiring = {
  readonly world: World;
  readonly chain: SimChain;
  readonly nodes: readonly SimNode[];
  readonly scheme: SignatureScheme;
  readonly key: KeyPair;
  readonly actor: Hash;
  readonly topic: string;
  readonly batches: number;
  readonly atMs: number;
  work(unsigned: UnsignedBatch, terms: NonNullable<NodeStatus["work"]>): ProofSlot;
  submitted(slot: number, submission: Submission): void;
  mark(what: string): void;
};

const EVENTS = 14;
const BODY_BYTES = 50_000;
const EVERY_MS = 50;

export const startFlood = (wiring: FloodWiring): void => {
  const { world, chain, nodes, scheme, key, actor, topic } = wiring;
  const body = new Uint8Array(BODY_BYTES).fill(7);
  let laneSeq = 0;
  let prevBatchId: Uint8Array = new Uint8Array(32);
  const next = (left: number): void => {
    const [first] = nodes.filter(({ handle }) => handle !== undefined);
    const status = first?.handle?.status();
    if (left > 0) world.after(EVERY_MS * 1000, () => next(status === undefined ? left : left - 1));
    if (first === undefined || status === undefined || left === 0) return;
    const { refHeight, refHash, work } = status;
    laneSeq += 1;
    const events = Array.from({ length: EVENTS }, (_, i) => recordEvent(topic, `f${i}`, body));
    const fields = { actor, laneSeq, prevBatchId, refHeight, refHash, events };
    const unsigned = buildBatch(chain.hasher, fields);
    prevBatchId = unsigned.id;
    const proofs = work === undefined ? [] : [wiring.work(unsigned, { ...work, times: 1 })];
    const signature = scheme.sign(key, unsigned.signingMessage);
    const { bytes } = sealBatch(chain.hasher, unsigned, signature, proofs);
    const batchIdHex = Buffer.from(unsigned.id).toString("hex");
    const actorHex = Buffer.from(actor).toString("hex");
    wiring.submitted(first.slot, {
      ...{ actorHex, laneSeq, batchIdHex },
      ...{ eventCount: EVENTS, bytes: bytes.length },
    });
    for (const { handle } of nodes) {
      handle?.submit(bytes, "accepted", (result) => {
        wiring.mark(result.ok ? "flood taken" : `flood refused: ${result.code}`);
      });
    }
  };
  world.after(wiring.atMs * 1000, () => next(wiring.batches));
};
