/**
 * Four cores wired together, with nothing else: a bag of messages that are delivered, lost, repeated and
 * reordered as the test chooses, disks that keep exactly what was made durable, restarts from that, and
 * at most one member that says whatever it likes. Blocks are always valid and always at hand.
 */
import { equalBytes, toHex } from "../../../src/crypto/bytes.ts";
import {
  certificateOf,
  wantsCertificate,
  wantsProposal,
  wantsVote,
} from "../../../src/ledger/consensus/core.ts";
import type {
  CoreInput,
  CoreMessage,
  Effect,
  OwnVote,
  TimerName,
} from "../../../src/ledger/consensus/types.ts";
import { conflict } from "../../../src/ledger/statement.ts";
import type { Block, Certificate, Hash, StatementKind, Vote } from "../../../src/ledger/types.ts";
import {
  Bench,
  blockOf,
  EPOCH,
  factsOf,
  GENESIS,
  hashOf,
  setOf,
  signatureOf,
  voteOf,
} from "./support.ts";

type Flying = { readonly from: number; readonly to: number; readonly message: CoreMessage };
type Job = { readonly run: () => void };

const KIND_LIST: readonly StatementKind[] = ["notarize", "nullify", "finalize"];

const keyOf = (vote: Vote): string => `${vote.statement.view}/${vote.statement.kind}`;

/** What a restart leaves. */
type Disk = {
  final: { view: number; height: number; hash: Hash };
  finalization: Certificate | undefined;
  readonly certificates: Map<string, Certificate>;
  readonly votes: Map<string, OwnVote>;
};

class NetNode {
  readonly index: number;
  readonly disk: Disk = {
    final: { view: 0, height: 0, hash: GENESIS },
    finalization: undefined,
    certificates: new Map(),
    votes: new Map(),
  };
  bench: Bench;
  jobs: Job[] = [];
  /** Certificates handed to the disk that a power cut would still lose. */
  keeping: Certificate[] = [];
  timers = new Map<TimerName, number>();
  constructor(index: number, bench: Bench) {
    this.index = index;
    this.bench = bench;
  }
}

export class SmallNet {
  readonly nodes: NetNode[] = [];
  readonly blocks = new Map<string, Block>();
  readonly #weights: readonly number[];
  readonly #byzantine: number | undefined;
  readonly #boundaryHeight: number | undefined;
  readonly #finalAt = new Map<number, string>();
  readonly #said: Vote[][];
  #flying: Flying[] = [];
  #names = 0;
  /** What went wrong; the first entry fails the test. */
  readonly faults: string[] = [];
  evidence = 0;

  constructor(options: {
    readonly weights: readonly number[];
    readonly byzantine?: number | undefined;
    readonly boundaryHeight?: number | undefined;
  }) {
    this.#weights = options.weights;
    this.#byzantine = options.byzantine;
    this.#boundaryHeight = options.boundaryHeight;
    this.#said = options.weights.map(() => []);
    this.blocks.set(toHex(GENESIS), blockOf({ view: 0, height: 0 }));
    for (let i = 0; i < options.weights.length; i++) {
      if (i === this.#byzantine) continue;
      this.nodes.push(new NetNode(i, this.#bench(i, 0, undefined)));
    }
    for (const node of this.nodes) this.#start(node);
  }

  get highest(): number {
    return Math.max(0, ...this.#finalAt.keys());
  }

  get lowest(): number {
    return Math.min(...this.nodes.map((node) => node.bench.state.final.height ?? 0));
  }

  /**
   * The boundary block is final for everybody: the epoch has ended well. By height, because a replica that
   * restarts on a boundary block starts the next epoch's core, which is not played here.
   */
  get over(): boolean {
    const end = this.#boundaryHeight ?? Number.POSITIVE_INFINITY;
    return this.nodes.every((node) => (node.bench.state.final.height ?? 0) >= end);
  }

  #bench(index: number, nowMs: number, disk: Disk | undefined): Bench {
    const above = disk?.final.view ?? 0;
    return new Bench({
      self: index,
      weights: this.#weights,
      nowMs,
      executedHeight: disk?.final.height ?? 0,
      ...(disk === undefined
        ? {}
        : {
            recovered: {
              final: { ...disk.final },
              finalization: disk.finalization,
              certificates: [...disk.certificates.values()].filter(
                (held) => held.statement.view > above,
              ),
              ownVotes: [...disk.votes.values()],
              floorView: above,
            },
          }),
    });
  }

  #start(node: NetNode): void {
    this.#perform(node, node.bench.start());
    this.#feed(node, { kind: "work", pending: true });
    for (const peer of this.nodes) {
      if (peer !== node) this.#feed(node, { kind: "peer", peer: peer.index });
    }
  }

  #feed(node: NetNode, input: CoreInput): void {
    this.#perform(node, node.bench.feed(input));
  }

  #perform(node: NetNode, effects: readonly Effect[]): void {
    for (const effect of effects) this.#performOne(node, effect);
  }

