/**
 * I10 for the state: the root that a node has told is the one that the oracle computes from the rows on its disk,
 * each with the event that it is of. All nodes run one executor, so that roots that are equal say nothing of a
 * row that all of them leave out of the tree.
 */
import { Cursor, hex } from "./oracle.ts";
import {
  type ExecutedHeight,
  executedOf,
  projectionRoot,
  rowsByProjection,
  type StoredRow,
  stateRootOf,
} from "./state-tree.ts";
import type { CheckContext, Checker, Dump, StoredState } from "./types.ts";

/** Origin of what no event has written. */
const GENESIS_ORIGIN = 2 ** 53 - 1;

/** What is wrong with the origin of a row. */
const faultOfOrigin = ({ stored }: StoredRow, { logSize }: ExecutedHeight): string | undefined => {
  const cursor = new Cursor(stored);
  const origin = cursor.u64();
  if (!cursor.ok) return "has no origin";
  if (origin === GENESIS_ORIGIN || origin < logSize) return undefined;
  return `is of event ${origin} in a log of ${logSize}`;
};

const faultOfRows = (
  chainId: string,
  state: StoredState,
  executed: ExecutedHeight,
): string | undefined => {
  const rows = rowsByProjection(state);
  for (const { name, root } of executed.projections) {
    const own = rows.get(name) ?? [];
    rows.delete(name);
    for (const row of own) {
      const fault = faultOfOrigin(row, executed);
      if (fault !== undefined) return `row ${hex(row.key)} of ${name} ${fault}`;
    }
    const wanted = hex(projectionRoot(chainId, own));
    if (wanted === hex(root)) continue;
    const roots = `${hex(root).slice(0, 16)} and not ${wanted.slice(0, 16)}`;
    return `the root of ${name} is ${roots}, that of its ${own.length} rows`;
  }
  const [left] = rows.keys();
  if (left !== undefined) return `rows of ${left} are under no root`;
  if (hex(stateRootOf(chainId, executed.projections)) === executed.stateRoot) return undefined;
  return "the state root is not that of its projections";
};

/** What was found right, by the root: who has the very same rows needs no tree of its own. */
type Judged = Map<string, StoredState>;

const isSame = (a: StoredState, b: StoredState): boolean =>
  Buffer.compare(a.record, b.record) === 0 &&
  a.rows.length === b.rows.length &&
  a.rows.every(([key, stored], at) => {
    const other = b.rows[at];
    if (other === undefined || Buffer.compare(key, other[0]) !== 0) return false;
    return stored === other[1] || Buffer.compare(stored, other[1]) === 0;
  });

const faultOf = (
  chainId: string,
  { status }: Dump,
  state: StoredState,
  judged: Judged,
): string | undefined => {
  const executed = executedOf(state.record);
  if (executed === undefined) return "the newest record of an execution is none";
  const { height, stateRoot } = executed;
  // The disk may be a block ahead of what the process has heard of it, and never behind.
  if (height < status.executedHeight) {
    return `${status.executedHeight} is executed, and its disk is at height ${height}`;
  }
  if (height === status.executedHeight && stateRoot !== status.stateRoot) {
    return `it tells another state root of height ${height} than it has written`;
  }
  const known = judged.get(stateRoot);
  if (known !== undefined && isSame(known, state)) return undefined;
  const fault = faultOfRows(chainId, state, executed);
  if (fault === undefined) judged.set(stateRoot, state);
  return fault && `height ${height}: ${fault}`;
};

export const stateRootFollows = (context: CheckContext): Checker => ({
  id: "I10",
  title: "the state root is the oracle's own tree over the rows on the disk",
  end: (dumps) => {
    const judged: Judged = new Map();
    for (const dump of dumps) {
      if (!context.honest(dump.slot) || dump.state === undefined) continue;
      const fault = faultOf(context.chainId, dump, dump.state, judged);
      if (fault !== undefined) return context.report("I10", `n${dump.slot}: ${fault}`);
      context.mark("state root computed from rows");
    }
  },
});
