/**
 * Checkers of your own from a module: what `--with FILE` loads, in the command and in the workers of a swarm.
 * The module exports `checkers`, a list of factories as those of sim/checkers.
 */
import { pathToFileURL } from "node:url";
import { CHECKERS } from "./checkers/index.ts";
import type { CheckerFactory } from "./checkers/types.ts";
import type { RunOptions } from "./simulate.ts";

export type Own = Pick<RunOptions, "checkers">;

const isFactories = (value: unknown): value is readonly CheckerFactory[] =>
  Array.isArray(value) && value.every((item) => typeof item === "function");

/** What a module adds to every run. Throws RangeError when it exports nothing that a run can use. */
export const ownOf = (module: Readonly<Record<string, unknown>>): Own => {
  const { checkers } = module;
  if (!isFactories(checkers)) throw new RangeError('it must export "checkers", a list of functions');
  return { checkers: [...CHECKERS, ...checkers] };
};

/** Loads the module at an absolute path; nothing of a path that is undefined. */
export const loadOwn = async (path: string | undefined): Promise<Own> =>
  path === undefined ? {} : ownOf(await import(pathToFileURL(path).href));
