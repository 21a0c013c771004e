/**
 * One run of a scenario, in two phases. First everything fails as the scenario says, and nothing wrong
 * may happen. Then all faults end, and something good must happen in bounded virtual time: a new final
 * block, every honest node level with the furthest, every waiting client answered. At the end every
 * node's log and state are read through its handle and audited, and the log is replayed from the genesis.
 */

import { toHex } from "../src/crypto/bytes.ts";
import { ERRORS, ok, type Result } from "../src/errors.ts";
import type { LedgerHandle, NodeStatus } from "../src/ledger/handle.ts";
import { CHECKERS } from "./checkers/index.ts";
import { READ_WITHIN_US } from "./checkers/reads-answered.ts";
import { REACHES_WITHIN_US } from "./checkers/split.ts";
import type { Dump, Entry, Row } from "./checkers/types.ts";
import { chooseCore } from "./core.ts";
import { scheduleFaults } from "./faults.ts";
import { explainFork, type Fork } from "./fork.ts";
import { MISTAKE_ID, Mistake, stackOf } from "./mistake.ts";
import { createNetwork, type SimNetwork } from "./network.ts";
import type { SimNode } from "./node.ts";
import { isLoaded, plainStatus, type Violation } from "./observe.ts";
import { Prng } from "./prng.ts";
import { createReaders, type Readers, type SeenNode } from "./readers.ts";
import { replayFromGenesis } from "./replay.ts";
import type { RunOptions } from "./run-options.ts";
import type { Scenario } from "./scenario.ts";
import { runOptionsOf } from "./stake.ts";
import { storedStateOf } from "./stored-state.ts";
import { busyOf } from "./stuck/busy.ts";
import { type Stuck, stuckLines } from "./stuck/model.ts";
import { createWitness } from "./stuck/witness.ts";
import { formatEvent } from "./trace.ts";
import { type RunningWorkload, startWorkload } from "./workload.ts";

export type { RunOptions } from "./run-options.ts";

/** `module`: what the caller has brought along has made a mistake. Of the network that says nothing. */
export type Outcome = "ok" | "module" | "crash" | "liveness" | "correctness";

/** Exit codes, from the one table of them. */
export const EXIT_CODES: Readonly<Record<Outcome, number>> = {
  ok: 0,
  module: ERRORS["sim.module"].exitCode,
  crash: ERRORS["sim.crash"].exitCode,
  liveness: ERRORS["sim.liveness"].exitCode,
  correctness: ERRORS["sim.correctness"].exitCode,
};

export type RunResult = {
  readonly scenario: Scenario;
  readonly outcome: Outcome;
  readonly violation: Violation | undefined;
  readonly traceHash: string;
  readonly steps: number;
  readonly virtualMs: number;
  readonly finalHeight: number;
  readonly logSize: number;
  readonly acknowledged: number;
  /** Virtual time from heal to the first new final block; undefined if there was none. */
  readonly healedInMs: number | undefined;
  readonly marks: ReadonlyMap<string, number>;
  /** Which disk took the last good copies of what was final; undefined while there are some. */
  readonly dataLost: string | undefined;
  readonly network: { readonly frames: number; readonly bytes: number };
  /** The state of each node at the end, one line a node. */
  readonly nodes: readonly string[];
  /** Of a run that is stuck: why. */
  readonly stuck: Stuck | undefined;
  /** Of a run that ends because a fork is there, or could be: who has made it possible. */
  readonly fork: Fork | undefined;
  /** For a failure: the state of each node, what they logged last, and the newest events. */
  readonly report: readonly string[];
};

const POLL_MS = 200;
/** Of a run without an end so many of its last events say what it is busy with. */
const EVENTS_COUNTED = 512;
/** A run that does more work than this is stuck in a loop, where nothing else is said. */
export const MAX_STEPS = 20_000_000;
/** Rows and entries are read so many at a time. */
const ROW_PAGE = 1_000;
/** How often rows are read anew because the log went on meanwhile. */
const DUMP_TRIES = 100;
const PROJECTIONS = [
  "records",
  "actors",
  "validators",
  "assets",
  "quarantine",
  "certificates",
  "ct",
  "capabilities",
];

