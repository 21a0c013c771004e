/**
 * Clients. Each owns one lane and submits one batch after the other at nodes of its choice; what gets no
 * answer in time is submitted again, the same bytes, somewhere else. A client remembers what it was told
 * is committed: that is what must never be lost.
 */
import { toHex } from "../src/crypto/bytes.ts";
import { type Failure, TetradError } from "../src/errors.ts";
import { buildBatch, sealBatch, type UnsignedBatch } from "../src/ledger/batch.ts";
import { effortOf, workedBatch, workSlot, workSubject } from "../src/ledger/batch-work.ts";
import type { LedgerHandle, NodeStatus } from "../src/ledger/handle.ts";
import type { EncodedEvent, Hash, ProofSlot } from "../src/ledger/types.ts";
import { createWorkSearch, encodeWorkProof, NONCE_PREFIX_BYTES } from "../src/proofs/work/index.ts";
import { type CertificateWriter, createCertificateWriter } from "./certificates.ts";
import type { Submission } from "./checkers/types.ts";
import { type Contest, createContest } from "./contest.ts";
import { startFlood } from "./flood.ts";
import type { SimChain } from "./genesis.ts";
import type { SimNode } from "./node.ts";
import type { Prng } from "./prng.ts";
import { laneTopic, RECORD_KEYS, recordEvent, recordName, type WorkloadEvents } from "./records.ts";
import { createRights, type Rights } from "./rights.ts";
import type { Workload } from "./scenario.ts";
import type { KeyPair, SignatureScheme } from "./signer.ts";
import type { World } from "./world.ts";

export type { EncodedEvent } from "../src/ledger/types.ts";

export type WorkloadWiring = {
  readonly world: World;
  readonly chain: SimChain;
  readonly nodes: readonly SimNode[];
  readonly scheme: SignatureScheme;
  readonly workload: Workload;
  /** Instead of records; for a batch for which it gives none, records. */
  readonly events?: WorkloadEvents;
  /** Told why a node has not taken a batch of these events. */
  refused?(refusal: Failure, events: readonly EncodedEvent[]): void;
  submitted(slot: number, submission: Submission): void;
  mark?(what: string): void;
  offered?(slot: number, submission: Submission): void;
  declined?(slot: number, submission: Submission, code: string): void;
  acknowledged(slot: number, submission: Submission, height: number | undefined): void;
  /** The client no longer waits for this batch. */
  gaveUp?(submission: Submission): void;
};

type Target = { readonly node: SimNode; readonly handle: LedgerHandle };
type Flight = {
  readonly submission: Submission;
  readonly events: readonly EncodedEvent[];
  readonly bytes: Uint8Array;
};

/** A client asks again after this long without an answer. */
const PATIENCE_MS = 3_000;
const RETRY_MS = 400;

/** Failures after which the same bytes can never be committed: the client looks at its lane anew. */
const FINAL_CODES = new Set([
  "batch.expired",
  "batch.lane-fork",
  "batch.lane-replay",
  "batch.ref-mismatch",
]);

/** What makes a client write more than its records, or others. */
type Writes = {
  readonly contest: Contest | undefined;
  readonly rights: Rights | undefined;
  /** Of a guest: which one. It writes one batch after the other, and only while it may. */
  readonly guest?: number;
};

class Client {
  readonly #wiring: WorkloadWiring;
  readonly #number: number;
  readonly #key: KeyPair;
  readonly #actor: Hash;
  readonly #random: Prng;
  /** The first client writes events of certificates too, one in every third batch. */
  readonly #certificates: CertificateWriter | undefined;
  readonly #writes: Writes;
  #laneSeq = 0;
  #laneId: Uint8Array = new Uint8Array(32);
  #flight: Flight | undefined;
  /** Batches that follow it in the lane and were sent with it. */
  #followers: Flight[] = [];
  /** Grows with every attempt, so that late answers and timers of older ones are ignored. */
  #attempt = 0;
  #counter = 0;
  acknowledged = 0;

  constructor(wiring: WorkloadWiring, number: number, key: KeyPair, actor: Hash, writes: Writes) {
    this.#wiring = wiring;
    this.#number = number;
    this.#key = key;
    this.#actor = actor;
    this.#random = wiring.world.stream(`workload/${number}`);
    this.#writes = writes;
    this.#certificates =
      number === 0 ? createCertificateWriter(writes.contest?.issuing) : undefined;
  }

