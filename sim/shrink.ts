/**
 * Makes a failing scenario smaller: takes away proofs, faults, adversaries, nodes, time, load and roughness while
 * the same invariant still fails, and where nothing of that goes any more, makes the faults that are left milder.
 * Lists lose their halves first, then quarters, as delta debugging does (Zeller and Hildebrandt 2002). Greedy and in
 * order, so the result is the same every time.
 *
 * What is left must be a scenario of the same kind. Where less than a third of the weight lies, has forgotten its
 * votes or lives in another hour, that stays so, because with more of it the invariant would fail by right; where
 * it is more, its share does not grow; and one honest node is left at least. Where what fails is what its author
 * expects of it, that a quorum is down or something seen, what makes that so is not taken away.
 */
import { calmed, degreesOf, halved } from "./milder.ts";
import { MISTAKE_ID } from "./mistake.ts";
import {
  calmerKnobs,
  earlier,
  firstFaultMs,
  lastFaultMs,
  lighterWorkloads,
  rounded,
  shorterFault,
  withoutAtlas,
  withoutClaims,
  withoutContest,
  withoutCore,
  withoutFlood,
  withoutNode,
  withoutPipeline,
  withoutProof,
  withoutProofs,
  withoutRights,
} from "./reduce.ts";
import { type Fault, faultySlots, JOINING, type Scenario, untrustedWeight } from "./scenario.ts";
import { parseScenario } from "./scenario-shape.ts";

/** What failed: an invariant, when, and what was said of it. */
export type Failed = { readonly id: string; readonly detail?: string; readonly atMs?: number };

/** Runs a scenario and says what failed, if something did. */
export type Failing = (scenario: Scenario) => Failed | undefined;

export type ShrinkStep = {
  readonly runs: number;
  readonly budget: number;
  readonly best: Scenario;
};

export type ShrinkOptions = {
  /** At most so many runs are spent (200). */
  readonly budget?: number;
  /** Asked before each run: true ends the search with what was found so far. */
  readonly stop?: () => boolean;
  readonly onStep?: (step: ShrinkStep) => void;
};

/** What the report of a run says that cannot go on because the last good copies are gone (atlas.ts). */
const COPIES_GONE = "the last good copies are gone";

/**
 * Two failures are the same when their invariant is, of what was thrown its message, and of marks which one; and
 * who is stuck because its data are gone for good is stuck for another reason.
 */
export const signatureOf = ({ id, detail = "" }: Failed): string => {
  if (id === "mark") return `${id} ${detail}`;
  if (id !== "exception" && id !== MISTAKE_ID)
    return detail.includes(COPIES_GONE) ? `${id}, ${COPIES_GONE}` : id;
  const [first = ""] = detail.split("\n");
  return `${id} ${first.replaceAll(/\d+/g, "#")}`;
};

type Share = ReturnType<typeof untrustedWeight>;

/**
 * The same share where validators come and go: the last nodes are not in the genesis, and of those who are a quarter
 * may be in jail.
 */
const stakedShare = (scenario: Scenario): Share => {
  const { weight, total } = untrustedWeight(scenario);
  if (scenario.proofs?.includes("stake") !== true) return { weight, total };
  const joining = scenario.weights.slice(-JOINING).reduce((sum, one) => sum + one, 0);
  return { weight, total: (total - joining) * 0.75 };
};

/** Below a third stays below it; what is not does not grow. */
const isKept = (before: Share, after: Share): boolean =>
  before.weight * 3 < before.total
    ? after.weight * 3 < after.total
    : after.weight * before.total <= before.weight * after.total;

/** Whether a scenario stays what the first one was: see above. */
export const isSameKind = (first: Scenario, candidate: Scenario): boolean =>
  candidate.n > faultySlots(candidate).size &&
  isKept(untrustedWeight(first), untrustedWeight(candidate)) &&
  isKept(stakedShare(first), stakedShare(candidate));

class Search {
  best: Scenario;
  runs = 0;
  readonly #budget: number;
  readonly #options: ShrinkOptions;
  readonly #failing: Failing;
  readonly #first: Scenario;
  readonly #seen = new Set<string>();
  #wanted = "";

  constructor(scenario: Scenario, failing: Failing, options: ShrinkOptions) {
    this.best = scenario;
    this.#first = scenario;
    this.#failing = failing;
    this.#options = options;
    this.#budget = options.budget ?? 200;
  }

  get over(): boolean {
    return this.runs >= this.#budget || this.#options.stop?.() === true;
  }

