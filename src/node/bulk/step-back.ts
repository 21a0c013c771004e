/**
 * Lets everything else on the machine have the processor first: whatever bulk takes from a validator's thread is
 * time that a vote waits. The budget of a session's bulk (bulk-budget.ts) cannot do that for a process of its own.
 */
import { readdirSync } from "node:fs";
import { constants, getPriority, setPriority } from "node:os";

/** Beside one busy thread of usual priority such a process gets about a tenth of a core; alone it gets all of it. */
export const BULK_NICENESS: number = constants.priority.PRIORITY_BELOW_NORMAL;

/** The threads of this process; on systems that do not tell, none. */
const threads = (): readonly number[] => {
  try {
    return readdirSync("/proc/self/task").map(Number);
  } catch {
    return [];
  }
};

/** Makes a process or thread as nice as bulk has to be. One that is nicer stays so: only root may take that back. */
export const makeNice = (id: number): void => {
  try {
    if (getPriority(id) < BULK_NICENESS) setPriority(id, BULK_NICENESS);
  } catch {
    // It has ended meanwhile, or the system does not let us: bulk runs as it is then.
  }
};

/** For this process: call it before a driver makes its threads, which are as nice as who makes them. */
export const stepBack = (): void => {
  makeNice(process.pid);
  // Linux means the one thread by that. Those of V8 are there already.
  for (const thread of threads()) makeNice(thread);
};