  /** Instead of what clients do. */
  flood(batches: number, atMs: number): void {
    const { world, chain, nodes, scheme, submitted, mark = () => undefined } = this.#wiring;
    startFlood({
      ...{ world, chain, nodes, scheme, submitted, mark, batches, atMs },
      ...{ key: this.#key, actor: this.#actor, topic: laneTopic(this.#number) },
      work: (unsigned, terms) => this.work(unsigned, terms),
    });
  }

  get busy(): boolean {
    return this.#flight !== undefined;
  }

  /** Called at the client's own pace: begins a new batch when the last one is done. */
  tick(): void {
    if (this.#flight !== undefined) return;
    try {
      this.#begin();
    } catch (error) {
      // The node cannot read its disk: the API would answer with a problem. The next turn asks another one.
      if (!(error instanceof TetradError) || !error.code.startsWith("store.")) throw error;
    }
  }

  #aliveNode(): Target | undefined {
    const alive = this.#wiring.nodes.filter((node) => node.handle !== undefined);
    if (alive.length === 0) return undefined;
    const node = this.#random.pick(alive);
    const handle = node.handle;
    return handle === undefined ? undefined : { node, handle };
  }

  #begin(): void {
    const target = this.#aliveNode();
    if (target === undefined) return;
    // A node that is not ready yet does not say how much work it asks for: another one, in the next turn.
    const asks = this.#wiring.chain.genesis.proofs.work !== null;
    if (asks && target.handle.status().work === undefined) return;
    const { guest, rights } = this.#writes;
    if (guest !== undefined && rights?.isIn(target.handle, guest) !== true) return;
    const first = this.#build(target, this.#laneSeq + 1, this.#laneId);
    const more = guest === undefined ? (this.#wiring.workload.pipeline ?? 1) - 1 : 0;
    for (let last = first, i = 0; i < more; i++) {
      const { laneSeq, batchIdHex } = last.submission;
      last = this.#build(target, laneSeq + 1, Buffer.from(batchIdHex, "hex"));
      this.#followers.push(last);
    }
    this.#flight = first;
    // The last comes first, and to whom it may: what the lane lacks before it is on its way.
    for (const { bytes } of this.#followers.toReversed()) {
      (this.#aliveNode() ?? target).handle.submit(bytes, "accepted", () => undefined);
    }
    this.#send(target.node, target.handle);
  }

  #build(target: Target, laneSeq: number, prevBatchId: Uint8Array): Flight {
    const { chain } = this.#wiring;
    const { refHeight, refHash, work } = target.handle.status();
    this.#counter += 1;
    const { guest, contest, rights } = this.#writes;
    const events =
      guest === undefined ? this.#events() : (rights?.ofGuest(guest, target.handle) ?? []);
    const certificates = this.#counter % 3 === 0 ? this.#certificates : undefined;
    const certificate = certificates?.next(target.handle);
    if (certificate !== undefined) events.unshift(certificate);
    events.push(...(contest?.events(this.#number) ?? []));
    if (guest === undefined) events.push(...(rights?.events(this.#actor, target.handle) ?? []));
    const unsigned = buildBatch(chain.hasher, {
      actor: this.#actor,
      laneSeq,
      prevBatchId,
      refHeight,
      refHash,
      events,
    });
    const signature = this.#wiring.scheme.sign(this.#key, unsigned.signingMessage);
    if ((work?.times ?? 1) > 1) this.#wiring.mark?.("work of more than is asked for");
    const proofs = work === undefined ? [] : [this.work(unsigned, work)];
    const batch = sealBatch(chain.hasher, unsigned, signature, proofs);
    if (certificate !== undefined) certificates?.sent(batch.id);
    rights?.sent(batch.id, events, this.#actor);
    const flight: Flight = {
      submission: {
        actorHex: toHex(this.#actor),
        laneSeq: batch.laneSeq,
        batchIdHex: toHex(batch.id),
        eventCount: events.length,
        bytes: batch.bytes.length,
      },
      events,
      bytes: batch.bytes,
    };
    this.#wiring.submitted(target.node.slot, flight.submission);
    return flight;
  }

  /** What a client does where the chain asks for work. */
  work(unsigned: UnsignedBatch, terms: NonNullable<NodeStatus["work"]>): ProofSlot {
    const { hasher } = this.#wiring.chain;
    const { parameters } = terms;
    const { puzzle } = parameters;
    const batch = workedBatch(unsigned);
    const effort = effortOf(parameters, terms, batch) * terms.times;
    const prefix = this.#random.bytes(NONCE_PREFIX_BYTES);
    const search = createWorkSearch(hasher, puzzle, workSubject(batch, terms), effort, prefix);
    for (let counter = 0; ; counter++) {
      const proof = search.attempt(counter);
      if (proof !== undefined) return workSlot(encodeWorkProof(puzzle, proof));
    }
  }

  #events(): EncodedEvent[] {
    const { workload, events } = this.#wiring;
    const own = events?.(this.#random, this.#number) ?? [];
    if (own.length > 0) return [...own];
    return Array.from({ length: workload.eventsPerBatch }, (_, i) => {
      const key = recordName(this.#random.below(RECORD_KEYS), i);
      const body = this.#random.bytes(workload.bodyBytes);
      return recordEvent(laneTopic(this.#number), key, body);
    });
  }

  #send(node: SimNode, handle: LedgerHandle): void {
    const flight = this.#flight;
    if (flight === undefined) return;
    this.#attempt += 1;
    const attempt = this.#attempt;
    const { world } = this.#wiring;
    const incarnation = node.host.incarnation;
    this.#wiring.offered?.(node.slot, flight.submission);
    const cancel = handle.submit(flight.bytes, "committed", (result) => {
      // A process that has died in this very turn answers nobody.
      if (!node.host.isLive(incarnation)) return;
      const note = result.ok ? "ok" : result.code;
      world.trace.add(world.nowUs, "answer", node.slot, this.#number, undefined, note);
      if (result.ok) {
        this.acknowledged += 1;
        this.#wiring.acknowledged(node.slot, flight.submission, result.value.height);
      } else {
        this.#wiring.declined?.(node.slot, flight.submission, result.code);
        if (this.#writes.guest === undefined) this.#wiring.refused?.(result, flight.events);
      }
      if (this.#flight !== flight || attempt !== this.#attempt) return;
      if (result.ok) this.#done(flight);
      else this.#refused(result.code, handle);
    });
    world.after(PATIENCE_MS * 1000, () => {
      if (this.#flight !== flight || attempt !== this.#attempt) return;
      if (node.host.isLive(incarnation)) cancel();
      this.#again();
    });
  }

  #done(flight: Flight): void {
    this.#laneSeq = flight.submission.laneSeq;
    this.#laneId = Buffer.from(flight.submission.batchIdHex, "hex");
    this.#flight = this.#followers.shift();
    if (this.#flight !== undefined) this.#again();
  }

  #refused(code: string, handle: LedgerHandle): void {
    this.#attempt += 1;
    const attempt = this.#attempt;
    if (FINAL_CODES.has(code)) this.#lookUp(handle);
    // Its rights were taken back meanwhile: no node takes anything more of it.
    if (this.#writes.guest !== undefined && code === "event.forbidden") this.#giveUp();
    this.#wiring.world.after(RETRY_MS * 1000, () => {
      if (attempt === this.#attempt && this.#flight !== undefined) this.#again();
    });
  }

  /** Takes the lane from a node: a batch of ours may have been committed without our hearing of it. */
  #lookUp(handle: LedgerHandle): void {
    const lane = handle.lane(this.#actor);
    if (lane.laneSeq < this.#laneSeq) return;
    this.#laneSeq = lane.laneSeq;
    this.#laneId = lane.batchId.slice();
    this.#giveUp();
    this.#followers = [];
  }

  #giveUp(): void {
    const flight = this.#flight;
    this.#flight = undefined;
    if (flight !== undefined) this.#wiring.gaveUp?.(flight.submission);
  }

  #again(): void {
    const target = this.#aliveNode();
    if (target !== undefined) {
      this.#send(target.node, target.handle);
      return;
    }
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#wiring.world.after(RETRY_MS * 1000, () => {
      if (attempt === this.#attempt && this.#flight !== undefined) this.#again();
    });
  }
}

export type RunningWorkload = {
  acknowledged(): number;
  /** Batches that clients still wait for. */
  open(): number;
};

export const startWorkload = (wiring: WorkloadWiring): RunningWorkload => {
  const { chain, workload, world } = wiring;
  const contest =
    workload.contested === true ? createContest(world.stream("contest"), chain) : undefined;
  const rights =
    workload.rights === true
      ? createRights(world.stream("rights"), world, chain, wiring.scheme)
      : undefined;
  const clients = chain.clientKeys.map((key, i) => {
    const actor = chain.clientIds[i];
    if (actor === undefined) throw new RangeError("a client without an id");
    return new Client(wiring, i, key, actor, { contest, rights });
  });
  const periodUs = (1_000_000 * clients.length) / workload.batchesPerSecond;
  const random = world.stream("workload");
  const flooder = workload.floodBatches === undefined ? undefined : clients.pop();
  if (flooder !== undefined) flooder.flood(workload.floodBatches ?? 0, workload.floodAtMs ?? 0);
  const pace = (client: Client, random: Prng): void => {
    // Without a pace there are no batches: the chain is idle.
    if (workload.batchesPerSecond === 0) return;
    const tick = (): void => {
      if (world.nowMs >= workload.untilMs) return;
      client.tick();
      world.after(periodUs / 2 + random.exponential(periodUs / 2), tick);
    };
    world.after(random.below(Math.ceil(periodUs)), tick);
  };
  for (const client of clients) pace(client, random);
  const guests = (rights?.guests ?? []).map(({ key, id }, guest) => {
    const number = chain.clientKeys.length + guest;
    return new Client(wiring, number, key, id, { contest: undefined, rights, guest });
  });
  for (const guest of guests) pace(guest, world.stream("rights/pace"));
  clients.push(...guests);
  return {
    acknowledged: () => clients.reduce((sum, client) => sum + client.acknowledged, 0),
    open: () => clients.filter((client) => client.busy).length,
  };
};