/** L8 apart, which is broken by what has happened, the L are promises of what will. */
const outcomeOf = ({ id }: Violation): Outcome => {
  if (id === MISTAKE_ID) return "module";
  return /^L[0-79]$/.test(id) ? "liveness" : "correctness";
};

/** Ends a run early, from anywhere in its phases. */
class Stop extends Error {
  readonly outcome: Outcome;
  readonly violation: Violation;
  constructor(outcome: Outcome, violation: Violation) {
    super(violation.detail);
    this.outcome = outcome;
    this.violation = violation;
  }
}

/** A node's status, or what it threw. */
const toldBy = (node: SimNode): NodeStatus | Error | undefined => {
  try {
    return node.handle?.status();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
};

class Run {
  readonly #network: SimNetwork;
  readonly #scenario: Scenario;
  readonly #options: RunOptions;
  readonly #workload: RunningWorkload;
  readonly #readers: Readers;
  readonly #endFaults: () => void;
  #healedInMs: number | undefined;
  #workloadEndMs: number;

  constructor(scenario: Scenario, options: RunOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.#network = createNetwork(scenario, options);
    const { world, chain, nodes, scheme, observer } = this.#network;
    world.trace.tap = options.onEvent;
    this.#workloadEndMs = Math.min(scenario.workload.untilMs, scenario.healMs + 2_000);
    this.#endFaults = scheduleFaults({
      ...this.#network,
      mark: (name) => observer.mark(name),
      leaderOf: (epoch, view) => observer.leaderOf(epoch, view),
    });
    for (const node of nodes.slice(0, scenario.n)) node.start();
    const { clients } = scenario.workload;
    this.#readers = createReaders(world.stream("readers"), clients);
    const clientOf = new Map(chain.clientIds.map((id, client) => [toHex(id), client]));
    this.#workload = startWorkload({
      world,
      chain,
      nodes: nodes.slice(0, scenario.n),
      scheme,
      ...(options.events === undefined ? {} : { events: options.events }),
      refused: (refusal, events) => {
        const mistake = options.mistakeOf?.(refusal, events);
        if (mistake !== undefined) observer.report(MISTAKE_ID, mistake);
      },
      workload: { ...scenario.workload, untilMs: this.#workloadEndMs },
      mark: (name) => observer.mark(name),
      submitted: (slot, submission) =>
        observer.each((checker) => checker.submitted?.(slot, submission)),
      offered: (slot, submission) =>
        observer.each((checker) => checker.offered?.(slot, submission)),
      declined: (slot, submission, code) =>
        observer.each((checker) => checker.declined?.(slot, submission, code)),
      gaveUp: (submission) => observer.each((checker) => checker.gaveUp?.(submission)),
      acknowledged: (slot, submission, height) => {
        const client = clientOf.get(submission.actorHex);
        if (observer.honest(slot) && client !== undefined) this.#readers.wrote(client, height ?? 0);
        observer.each((checker) => checker.acknowledged?.(slot, submission, height));
      },
    });
  }

  #stop(outcome: Outcome, id: string, detail: string): never {
    const { world } = this.#network;
    throw new Stop(outcome, { id, detail: `${detail}${this.#lostWhy()}`, atMs: world.nowMs });
  }

  /** Something has thrown in a turn, or where a node was only asked or shown to a checker. */
  #thrown(error: unknown): never {
    if (error instanceof Stop) throw error;
    if (error instanceof Mistake) this.#stop("module", MISTAKE_ID, error.message);
    this.#stop("crash", "exception", stackOf(error));
  }

  /** A run that cannot succeed says why: it is the scenario that took the last good copies. */
  #lostWhy(): string {
    const { lost } = this.#network.atlas;
    return lost === undefined ? "" : `; the last good copies are gone: ${lost}`;
  }

  /** Runs to a time, looking at every node now and then; stops at the first thing that is wrong. */
  #advance(untilMs: number): void {
    const { world, observer } = this.#network;
    while (world.nowMs < untilMs) {
      const targetUs = Math.min(untilMs, (Math.floor(world.nowMs / POLL_MS) + 1) * POLL_MS) * 1000;
      try {
        world.runUntil(targetUs);
      } catch (error) {
        this.#thrown(error);
      }
      this.#throwIfBad();
      this.#poll();
      this.#throwIfBad();
      const stepsMax = this.#options.maxSteps ?? MAX_STEPS;
      observer.each((checker) => checker.worked?.(world.steps, stepsMax));
      this.#throwIfBad();
    }
  }

  #throwIfBad(): void {
    const { observer, failures } = this.#network;
    const failure = failures[0];
    if (failure !== undefined) {
      const { error, slot } = failure;
      this.#stop("crash", "exception", `n${slot}: ${stackOf(error)}`);
    }
    const violation = observer.violations[0];
    if (violation === undefined) return;
    throw new Stop(outcomeOf(violation), {
      ...violation,
      detail: violation.detail + this.#lostWhy(),
    });
  }

  /** Shows every status to the checkers, and plays the service manager for nodes with failed disks. */
  #poll(): void {
    const { nodes, observer } = this.#network;
    const shown: SeenNode[] = [];
    for (const node of nodes) {
      const status = node.handle?.status();
      if (status === undefined) continue;
      if (!this.#tend(node, status))
        observer.each((checker) => checker.health?.(node.slot, status));
      if (!isLoaded(status)) continue;
      const plain = plainStatus(status);
      if (plain.epoch > 0) observer.mark("epoch changed");
      observer.each((checker) => checker.status?.(node.slot, plain));
      // What #tend has just put down answers nobody.
      if (observer.honest(node.slot) && node.handle !== undefined) shown.push({ node, status });
    }
    this.#showWaiting();
    const reading = this.#readers.read(shown);
    if (reading !== undefined) observer.each((checker) => checker.read?.(reading));
    observer.each((checker) => checker.looked?.());
  }

  /** Also of who is down: the most has been reached before. */
  #showWaiting(): void {
    const { nodes, observer } = this.#network;
    for (const node of nodes) {
      const waiting = node.takeWaiting();
      observer.each((checker) => checker.waits?.(node.slot, waiting));
    }
  }

  /** What an operator and a service manager do about a disk; true when the node is down for it. */
  #tend(node: SimNode, status: NodeStatus): boolean {
    const codes = status.problems.map((problem) => problem.code);
    for (const code of codes) this.#network.observer.mark(`problem ${code}`);
    const { voting } = status;
    if (codes.includes("store.corrupt") && voting === "halted" && node.replaceDamaged())
      return true;
    const isDisk = codes.includes("store.full") || codes.includes("store.io");
    if (!isDisk || node.lacksRoom || voting !== "halted") return false;
    node.restartAfterFailure();
    return true;
  }

  /** All but the core are gone for good. */
  #leaveCore(): void {
    const { world, nodes, observer, scenario, atlas } = this.#network;
    if (scenario.heal !== "core") return;
    const core = chooseCore(scenario, world.stream("core"), (slot) => atlas.hasGoodCopy(slot));
    if (core === undefined) return;
    observer.core = core;
    observer.mark("core healed");
    observer.each((checker) => checker.coreHealed?.(core));
    for (const node of nodes) {
      if (!core.includes(node.slot)) node.leave("not in the core");
    }
  }

  /** Slots that take part to the end. */
  up(): ReadonlySet<number> {
    const { nodes } = this.#network;
    const running = nodes.filter((node) => node.handle !== undefined).map((node) => node.slot);
    return new Set(this.#network.observer.core ?? running);
  }

  /** Of those that are up and honest. `told` leaves out who throws: the verdict stands already. */
  #statuses(told = false): { readonly node: SimNode; readonly status: NodeStatus }[] {
    const out = [];
    for (const node of this.#network.nodes) {
      const status = told ? toldBy(node) : node.handle?.status();
      if (status instanceof Error) continue;
      if (status !== undefined && this.#network.observer.honest(node.slot)) {
        out.push({ node, status });
      }
    }
    return out;
  }

  #highest(): number {
    return this.#statuses().reduce((best, { status }) => Math.max(best, status.finalHeight), 0);
  }

  #heal(): void {
    const { world, net, nodes, observer, scenario } = this.#network;
    this.#endFaults();
    net.links.calm();
    this.#leaveCore();
    for (const node of nodes.slice(0, scenario.n)) {
      if (observer.core !== undefined && !observer.core.includes(node.slot)) continue;
      node.host.disarm();
      node.host.resume();
      node.data.disarm();
      node.votes.disarm();
      // Somebody looks at the disks: what is rotten has not been read by anybody so far.
      if (!node.replaceDamaged()) node.start();
    }
    world.trace.add(world.nowUs, "heal", 0, -1);
    const asked = nodes.filter(({ slot }) => observer.asked(slot)).map(({ slot }) => slot);
    observer.each((checker) => checker.healed?.(world.nowUs, asked));
  }

  /** L1 is demanded: runs until a new block is final, or the time for it is over. */
  #demandProgress(): void {
    const { world, observer, scenario } = this.#network;
    const height = this.#highest();
    const startMs = world.nowMs;
    const limitMs = startMs + scenario.expect.finalWithinMs;
    observer.each((checker) => checker.mustPass?.(height, limitMs * 1000));
    while (this.#highest() <= height && world.nowMs < limitMs) {
      this.#advance(Math.min(limitMs, world.nowMs + 10));
    }
    this.#healedInMs = world.nowMs - startMs;
  }

  /** L2 and L3 are demanded: clients are answered, and everybody gets where the furthest was. */
  #demandConvergence(): void {
    const { world, observer, scenario } = this.#network;
    const limitMs = Math.max(world.nowMs, this.#workloadEndMs) + scenario.expect.convergeWithinMs;
    this.#advance(this.#workloadEndMs);
    observer.each((checker) => checker.mustAnswer?.(limitMs * 1000, () => this.#workload.open()));
    while (this.#workload.open() > 0 && world.nowMs < limitMs) {
      this.#advance(Math.min(limitMs, world.nowMs + POLL_MS));
    }
    if (this.#workload.open() > 0) this.#lookOnce();
    const target = this.#highest();
    observer.each((checker) => checker.mustReach?.(target, limitMs * 1000));
    while (this.#isAnyBehind(target) && world.nowMs < limitMs) {
      this.#advance(Math.min(limitMs, world.nowMs + POLL_MS));
    }
    if (world.nowMs >= limitMs) this.#lookOnce();
    // What is not settled by then is for the checkers to name, L4 among them, which has a time of its own.
    const leastMs = Math.max(limitMs, scenario.healMs + REACHES_WITHIN_US / 1000);
    const settledMs = (): number => Math.max(leastMs, Math.ceil(observer.settlesByUs() / 1000));
    while (!this.#settled() && world.nowMs < settledMs()) {
      this.#advance(Math.min(settledMs(), world.nowMs + POLL_MS));
    }
  }

  /** Where the time was over before anything was demanded, nobody has looked since. */
  #lookOnce(): void {
    this.#poll();
    this.#throwIfBad();
  }

  #settled(): boolean {
    const { nodes, observer, scenario } = this.#network;
    return observer.settled((slot, projection) => {
      const handle = nodes[slot]?.handle;
      if (handle === undefined || scenario.expect.exempt.includes(slot)) return undefined;
      const rows = this.#rows(slot, handle, projection);
      // What cannot be read, the audit names.
      return rows.ok ? rows.value : [];
    });
  }

  /** All rows of a projection, page by page; none where the chain does not have it. */
  #rows(slot: number, handle: LedgerHandle, projection: string): Result<readonly Row[]> {
    const rows: Row[] = [];
    for (;;) {
      const after = rows.at(-1)?.key;
      const query = { limit: ROW_PAGE, ...(after === undefined ? {} : { after }) };
      const page = this.#await<Parameters<Parameters<LedgerHandle["rows"]>[2]>[0]>(slot, (done) =>
        handle.rows(projection, query, done),
      );
      if (!page.ok) return page;
      rows.push(...page.value);
      if (page.value.length < ROW_PAGE) return ok(rows);
    }
  }

  #isAnyBehind(target: number): boolean {
    const { nodes, observer } = this.#network;
    return nodes.some(({ slot, handle }) => {
      const executed = handle?.status().executedHeight ?? -1;
      return observer.asked(slot) && executed < target;
    });
  }

  /** Runs the world until a callback has come of what is read at a node. */
  #await<T>(slot: number, start: (done: (value: T) => void) => void): T {
    const { world, observer } = this.#network;
    let value: { readonly it: T } | undefined;
    start((it) => {
      value = { it };
    });
    const fromUs = world.nowUs;
    const untilUs = fromUs + READ_WITHIN_US;
    while (value === undefined) {
      if (world.step(untilUs)) continue;
      observer.each((checker) => checker.unanswered?.(slot, fromUs, untilUs));
      this.#throwIfBad();
      throw new Error(`a read at n${slot} has no answer, and no checker says so`);
    }
    return value.it;
  }

  /**
   * The log of a node and its rows, of one moment: the network goes on while it is read, so rows that the log
   * has overtaken are read again.
   */
  #dump(node: SimNode, handle: LedgerHandle): Dump {
    const entries: Entry[] = [];
    for (let tries = 0; tries < DUMP_TRIES; tries += 1) {
      const status = plainStatus(handle.status());
      const state = storedStateOf(node.data);
      this.#readEntries(node, handle, status.logSize, entries);
      const rows = this.#readRows(node, handle);
      if (handle.status().logSize !== status.logSize) continue;
      const heights = Array.from({ length: status.executedHeight + 1 }, (_, height) => height);
      const timesMs = heights.map((height) => handle.timeOf(height));
      return { slot: node.slot, status, entries, rows, timesMs, state };
    }
    const detail = `n${node.slot}: its log never stands still for as long as its rows are read`;
    return this.#stop("correctness", "mark", detail);
  }

  /** Adds to `entries` what the log has up to `logSize`. */
  #readEntries(node: SimNode, handle: LedgerHandle, logSize: number, entries: Entry[]): void {
    while (entries.length < logSize) {
      const from = entries.length;
      const limit = Math.min(ROW_PAGE, logSize - from);
      const page = this.#await<Parameters<Parameters<LedgerHandle["events"]>[2]>[0]>(
        node.slot,
        (done) => handle.events(from, limit, done),
      );
      if (!page.ok) this.#stop("correctness", "I10", `n${node.slot}: ${page.detail}`);
      if (page.value.entries.length === 0) break;
      for (const entry of page.value.entries) {
        entries.push({
          index: entry.index,
          height: entry.height,
          batchId: toHex(entry.batchId),
          position: entry.position,
          refusedWith: entry.outcome.kind === "refused" ? entry.outcome.code : "",
          effectsHash: entry.effectsHash,
          eventType: entry.event.type,
          eventBytes: entry.event.bytes,
        });
      }
    }
  }

  /** Whoever cannot read them has nothing for the checkers to look at, which is not to be content with nothing. */
  #readRows(node: SimNode, handle: LedgerHandle): Map<string, readonly Row[]> {
    const rows = new Map<string, readonly Row[]>();
    for (const name of [...PROJECTIONS, ...this.#claimed(), ...(this.#options.rowsOf ?? [])]) {
      const all = this.#rows(node.slot, handle, name);
      if (!all.ok)
        this.#stop("correctness", "I10", `n${node.slot}: rows of ${name}: ${all.detail}`);
      rows.set(name, all.value);
    }
    return rows;
  }

  /** Projections of what validators claim, where they do. */
  #claimed(): readonly string[] {
    const { proofs = [] } = this.#scenario;
    return [
      ...(proofs.includes("time") ? ["time"] : []),
      ...(proofs.includes("shares") ? ["work"] : []),
    ];
  }

  #audit(): void {
    const { nodes, observer, scenario } = this.#network;
    const dumps: Dump[] = [];
    for (const node of nodes) {
      if (!observer.asked(node.slot)) continue;
      if (node.handle !== undefined) dumps.push(this.#dump(node, node.handle));
    }
    for (const { eventType, refusedWith } of dumps[0]?.entries ?? []) {
      if (eventType.startsWith("ca.")) observer.mark(`${eventType} ${refusedWith || "accepted"}`);
    }
    this.#showWaiting();
    observer.each((checker) => checker.end?.(dumps));
    this.#throwIfBad();
    this.#replay();
    for (const mark of scenario.expect.marks ?? []) {
      if (observer.marks.has(mark)) continue;
      this.#stop("correctness", "mark", `"${mark}" never happened: the scenario shows nothing`);
    }
  }

  /** Nothing of the world moves meanwhile: what disks show is what they show at the end of the run. */
  #replay(): void {
    const { nodes, observer, rules, scenario } = this.#network;
    const disks = nodes
      .filter(({ slot, data }) => observer.honest(slot) && observer.asked(slot) && !data.isDamaged)
      .map(({ slot, data }) => ({ slot, disk: data }));
    const random = new Prng(scenario.seed, "replay");
    const { heights, restarts, fault } = replayFromGenesis({ rules, disks, random });
    if (fault !== undefined) {
      const replayed = `the log replayed from the genesis, height by height: ${fault}`;
      this.#stop("correctness", "I10", replayed);
    }
    if (heights > 0) observer.mark("log replayed from the genesis");
    if (restarts > 0) observer.mark("replay gone on with a new executor");
  }

  phases(): void {
    try {
      this.#advance(this.#scenario.healMs);
      this.#heal();
      this.#demandProgress();
      this.#demandConvergence();
      this.#audit();
    } catch (error) {
      this.#thrown(error);
    }
  }

  /** Lets go of what the run has outside of memory. */
  end(): void {
    this.#network.memory.close();
  }

  result(outcome: Outcome, violation: Violation | undefined): RunResult {
    const { world, net, observer, atlas } = this.#network;
    const statuses = this.#statuses(true);
    return {
      scenario: this.#scenario,
      outcome,
      violation,
      traceHash: world.trace.hash(),
      steps: world.steps,
      virtualMs: world.nowMs,
      finalHeight: statuses.reduce((best, { status }) => Math.max(best, status.finalHeight), 0),
      logSize: statuses.reduce((best, { status }) => Math.max(best, status.logSize), 0),
      acknowledged: this.#workload.acknowledged(),
      healedInMs: this.#healedInMs,
      marks: observer.marks,
      dataLost: atlas.lost,
      network: net.sent,
      nodes: this.#nodeLines(),
      stuck: violation?.id === "L0" ? busyOf(world.trace.last(EVENTS_COUNTED)) : undefined,
      fork: undefined,
      report: outcome === "ok" ? [] : this.#report(),
    };
  }

  #nodeLines(): string[] {
    const lines: string[] = [];
    for (const node of this.#network.nodes) {
      const status = toldBy(node);
      if (status === undefined || status instanceof Error) {
        const state = status === undefined ? "down" : `throws when it is asked: ${status.message}`;
        lines.push(`n${node.slot} ${state}, ${node.restarts} restarts`);
        continue;
      }
      const problems = status.problems.map((problem) => problem.code).join(",");
      lines.push(
        `n${node.slot} epoch ${status.epoch} view ${status.view} final ${status.finalHeight} ` +
          `executed ${status.executedHeight} log ${status.logSize} voting ${status.voting} ` +
          `peers ${status.peers.length} mempool ${status.mempoolBatches} ` +
          `restarts ${node.restarts} ${problems}`.trimEnd(),
      );
    }
    return lines;
  }

  #report(): string[] {
    const { logs, world } = this.#network;
    const lines = this.#nodeLines();
    for (const line of logs.slice(-40)) {
      lines.push(`${(line.atMs / 1000).toFixed(3)} n${line.slot} ${line.level} ${line.text}`);
    }
    for (const event of world.trace.last(50)) lines.push(formatEvent(event));
    return lines;
  }
}

