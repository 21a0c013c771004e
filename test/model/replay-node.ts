/**
 * One honest validator of a replayed trace: the real core, and what stands for its disk, signer and
 * network. Nothing is answered before the trace says so: signatures and writes wait for `release`.
 */
import { equalBytes } from "../../src/crypto/bytes.ts";
import {
  type CoreState,
  createCore,
  step,
  wantsCertificate,
  wantsProposal,
  wantsVote,
} from "../../src/ledger/consensus/core.ts";
import { statusOf } from "../../src/ledger/consensus/retry.ts";
import type {
  CoreInput,
  CoreMessage,
  CoreParameters,
  Effect,
  FinalTip,
  OwnVote,
  Proposal,
  Recovered,
  Status,
  Wanted,
} from "../../src/ledger/consensus/types.ts";
import type { Certificate, Statement, Vote } from "../../src/ledger/types.ts";
import { certificateOfVotes, type ReplayWorld } from "./replay-world.ts";
import type { ModelRelease } from "./trace-format.ts";

/** Ways to drive the core wrongly on purpose: the comparison must notice each. */
export type ReplayFault =
  /** A restart loses own votes that were durable. */
  | "forget-votes"
  /** A restart loses certificates that were kept. */
  | "forget-certificates"
  /** Writes are answered at once, whatever the trace says. */
  | "answer-held";

export type ReplayOptions = {
  readonly fault?: ReplayFault;
  /** Whatever comes from outside comes twice, past the filters of `wants*` as well. */
  readonly twice?: boolean;
  /** Also asks each node after its steps what it would do besides (replay-probe.ts). */
  readonly probes?: boolean;
};

const MAY_REPEAT: ReadonlySet<CoreInput["kind"]> = new Set([
  "vote",
  "proposal",
  "certificate",
  "validated",
  "signed",
  "durable",
  "built",
]);

/** Nothing but the trace moves a node: no pause of its own ever ends within a run. */
const NEVER_MS = 1e12;

/** The model has no execution, so no lag ever makes a leader re-propose. */
const NO_LAG = 1e6;

/** The model has no time, so no re-proposal waits. */
const NO_PACE = 1e6;

const parametersOf = (gap: number): CoreParameters => ({
  delayMs: 100,
  delayMsMax: 2_000,
  idleMs: 1_000,
  skipMs: NEVER_MS,
  retryMs: NEVER_MS,
  // The model's gap is "more than", the core's "at least".
  unfinalizedGapMax: gap + 1,
  executionLagMax: NO_LAG,
  quickViewsMax: NO_PACE,
});

type CoreOptions = Parameters<typeof createCore>[0];

type Disk = {
  /** By statement text, in the order of the writes. */
  readonly votes: Map<string, OwnVote>;
  readonly certificates: Map<string, Certificate>;
  /** Every final tip of the epoch with its certificate, oldest first. */
  readonly tips: { readonly tip: FinalTip; readonly finalization: Certificate | undefined }[];
};

/** What the outside sees of a core. Statements as texts, of the epoch, above the final view. */
export type Seen = {
  readonly epoch: number;
  readonly view: number;
  readonly finalView: number;
  readonly finalBlock: number;
  readonly decided: readonly string[];
  readonly durable: readonly string[];
  readonly left: readonly string[];
  readonly certificates: readonly string[];
  /** By view the first proposal of another leader, and where the leader was seen to sign two N. */
  readonly proposals: readonly string[];
  readonly twice: readonly string[];
  readonly timeouts: number;
  /** Decided re-proposals by this node as leader: the core makes them when it enters the view. */
  readonly reproposed: readonly string[];
};