  #run(candidate: Scenario): Failed | undefined {
    this.runs += 1;
    const failed = this.#failing(candidate);
    this.#options.onStep?.({ runs: this.runs, budget: this.#budget, best: this.best });
    return failed;
  }

  /** Runs the scenario itself; undefined when nothing fails. */
  first(): Failed | undefined {
    const failed = this.#run(this.best);
    if (failed !== undefined) this.#wanted = signatureOf(failed);
    this.#seen.add(JSON.stringify(this.best));
    return failed;
  }

  /** Takes the candidate when it fails in the same way. */
  try(candidate: Scenario): boolean {
    const text = JSON.stringify(candidate);
    if (this.over || this.#seen.has(text)) return false;
    this.#seen.add(text);
    if (!isSameKind(this.#first, candidate)) return false;
    try {
      parseScenario(text);
    } catch {
      return false;
    }
    const failed = this.#run(candidate);
    if (failed === undefined || signatureOf(failed) !== this.#wanted) return false;
    this.best = candidate;
    return true;
  }

  /** Takes halves, quarters and at last single items out of a list. */
  fewer(name: "faults" | "adversaries"): void {
    if (this.best[name].length === 0 || this.try({ ...this.best, [name]: [] })) return;
    for (let size = this.best[name].length >> 1; size >= 1 && !this.over; size >>= 1) {
      for (let at = 0; at < this.best[name].length; ) {
        const rest = this.best[name].filter((_, i) => i < at || i >= at + size);
        if (!this.try({ ...this.best, [name]: rest })) at += size;
      }
    }
  }

  /** Half of the nodes at once where that works, then one after the other, from the last. */
  fewerNodes(): void {
    while (this.best.n > 1 && !this.over) {
      const half = this.best.n >> 1;
      let candidate = this.best;
      for (let i = 0; i < half; i++) candidate = withoutNode(candidate, candidate.n - 1);
      if (!this.try(candidate)) break;
    }
    for (let slot = this.best.n - 1; slot >= 0 && this.best.n > 1; slot--) {
      this.try(withoutNode(this.best, slot));
    }
  }

  /** A chain that asks for less, all of which is healed. */
  plainer(): void {
    if (this.best.proofs !== undefined && !this.try(withoutProofs(this.best))) {
      for (const part of this.best.proofs) this.try(withoutProof(this.best, part));
    }
    this.try(withoutCore(this.best));
    this.try(withoutAtlas(this.best));
  }

  lessTime(): void {
    const endMs = lastFaultMs(this.best) + 500;
    if (endMs < this.best.healMs) this.try({ ...this.best, healMs: endMs });
    for (let byMs = firstFaultMs(this.best); byMs >= 50; byMs = Math.floor(byMs / 2)) {
      const limit = firstFaultMs(this.best);
      if (byMs <= limit) this.try(earlier(this.best, byMs));
    }
    for (let i = 0; i < this.best.faults.length; i++) {
      while (!this.over && this.try(shorterFault(this.best, i)));
    }
    while (this.best.healMs > 200) {
      const healMs = Math.floor(this.best.healMs / 2);
      if (!this.try({ ...this.best, healMs })) break;
    }
    for (const unitMs of [1_000, 100, 10]) if (this.try(rounded(this.best, unitMs))) break;
  }

  /** The i-th fault, made milder. */
  #tryFault(i: number, change: (fault: Fault) => Fault): boolean {
    const { faults } = this.best;
    return this.try({
      ...this.best,
      faults: faults.map((one, at) => (at === i ? change(one) : one)),
    });
  }

  /** Each fault at its mildest, else field by field, and where one must not be at its mildest by halves. */
  milder(): void {
    for (const [i, fault] of this.best.faults.entries()) {
      const degrees = degreesOf(fault);
      if (this.#tryFault(i, (one) => calmed(one, degrees))) continue;
      for (const degree of degrees) {
        if (this.#tryFault(i, (one) => calmed(one, [degree]))) continue;
        while (this.#tryFault(i, (one) => halved(one, degree.name)));
      }
    }
  }

  calmer(): void {
    // A candidate is made of the best at the time, so the list is made anew after each success.
    for (const make of [calmerKnobs, lighterWorkloads]) {
      for (let tries = 0; tries < 40 && !this.over; tries++) {
        if (![...make(this.best)].some((candidate) => this.try(candidate))) break;
      }
    }
  }
}

export type Shrunk = { readonly scenario: Scenario; readonly runs: number };

/** The smallest scenario found that fails in the same way, and the runs spent. */
export const shrink = (
  scenario: Scenario,
  failing: Failing,
  options: ShrinkOptions = {},
): Shrunk => {
  const search = new Search(scenario, failing, options);
  const failed = search.first();
  if (failed === undefined) return { scenario, runs: search.runs };
  if (failed.id === "mark") return { scenario, runs: search.runs };
  if (failed.id === "L8" && (scenario.expect.haltedMs ?? []).length > 0) {
    search.calmer();
    return { scenario: search.best, runs: search.runs };
  }
  // What is left of it need not show what its author wanted to be seen.
  search.try(withoutClaims(search.best));
  // What begins only after the failure has no part in it.
  const { atMs } = failed;
  if (atMs !== undefined) {
    const faults = scenario.faults.filter((fault) => fault.atMs <= atMs);
    search.try({ ...search.best, faults });
  }
  // A load that needs no fault to do harm would be all that is left: the faults may do it as well.
  if (scenario.workload.pipeline !== undefined) search.try(withoutPipeline(search.best));
  if (scenario.workload.floodBatches !== undefined) search.try(withoutFlood(search.best));
  if (scenario.workload.contested !== undefined) search.try(withoutContest(search.best));
  if (scenario.workload.rights !== undefined) search.try(withoutRights(search.best));
  for (let before = ""; !search.over; ) {
    const now = JSON.stringify(search.best);
    if (now === before) break;
    before = now;
    search.plainer();
    search.fewer("faults");
    search.fewer("adversaries");
    search.fewerNodes();
    search.lessTime();
    search.calmer();
    if (JSON.stringify(search.best) === now) search.milder();
  }
  return { scenario: search.best, runs: search.runs };
};