const runOnce = (
  scenario: Scenario,
  options: RunOptions,
): { readonly result: RunResult; readonly up: ReadonlySet<number> } => {
  const run = new Run(scenario, options);
  try {
    run.phases();
    return { result: run.result("ok", undefined), up: run.up() };
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return { result: run.result(error.outcome, error.violation), up: run.up() };
  } finally {
    run.end();
  }
};

/** Whether a run has waited in vain for what should have come: of a timer that is too long (L6) all is said. */
const isStuck = ({ outcome, violation }: RunResult): boolean =>
  outcome === "liveness" && violation !== undefined && !["L0", "L6"].includes(violation.id);

/** What a second run shows holds for the first only where nothing went otherwise in it. */
const isAlike = (first: RunResult, second: RunResult): boolean =>
  first.violation?.id === second.violation?.id && first.traceHash === second.traceHash;

const NOT_REPEATED: Stuck = {
  causes: [
    "why is not known: the run was repeated to see it, and the second one went another way (I17)",
  ],
  tables: [],
};

const withStuck = (result: RunResult, stuck: Stuck | undefined): RunResult =>
  stuck === undefined
    ? result
    : {
        ...result,
        stuck,
        report: ["why it is stuck:", ...stuckLines(stuck), "", ...result.report],
      };