  #performOne(node: NetNode, effect: Effect): void {
    const later = (run: () => void): void => {
      node.jobs.push({ run });
    };
    switch (effect.kind) {
      case "sign": {
        const { statement } = effect;
        later(() => {
          const signature = signatureOf(node.index);
          this.#feed(node, { kind: "signed", statement, signature });
        });
        break;
      }
      case "persist":
        later(() => this.#makeDurable(node, effect));
        break;
      case "keep":
        node.keeping.push(effect.certificate);
        later(() => this.#keepAll(node));
        break;
      case "send":
        this.#send(node, effect.to, effect.message);
        break;
      case "timer":
        if (effect.delayMs === undefined) node.timers.delete(effect.name);
        else node.timers.set(effect.name, node.bench.nowMs + effect.delayMs);
        break;
      case "need":
        later(() => this.#validate(node, effect.hash));
        break;
      case "build":
        later(() => this.#build(node, effect));
        break;
      case "finalized":
        this.#checkAgreement(node, effect.certificate);
        later(() => this.#append(node, effect.certificate));
        break;
      case "evidence":
        this.evidence++;
        if (effect.first.signer !== this.#byzantine) {
          this.faults.push(`evidence against honest ${effect.first.signer}`);
        }
        break;
      case "halt":
        this.faults.push(`n${node.index} halts: ${effect.failure.detail}`);
        break;
      case "forgotten":
        this.faults.push(`n${node.index} has forgotten a statement of its own`);
        break;
      case "diverged":
        this.faults.push(`n${node.index} diverged`);
        break;
      default:
        break;
    }
  }

  #keepAll(node: NetNode): void {
    for (const certificate of node.keeping.splice(0)) this.#keep(node, certificate);
  }

  #keep(node: NetNode, certificate: Certificate): void {
    const { view, kind } = certificate.statement;
    node.disk.certificates.set(`${view}/${kind}`, certificate);
  }

  #makeDurable(node: NetNode, effect: Effect & { kind: "persist" }): void {
    // R0: no statement becomes durable before every certificate that was taken in earlier.
    this.#keepAll(node);
    for (const certificate of effect.certificates) this.#keep(node, certificate);
    for (const own of effect.votes) {
      for (const before of this.#said[node.index] ?? []) {
        if (conflict(before.statement, own.vote.statement) !== undefined) {
          this.faults.push(`n${node.index} contradicts itself in view ${own.vote.statement.view}`);
        }
      }
      this.#said[node.index]?.push(own.vote);
      node.disk.votes.set(keyOf(own.vote), own);
    }
    this.#feed(node, { kind: "durable", writeId: effect.writeId });
  }

  #send(node: NetNode, to: number | "all", message: CoreMessage): void {
    if (message.type === "vote" || message.type === "proposal")
      this.#checkDurable(node, message.vote);
    for (const peer of this.nodes) {
      if (peer === node || (to !== "all" && to !== peer.index)) continue;
      this.#flying.push({ from: node.index, to: peer.index, message });
    }
  }

