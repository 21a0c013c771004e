/**
 * Authors with a lane each, and batches signed before they are needed. Batches of one lane name each
 * other by id, and ids do not depend on signatures: so a lane's batches are signed in parallel.
 */

import type { StatusJson } from "../../src/client/api.ts";
import { workTask } from "../../src/client/work.ts";
import { fromHex, toHex } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import type { FalconKeyPair } from "../../src/crypto/falcon.ts";
import { loadFalconWasm } from "../../src/crypto/falcon-wasm.ts";
import { createHasher, type Hasher } from "../../src/crypto/hash.ts";
import { actorId, buildBatch, sealBatch, type UnsignedBatch } from "../../src/ledger/batch.ts";
import { workSlot } from "../../src/ledger/batch-work.ts";
import { actorRegistered, recordPut } from "../../src/ledger/projections/events.ts";
import type { EncodedEvent } from "../../src/ledger/types.ts";
import { sleep } from "../../src/node/real-ports.ts";
import type { BenchNetwork, BenchNode } from "./network.ts";
import type { SigningPool } from "./signing.ts";

export const EVENT_BYTES = 200;

export type SignedBatch = {
  readonly bytes: Uint8Array;
  readonly events: number;
  readonly lane: Lane;
};

export type Lane = {
  readonly name: string;
  readonly keys: FalconKeyPair;
  readonly actor: Uint8Array;
  /** Where its batches are submitted. */
  readonly node: number;
  seq: number;
  head: Uint8Array;
  written: number;
};

type Reference = Pick<StatusJson, "refHeight" | "refHash" | "work">;

const newLane = (hasher: Hasher, name: string, keys: FalconKeyPair, node: number): Lane => ({
  name,
  keys,
  actor: actorId(hasher, keys.publicKey),
  node,
  seq: 0,
  head: new Uint8Array(32),
  written: 0,
});

/** A `record.put` of exactly EVENT_BYTES encoded, under a key that nobody used before. */
const recordEvent = (lane: Lane): EncodedEvent => {
  const key = `${lane.name}-${String(lane.written).padStart(9, "0")}`;
  lane.written += 1;
  const shape = { topic: "bench", key, body: new Uint8Array(0) };
  const empty = recordPut.encode(shape).bytes.length;
  const body = utf8(`${key} `.padEnd(EVENT_BYTES - empty, "x"));
  return recordPut.encode({ ...shape, body });
};

export class Lanes {
  readonly hasher: Hasher;
  readonly pool: SigningPool;
  readonly all: readonly Lane[];

  private constructor(hasher: Hasher, pool: SigningPool, all: readonly Lane[]) {
    this.hasher = hasher;
    this.pool = pool;
    this.all = all;
  }

  /** One author a node, the operator among them; the others are registered in the log first. */
  static async open(network: BenchNetwork, pool: SigningPool): Promise<Lanes> {
    const hasher = createHasher(network.record.chainId);
    const wasm = await loadFalconWasm();
    const operator = newLane(hasher, "op", network.operator, 0);
    const others = network.nodes
      .slice(1)
      .map(({ name }, i) => newLane(hasher, name, wasm.keygen(), i + 1));
    const lanes = new Lanes(hasher, pool, [operator, ...others]);
    const events = others.map(({ name, keys }) => {
      const publicKey = keys.publicKey;
      return actorRegistered.encode({ publicKey, name: `bench ${name}`, permissions: ["*"] });
    });
    const reference = await network.status();
    const [batch] = await lanes.#seal([lanes.#next(operator, events, reference)], reference);
    const [first] = network.nodes;
    if (batch === undefined || first === undefined) throw new Error("no node runs");
    await first.api.submit(batch.bytes, "projected");
    await Promise.all(others.map((lane) => lanes.#known(network.nodes, lane)));
    return lanes;
  }

  /** Waits until every node has executed the registration. */
  async #known(nodes: readonly BenchNode[], lane: Lane): Promise<void> {
    const key = toHex(lane.actor);
    for (const { api } of nodes) {
      for (;;) {
        const found = await api.get(`/v1/projections/actors/${key}`).catch(() => undefined);
        if (found !== undefined) break;
        await sleep(50);
      }
    }
  }

  /** `count` signed batches of `events` events, spread evenly over the lanes. `onDone`: how many there are. */
  async prepare(
    network: BenchNetwork,
    count: number,
    events: number,
    onDone?: (count: number) => void,
  ): Promise<SignedBatch[]> {
    const reference = await network.status();
    const unsigned = Array.from({ length: count }, (_, i) => {
      const lane = this.all[i % this.all.length];
      if (lane === undefined) throw new Error("no lanes");
      return this.#next(
        lane,
        Array.from({ length: events }, () => recordEvent(lane)),
        reference,
      );
    });
    return this.#seal(unsigned, reference, onDone);
  }

  #next(
    lane: Lane,
    events: readonly EncodedEvent[],
    reference: Reference,
  ): { readonly lane: Lane; readonly batch: UnsignedBatch } {
    const batch = buildBatch(this.hasher, {
      actor: lane.actor,
      laneSeq: lane.seq + 1,
      prevBatchId: lane.head,
      refHeight: reference.refHeight,
      refHash: fromHex(reference.refHash),
      events,
    });
    lane.seq += 1;
    lane.head = batch.id;
    return { lane, batch };
  }

  async #seal(
    unsigned: readonly { readonly lane: Lane; readonly batch: UnsignedBatch }[],
    { work }: Reference,
    onDone?: (count: number) => void,
  ): Promise<SignedBatch[]> {
    const jobs = unsigned.map(({ lane, batch }) => ({
      message: batch.signingMessage,
      secretKey: lane.keys.secretKey,
      work: workTask(this.hasher.chainId, undefined, work, batch),
    }));
    const signatures = await this.pool.sign(jobs, onDone);
    return unsigned.map(({ lane, batch }, i) => {
      const signed = signatures[i];
      if (signed === undefined) throw new Error("a signature is missing");
      const proofs = signed.proof === undefined ? [] : [workSlot(signed.proof)];
      const { bytes, events } = sealBatch(this.hasher, batch, signed.signature, proofs);
      return { bytes, events: events.length, lane };
    });
  }
}