export class ReplayNode {
  readonly index: number;
  readonly #world: ReplayWorld;
  readonly #options: ReplayOptions;
  #core: CoreState;
  /** What this incarnation was made of and fed with: a core is a function of that (see probe). */
  #made: CoreOptions;
  #fed: { readonly input: CoreInput; readonly nowMs: number }[] = [];
  #disk: Disk;
  #epoch = 0;
  #nowMs = 10_000;
  #viewTimerMs: number | undefined;
  #inputs: CoreInput[] = [];
  #signing: Statement[] = [];
  #writing: (Effect & { kind: "persist" })[] = [];
  #builds: (Effect & { kind: "build" })[] = [];
  #letsOut = false;
  #ended: number | undefined;
  readonly #have = new Set<number>([0]);
  /** Every own statement that left, by text, as it left. */
  readonly #left = new Map<string, CoreMessage & { type: "proposal" | "vote" }>();

  constructor(world: ReplayWorld, index: number, options: ReplayOptions) {
    this.#world = world;
    this.index = index;
    this.#options = options;
    this.#disk = { votes: new Map(), certificates: new Map(), tips: [this.#baseTip(0)] };
    this.#made = this.#coreOptions();
    this.#core = createCore(this.#made);
    this.#start();
  }

  /** The epoch that the node is in; beyond the last one of the trace it has no core any more. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The own statement as it left this node; undefined when it never did. */
  sent(text: string): (CoreMessage & { type: "proposal" | "vote" }) | undefined {
    return this.#left.get(text);
  }

  /** `work`, and the answer to the `build` that must follow; nothing for a re-proposal. */
  propose(block: number, parentView: number): void {
    this.#feed({ kind: "work", pending: true });
    const build = this.#builds.shift();
    if (build === undefined) throw new Error("the core does not build");
    const made = this.#world.block(block);
    if (build.parentView !== parentView || !equalBytes(build.parentHash, made.header.parentHash)) {
      const parent = this.#world.index(build.parentHash);
      throw new Error(`the core builds on block ${parent} of view ${build.parentView}`);
    }
    this.#have.add(block);
    this.#feed({ kind: "built", view: build.view, block: made });
    this.#feed({ kind: "work", pending: false });
  }