  /** R0: an own statement on the wire has been made durable, byte for byte. */
  #checkDurable(node: NetNode, vote: Vote): void {
    if (vote.signer !== node.index) return;
    const stored = this.#said[node.index] ?? [];
    if (!stored.some((said) => equalBytes(said.signature, vote.signature))) {
      this.faults.push(`n${node.index} sends what is not stored: ${keyOf(vote)}`);
    }
  }

  #validate(node: NetNode, hash: Hash): void {
    const block = this.blocks.get(toHex(hash));
    if (block === undefined) return;
    this.#feed(node, { kind: "validated", facts: factsOf(block), verdict: "valid" });
  }

  #newBlock(view: number, parentHash: Hash, parentView: number, proposer: number): Block {
    const height = (this.blocks.get(toHex(parentHash))?.header.height ?? 0) + 1;
    const name = `net ${++this.#names}`;
    const boundary = height === this.#boundaryHeight;
    const block = blockOf({ view, height, parentHash, parentView, proposer, boundary, name });
    this.blocks.set(toHex(block.hash), block);
    return block;
  }

  #build(node: NetNode, effect: Effect & { kind: "build" }): void {
    const { view, parentHash, parentView } = effect;
    const block = this.#newBlock(view, parentHash, parentView, node.index);
    this.#feed(node, { kind: "built", view, block });
  }

  #checkAgreement(node: NetNode, certificate: Certificate): void {
    let hash = certificate.statement.hash;
    for (;;) {
      const block = this.blocks.get(toHex(hash));
      if (block === undefined || block.header.height === 0) return;
      const known = this.#finalAt.get(block.header.height);
      if (known !== undefined && known !== toHex(hash)) {
        this.faults.push(`fork at height ${block.header.height}, seen by n${node.index}`);
        return;
      }
      this.#finalAt.set(block.header.height, toHex(hash));
      hash = block.header.parentHash;
    }
  }

  #append(node: NetNode, certificate: Certificate): void {
    const { view, hash } = certificate.statement;
    const block = this.blocks.get(toHex(hash));
    if (block === undefined || view <= node.disk.final.view) return;
    node.disk.final = { view, hash, height: block.header.height };
    node.disk.finalization = certificate;
    for (const [key, own] of node.disk.votes) {
      if (own.vote.statement.view <= view) node.disk.votes.delete(key);
    }
    for (const [key, held] of node.disk.certificates) {
      if (held.statement.view <= view) node.disk.certificates.delete(key);
    }
    this.#feed(node, { kind: "synced", final: { ...node.disk.final }, certificate });
    this.#feed(node, { kind: "executed", height: block.header.height });
  }

  // The network.

  #deliver({ from, to, message }: Flying): void {
    const node = this.nodes.find((one) => one.index === to);
    if (node === undefined) return;
    const input = this.#toInput(node, from, message);
    if (input !== undefined) this.#feed(node, input);
  }

  /** What the replica does: drops what is not wanted, attaches blocks, answers requests. */
  #toInput(node: NetNode, from: number, message: CoreMessage): CoreInput | undefined {
    const { state } = node.bench;
    switch (message.type) {
      case "proposal": {
        const { vote, parentView, reproposal } = message;
        const { epoch, view, hash } = vote.statement;
        const block = reproposal ? undefined : this.blocks.get(toHex(hash));
        const proposal = { epoch, view, hash, parentView, block, vote };
        const wanted = wantsProposal(state, proposal);
        if (wanted.want === "verify") return { kind: "proposal", proposal, timely: true };
        if (wanted.behind) return { kind: "behind", peer: from };
        return wanted.code === undefined
          ? this.#toInput(node, from, { type: "vote", vote })
          : undefined;
      }
      case "vote": {
        const wanted = wantsVote(state, message.vote);
        if (wanted.want === "verify") return { kind: "vote", vote: message.vote };
        return wanted.behind ? { kind: "behind", peer: from } : undefined;
      }
      case "certificate":
        return wantsCertificate(state, message.certificate).want === "verify"
          ? { kind: "certificate", certificate: message.certificate }
          : undefined;
      case "status":
        return { kind: "status", from, status: message.status };
      case "certificate-request": {
        const { view, kind } = message.query;
        const held =
          certificateOf(state, view, kind) ?? node.disk.certificates.get(`${view}/${kind}`);
        if (held !== undefined) this.#send(node, from, { type: "certificate", certificate: held });
        return undefined;
      }
      default:
        return message satisfies never;
    }
  }

  // What a test may do to it.

  /** One move, chosen by a number: any number does something possible. Mostly things go well. */
  move(choice: number): void {
    const kind = choice % 64;
    const which = Math.floor(choice / 64);
    const node = this.nodes[which % this.nodes.length];
    if (node === undefined) return;
    if (kind < 24) {
      for (let i = 0; i < 6; i++) this.#takeMessage(which + i * 7, (one) => this.#deliver(one));
    } else if (kind < 28) this.#takeMessage(which, () => undefined);
    else if (kind < 30) {
      const one = this.#flying[which % Math.max(1, this.#flying.length)];
      if (one !== undefined) this.#flying.push(one);
    } else if (kind < 54) this.#runJobs(node, which);
    else if (kind < 58) this.#fireNext(node);
    else if (kind === 58) this.#restart(node);
    else this.#lie(node, which);
  }

  #takeMessage(which: number, then: (one: Flying) => void): void {
    if (this.#flying.length === 0) return;
    const [one] = this.#flying.splice(which % this.#flying.length, 1);
    if (one !== undefined) then(one);
  }

  /** Signer and disks work in order: the first job is the only one that can be next. */
  #runJobs(node: NetNode, which: number): void {
    const count = 1 + (which % 5);
    for (let i = 0; i < count; i++) node.jobs.shift()?.run();
  }

  #fireNext(node: NetNode): void {
    let next: [TimerName, number] | undefined;
    for (const timer of node.timers) if (next === undefined || timer[1] < next[1]) next = timer;
    if (next === undefined) return;
    node.timers.delete(next[0]);
    node.bench.nowMs = Math.max(node.bench.nowMs, next[1]);
    this.#feed(node, { kind: "timer", name: next[0] });
  }

  /** Everything that was not durable is gone, and every session is new. */
  #restart(node: NetNode): void {
    node.jobs = [];
    node.keeping = [];
    node.timers.clear();
    this.#flying = this.#flying.filter((one) => one.to !== node.index);
    node.bench = this.#bench(node.index, node.bench.nowMs, node.disk);
    this.#start(node);
    for (const peer of this.nodes) {
      if (peer !== node) this.#feed(peer, { kind: "peer", peer: node.index });
    }
  }

  /** The Byzantine member tells one node something, as it likes best for causing forks. */
  #lie(node: NetNode, which: number): void {
    const liar = this.#byzantine;
    if (liar === undefined) return;
    const { view: current, final } = node.bench.state;
    const view = Math.max(1, current - 1 + (which % 3));
    const known = [...this.blocks.values()];
    const block = known[Math.floor(which / 7) % known.length];
    const leads = view % this.#weights.length === liar;
    if (leads && which % 2 === 0) {
      const fork = this.#newBlock(view, final.hash, final.view, liar);
      const vote = voteOf(liar, "notarize", view, fork.hash);
      const parentView = final.view;
      this.#flying.push({
        from: liar,
        to: node.index,
        message: { type: "proposal", vote, parentView, reproposal: false },
      });
      return;
    }
    const kind = KIND_LIST[which % 3] ?? "nullify";
    const vote = voteOf(liar, kind, view, block?.hash ?? hashOf("nothing"));
    this.#flying.push({ from: liar, to: node.index, message: { type: "vote", vote } });
  }

  /** Everything works from now on, the Byzantine member says nothing: what was begun must end. */
  heal(rounds: number, done: () => boolean): boolean {
    for (let round = 0; round < rounds; round++) {
      if (done()) return true;
      for (let i = 0; i < 2_000 && this.#busy(); i++) {
        if (i % 16 === 0 && done()) return true;
        for (const node of this.nodes) node.jobs.shift()?.run();
        const one = this.#flying.shift();
        if (one !== undefined) this.#deliver(one);
      }
      // Time is one for all: the earliest timer of all is next.
      const due = this.nodes.flatMap((node) => [...node.timers.values()]);
      const nextMs = Math.min(...due);
      for (const node of this.nodes) {
        node.bench.nowMs = Math.max(node.bench.nowMs, nextMs);
        for (const [name, atMs] of [...node.timers]) {
          if (atMs > node.bench.nowMs) continue;
          node.timers.delete(name);
          this.#feed(node, { kind: "timer", name });
        }
      }
    }
    return done();
  }

  #busy(): boolean {
    return this.#flying.length > 0 || this.nodes.some((node) => node.jobs.length > 0);
  }
}

/** Whether this set leaves the Byzantine member under a third of the weight. */
export const underAThird = (weights: readonly number[], member: number): boolean => {
  const set = setOf(weights, EPOCH);
  return BigInt(weights[member] ?? 0) * 3n < set.totalWeight;
};