const withFork = (result: RunResult, fork: Fork | undefined): RunResult =>
  fork === undefined
    ? result
    : {
        ...result,
        fork,
        report: ["who made the fork possible:", ...stuckLines(fork), "", ...result.report],
      };

/**
 * Runs a scenario once; one that is stuck again to say why, and one that forks to say who has made that possible. Never
 * throws for what the code under test does.
 */
export const simulate = (scenario: Scenario, given: RunOptions): RunResult => {
  const { watch, explains = true, ...options } = runOptionsOf(scenario, given);
  const { checkers = CHECKERS } = options;
  const seen = watch === undefined ? checkers : [watch, ...checkers];
  const { result, up } = runOnce(scenario, { ...options, checkers: seen });
  const { violation } = result;
  if (explains === false || violation === undefined) return withStuck(result, result.stuck);
  const { onEvent: _seen, ...silent } = options;
  const fork = explainFork(
    result,
    checkers,
    (part) => runOnce(scenario, { ...silent, ...part }).result,
  );
  if (explains === "forks" || !isStuck(result))
    return withFork(withStuck(result, result.stuck), fork);
  const witness = createWitness();
  const second = runOnce(scenario, { ...silent, checkers: [...checkers, witness.checker] });
  const why = isAlike(result, second.result) ? witness.explain(up, violation) : NOT_REPEATED;
  return withStuck(result, why);
};