  /** The block comes with its proposal, so it can be validated as soon as the core asks. */
  hear(proposal: Proposal): void {
    if (proposal.block !== undefined) this.#have.add(this.#world.index(proposal.hash));
    if (!isWanted(wantsProposal(this.#core, proposal))) return;
    this.#feed({ kind: "proposal", proposal, timely: true });
  }

  /** A proposal that brings no vote; with it the block where the model says that it is then held. */
  overhear(proposal: Proposal, late: boolean, isHeld: boolean): void {
    if (isHeld) this.#have.add(this.#world.index(proposal.hash));
    if (!isWanted(wantsProposal(this.#core, proposal))) return;
    this.#feed({ kind: "proposal", proposal, timely: !late });
  }

  /** Whether the core would look at this proposal at all (R8). */
  wants(proposal: Proposal): boolean {
    return isWanted(wantsProposal(this.#core, proposal));
  }

  status(): Status {
    return statusOf(this.#core);
  }

  /** The certificates of this node's answer to a STATUS, in their order. Asked of a copy, at no pace. */
  answerTo(from: number, status: Status): readonly Certificate[] {
    const effects = this.probe([{ kind: "status", from, status }]);
    return effects.flatMap((effect) =>
      effect.kind === "send" && effect.to === from && effect.message.type === "certificate"
        ? [effect.message.certificate]
        : [],
    );
  }

  /** The leader's S alone comes. */
  hearSkip(vote: Vote): void {
    if (isWanted(wantsVote(this.#core, vote))) this.#feed({ kind: "vote", vote });
  }

  /** The leader of the view is in quarantine; no longer after this step. */
  quarantineLeader(): void {
    const leader = this.#core.leaderOf(this.#core.view);
    this.#feed({ kind: "quarantined", signers: [leader] }, { kind: "quarantined", signers: [] });
  }

  /** The view timer fires when it is due, and again where the core puts it off. */
  timeOut(): void {
    while (this.#viewTimerMs !== undefined) {
      this.#nowMs = Math.max(this.#nowMs, this.#viewTimerMs);
      this.#viewTimerMs = undefined;
      this.#feed({ kind: "timer", name: "view" });
      if (this.#core.lastTimeoutView === this.#core.view) return;
    }
    throw new Error("no view timer is set");
  }

  /**
   * Votes of others, one by one. Together as a certificate where votes do not do what the model's step
   * does: the leader's S alone would make this node skip, and of one signer's two statements of a kind
   * the core counts only the one that came first. True when it was a certificate.
   */
  takeVotes(votes: readonly Vote[]): boolean {
    const certificate = certificateOfVotes(votes);
    const { view, kind, hash } = certificate.statement;
    const known = this.#core.views.get(view);
    const leader = this.#core.leaderOf(view);
    const skips =
      kind === "nullify" && known?.own.nullify !== true && certificate.signers.includes(leader);
    const contradicts = votes.some((vote) => {
      const held = known?.votes[kind][vote.signer];
      return held !== undefined && !equalBytes(held.statement.hash, hash);
    });
    if (skips || contradicts) {
      this.takeCertificate(certificate);
      return true;
    }
    // The leader's first: the certificate then has it, as that of the model (R4).
    const first = votes.filter((vote) => vote.signer === leader);
    for (const vote of [...first, ...votes.filter((vote) => vote.signer !== leader)]) {
      if (vote.signer === this.index) continue;
      if (isWanted(wantsVote(this.#core, vote))) this.#feed({ kind: "vote", vote });
    }
    return false;
  }

  takeCertificate(certificate: Certificate): void {
    if (!isWanted(wantsCertificate(this.#core, certificate))) return;
    this.#feed({ kind: "certificate", certificate });
  }

  /** The block and its ancestors arrive: verdicts, oldest first. */
  fetch(block: number): void {
    for (const one of this.#world.ancestors(block)) this.#have.add(one);
    // The core is told nothing of blocks below its epoch: its first final tip stands for them.
    if (this.#world.epochOf(block) === this.#epoch) this.#feed(...this.#verdictsOf(block));
  }

  /** A new core, from the disk alone. What waited for a signature or a write is lost. */
  restart(): void {
    this.#signing = [];
    this.#writing = [];
    this.#builds = [];
    if (this.#options.fault === "forget-votes") this.#disk.votes.clear();
    if (this.#options.fault === "forget-certificates") this.#disk.certificates.clear();
    if (this.#isOver()) return;
    this.#create();
    this.#start();
  }

  /**
   * Answers what waits, for the statements that the model has decided too. "durable": what the core then
   * sends is lost; "sent": it goes out, and so does what was lost before, as to a peer that connects.
   */
  release(release: ModelRelease, decided: ReadonlySet<string>): void {
    if (this.#builds.length > 0) throw new Error("the core builds where the model does not");
    if (this.#isOver()) return;
    this.#letsOut = release === "sent";
    while (this.#answerOne(release, decided));
    if (release === "sent" && this.seen().durable.some((text) => !this.#left.has(text))) {
      this.#feed({ kind: "peer", peer: this.index === 0 ? 1 : 0 });
    }
    this.#letsOut = false;
  }

  /**
   * What the core would do with these inputs, after a pause: asked of a copy, so that nothing happens.
   * The copy is made by feeding a new core all that this one was fed, which the core makes possible by
   * being deterministic.
   */
  probe(inputs: readonly CoreInput[], pauseMs = 0): Effect[] {
    const copy = createCore(this.#made);
    for (const { input, nowMs } of this.#fed) step(copy, input, nowMs);
    return inputs.flatMap((input) => step(copy, input, this.#nowMs + pauseMs));
  }

  seen(): Seen {
    const { final, view } = this.#core;
    const isOpen = (statement: Statement): boolean =>
      statement.epoch === this.#epoch && statement.view > final.view;
    const decided: string[] = [];
    const reproposed: string[] = [];
    const certificates: string[] = [];
    const proposals: string[] = [];
    const twice: string[] = [];
    for (const [number, known] of this.#core.views) {
      if (number <= final.view) continue;
      for (const text of this.#decidedIn(number)) decided.push(text);
      if (known.proposed?.reproposal === true) reproposed.push(...this.#decidedIn(number, "N"));
      if (known.proposal !== undefined && this.#core.leaderOf(number) !== this.index) {
        proposals.push(`${this.#epoch}:${number}:N:${this.#world.index(known.proposal.hash)}`);
      }
      if (known.leaderConflict) twice.push(`${this.#epoch}:${number}`);
      for (const certificate of Object.values(known.certificates)) {
        certificates.push(this.#world.text(certificate.statement));
      }
    }
    const left = [...this.#left].filter(([, message]) => isOpen(message.vote.statement));
    const durable = [...this.#disk.votes].filter(([, own]) => isOpen(own.vote.statement));
    return {
      epoch: this.#epoch,
      view: this.#isOver() ? 1 : view,
      finalView: this.#isOver() ? 0 : final.view,
      finalBlock: this.#world.index(final.hash),
      decided: this.#isOver() ? [] : decided.sort(),
      durable: durable.map(([text]) => text).sort(),
      left: left.map(([text]) => text).sort(),
      certificates: this.#isOver() ? [] : certificates.sort(),
      proposals: this.#isOver() ? [] : proposals.sort(),
      twice: this.#isOver() ? [] : twice.sort(),
      timeouts: this.#isOver() ? 0 : this.#core.timeouts,
      reproposed,
    };
  }

  #decidedIn(view: number, only?: "N"): string[] {
    const own = this.#core.views.get(view)?.own;
    const at = `${this.#epoch}:${view}`;
    const texts: string[] = [];
    if (own?.notarize !== undefined) texts.push(`${at}:N:${this.#world.index(own.notarize)}`);
    if (only === "N") return texts;
    if (own?.nullify === true) texts.push(`${at}:S`);
    if (own?.finalize !== undefined) texts.push(`${at}:F:${this.#world.index(own.finalize)}`);
    return texts;
  }

  #isOver(): boolean {
    return this.#epoch >= this.#world.epochs;
  }

  #answerOne(release: ModelRelease, decided: ReadonlySet<string>): boolean {
    if (release === "held" && this.#options.fault !== "answer-held") return false;
    const ready = this.#signing.findIndex((one) => decided.has(this.#world.text(one)));
    const [statement] = ready < 0 ? [] : this.#signing.splice(ready, 1);
    if (statement !== undefined) {
      const signature = this.#world.signature(this.index, statement);
      this.#feed({ kind: "signed", statement, signature });
      return true;
    }
    const write = this.#writing.shift();
    if (write === undefined) return false;
    for (const hash of write.blocks) {
      if (!this.#have.has(this.#world.index(hash))) throw new Error("a vote without its block");
    }
    for (const own of write.votes) {
      this.#disk.votes.set(this.#world.text(own.vote.statement), own);
    }
    for (const certificate of write.certificates) this.#keep(certificate);
    this.#feed({ kind: "durable", writeId: write.writeId });
    return true;
  }

  #keep(certificate: Certificate): void {
    this.#disk.certificates.set(this.#world.text(certificate.statement), certificate);
  }

  #baseTip(block: number): Disk["tips"][number] {
    const tip = { view: 0, height: this.#world.heightOf(block), hash: this.#world.hash(block) };
    return { tip, finalization: undefined };
  }

  /** The newest final block that is held, as the replica starts from the block it has on disk. */
  #recovered(): Recovered {
    const base = this.#disk.tips[0];
    const newest = this.#disk.tips.findLast((one) =>
      this.#have.has(this.#world.index(one.tip.hash)),
    );
    const start = newest ?? base;
    if (start === undefined) throw new Error("an epoch has a first tip");
    const isAbove = (statement: Statement): boolean => statement.view > start.tip.view;
    return {
      final: start.tip,
      finalization: start.finalization,
      certificates: [...this.#disk.certificates.values()].filter((one) => isAbove(one.statement)),
      ownVotes: [...this.#disk.votes.values()],
      floorView: 0,
    };
  }

  #create(): void {
    this.#made = this.#coreOptions();
    this.#fed = [];
    this.#core = createCore(this.#made);
  }

  #coreOptions(): CoreOptions {
    const epoch = this.#epoch;
    return {
      epoch,
      self: this.index,
      set: this.#world.set(epoch),
      leaderOf: (view) => this.#world.leader(epoch, view),
      parameters: parametersOf(this.#world.instance.gap),
      recovered: this.#recovered(),
      executedHeight: 0,
      nowMs: this.#nowMs,
    };
  }

  /** Voting is allowed last, as in the product: the blocks on disk have their verdicts by then. */
  #start(): void {
    this.#viewTimerMs = undefined;
    this.#feed({ kind: "start" });
    this.#feed({ kind: "voting", allowed: true });
  }

  #startEpoch(base: number): void {
    this.#epoch += 1;
    this.#inputs = [];
    this.#signing = [];
    this.#writing = [];
    this.#disk = { votes: new Map(), certificates: new Map(), tips: [this.#baseTip(base)] };
    if (this.#isOver()) return;
    this.#create();
    this.#start();
  }

  #feed(...inputs: readonly CoreInput[]): void {
    if (this.#isOver()) return;
    for (const input of inputs) {
      this.#inputs.push(input);
      if (this.#options.twice === true && MAY_REPEAT.has(input.kind)) this.#inputs.push(input);
    }
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      this.#fed.push({ input: next, nowMs: this.#nowMs });
      for (const effect of step(this.#core, next, this.#nowMs)) this.#perform(effect);
      const ended = this.#ended;
      this.#ended = undefined;
      if (ended !== undefined) return this.#startEpoch(ended);
    }
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "sign":
        this.#signing.push(effect.statement);
        break;
      case "persist":
        this.#writing.push(effect);
        break;
      case "keep":
        this.#keep(effect.certificate);
        break;
      case "send":
        this.#send(effect.message);
        break;
      case "timer":
        if (effect.name === "view") {
          this.#viewTimerMs =
            effect.delayMs === undefined ? undefined : this.#nowMs + effect.delayMs;
        }
        break;
      case "need": {
        const block = this.#world.index(effect.hash);
        if (this.#have.has(block)) this.#inputs.push(...this.#verdictsOf(block));
        break;
      }
      case "build":
        this.#builds.push(effect);
        break;
      case "finalized":
        this.#onFinalized(effect.certificate);
        break;
      case "halt":
        throw new Error(`the core halts: ${JSON.stringify(effect.failure)}`);
      case "forgotten":
        throw new Error("the core has forgotten a statement of its own");
      case "diverged":
        throw new Error("the core takes its roots for wrong");
      case "evidence":
      case "entered":
        break;
    }
  }

  #onFinalized(certificate: Certificate): void {
    const { view, hash } = certificate.statement;
    const block = this.#world.index(hash);
    const tip = { view, height: this.#world.heightOf(block), hash };
    this.#disk.tips.push({ tip, finalization: certificate });
    if (this.#world.endsEpoch(block, this.#epoch)) this.#ended = block;
  }

  /** R0: what leaves is on disk, byte for byte. */
  #send(message: CoreMessage): void {
    if (message.type !== "vote" && message.type !== "proposal") return;
    const { vote } = message;
    if (vote.signer !== this.index) return;
    const text = this.#world.text(vote.statement);
    const stored = this.#disk.votes.get(text)?.vote;
    if (stored === undefined || !equalBytes(stored.signature, vote.signature)) {
      throw new Error(`${text} is sent before it is durable`);
    }
    if (this.#letsOut) this.#left.set(text, message);
  }

  /** Verdicts of the block and of what it stands on in this epoch, oldest first. */
  #verdictsOf(block: number): CoreInput[] {
    return this.#world
      .chain(block)
      .map((one) => ({ kind: "validated", facts: this.#world.facts(one), verdict: "valid" }));
  }
}

const isWanted = (wanted: Wanted): boolean => wanted.want === "verify";
