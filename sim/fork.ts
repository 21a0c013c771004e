/**
 * Who made a fork possible. A run that ends because a fork is there, or could be, is run again with the prosecutor
 * (checkers/culprits.ts), which reads every signature that reaches somebody honest, and judged by little but whether
 * two honest nodes do have other blocks of one height: the first run ends as soon as liars could fork, and they may not
 * have said any of it by then. A second run costs nothing where there is no fork.
 */
import { agreement } from "./checkers/agreement.ts";
import { type Culprit, createProsecutor, type Prosecutor } from "./checkers/culprits.ts";
import { NOTARIZE, NULLIFY, type Statement } from "./checkers/decode.ts";
import type { CheckerFactory } from "./checkers/types.ts";
import type { Violation } from "./observe.ts";
import type { RunOptions } from "./run-options.ts";
import { type StuckTable, shortHash, slotList, tableOf, verb } from "./stuck/model.ts";

export type ForkCulprit = {
  readonly node: number;
  /** Decimal, as is that of all: stake may be more than a number holds. */
  readonly weight: string;
  /** Follows the protocol by the scenario: to be named is a finding (I13). */
  readonly honest: boolean;
  readonly epoch: number;
  readonly view: number;
  /** Two statements that exclude each other. */
  readonly signed: readonly [string, string];
};

export type Fork = {
  /** Which blocks two honest nodes have at one height; null where it did not come to that. */
  readonly shown: string | null;
  readonly culprits: readonly ForkCulprit[];
  /** What they weigh, of what all weigh. */
  readonly weight: string;
  readonly total: string;
  /** What is wrong with them (I13): somebody honest is among them, or a fork took less than a third. */
  readonly fault: string | null;
  /** The same as sentences, and as a table. */
  readonly causes: readonly string[];
  readonly tables: readonly StuckTable[];
};

/** Ids of what only a fork breaks, or what a fork takes. */
const POSSIBLE_IDS = ["I1", "I3", "I4", "I6"];
/** Ids that a fork shows itself by, and much else does too: reported on only where there is one. */
const VISIBLE_IDS = ["I5", "I10"];

export const isForkId = (id: string): boolean => [...POSSIBLE_IDS, ...VISIBLE_IDS].includes(id);

const statementText = ({ kind, hash }: Statement): string =>
  kind === NULLIFY ? "S" : `${kind === NOTARIZE ? "N" : "F"} ${shortHash(hash)}`;

const NOT_REPEATED =
  "who made the fork possible is not known: the run was repeated to see it, and the second one went another way (I17)";

/** Of two runs that are not alike nothing is known. */
const unknown = (): Fork => ({
  ...{ shown: null, culprits: [], weight: "0", total: "0", fault: null },
  causes: [NOT_REPEATED],
  tables: [],
});

const forkOf = (prosecutor: Prosecutor, shown: string | undefined): Fork => {
  const found = [...prosecutor.culprits()].sort((a, b) => a.slot - b.slot);
  const { weight, total, weightOf } = prosecutor.share();
  const rowOf = ({ slot, statements }: Culprit): ForkCulprit => ({
    ...{ node: slot, weight: String(weightOf(slot)), honest: prosecutor.isHonest(slot) },
    ...{ epoch: statements[0].epoch, view: statements[0].view },
    signed: [statementText(statements[0]), statementText(statements[1])],
  });
  const culprits = found.map(rowOf);
  const slots = found.map(({ slot }) => slot);
  const isOver = weight * 3n > total;
  const share = `${weight} of ${total} by weight, ${isOver ? "" : "not "}more than a third`;
  const named = `${slotList(slots)} ${verb(slots, "has")} signed what excludes each other: ${share}`;
  const fault = shown === undefined ? prosecutor.faultOfHonest() : prosecutor.faultAfterFork();
  const honest = culprits.some((one) => one.honest);
  const causes = [
    shown === undefined
      ? "no two honest nodes had other blocks of one height by the end, where the run went on after this"
      : `two honest nodes have other blocks: ${shown}`,
    slots.length === 0
      ? "nobody has signed what excludes each other, as far as honest nodes know"
      : named,
    ...(slots.length === 0 || honest ? [] : ["nobody honest is among them"]),
    ...(fault === undefined ? [] : [`I13 is broken: ${fault}`]),
  ];
  const table = tableOf(
    "Who signed what",
    ["node", "weight", "epoch", "view", "signed", "and"],
    culprits.map(({ node, honest: isHonest, signed, ...one }) => {
      const name = isHonest ? `n${node} (honest)` : `n${node}`;
      return [name, ...[one.weight, one.epoch, one.view].map(String), ...signed];
    }),
  );
  return {
    ...{ shown: shown ?? null, culprits, weight: String(weight), total: String(total) },
    ...{ fault: fault ?? null, causes },
    tables: culprits.length === 0 ? [] : [table],
  };
};

/** Keeps a run from ending before the moment in which the first one did: what that waited for is not asked here. */
const lasting =
  (atMs: number): CheckerFactory =>
  (context) => ({
    id: "lasting",
    title: "the run is as long as the one before",
    settled: () => context.nowUs() > atMs * 1000,
    settlesByUs: () => (atMs + 1) * 1000,
  });

/** Looks and waits as it does, and finds nothing. */
const silenced =
  (factory: CheckerFactory): CheckerFactory =>
  (context) =>
    factory({ ...context, report: () => undefined });

/** What a run has found, and its trace up to there. */
type Found = { readonly violation: Violation | undefined; readonly traceHash: string };

/**
 * Who made the fork possible that `found` ends by; undefined where it ends by something else. `checkers` are those of
 * the first run: what they read at nodes while they wait is part of it.
 */
export const explainFork = (
  { violation, traceHash }: Found,
  checkers: readonly CheckerFactory[],
  again: (part: Pick<RunOptions, "checkers" | "onEvent">) => Found,
): Fork | undefined => {
  if (violation === undefined || !isForkId(violation.id)) return undefined;
  const prosecutor = createProsecutor();
  // At each event the trace tells half of its hash. The second run goes on after the event by which the first ends.
  const endOfFirst = Number.parseInt(traceHash.slice(0, 8), 16);
  let isAlike = false;
  const second = again({
    checkers: [
      prosecutor.checker,
      ...checkers.map(silenced),
      agreement,
      // The last: what the others wait for they read at the nodes, as they did in the first run.
      lasting(violation.atMs),
    ],
    onEvent: (_event, digest) => {
      isAlike ||= digest === endOfFirst;
    },
  });
  const shown = second.violation?.id === "I1" ? second.violation.detail : undefined;
  if (shown === undefined && !POSSIBLE_IDS.includes(violation.id)) return undefined;
  return isAlike ? forkOf(prosecutor, shown) : unknown();
};
