/**
 * A property of your own from a module: what `--with FILE` loads, in the command and in the threads of a swarm.
 * The module exports any of `property`, `projections`, `events` and `checkers`; its checkers come on top of
 * those of the simulator.
 */
import { pathToFileURL } from "node:url";
import { CHECKERS } from "./checkers/index.ts";
import type { CheckerFactory } from "./checkers/types.ts";
import type { SimulateOptions } from "./options.ts";

export type Own = Pick<SimulateOptions, "checkers" | "projections" | "property" | "events">;

const NAMES: readonly string[] = ["property", "projections", "events", "checkers"];
const LISTS: readonly string[] = ["projections", "checkers"];

/** What a module adds to every run. Throws RangeError for what a run cannot use. */
export const ownOf = (module: Readonly<Record<string, unknown>>): Own => {
  const given = NAMES.filter((name) => module[name] !== undefined);
  if (given.length === 0) throw new RangeError(`it exports none of ${NAMES.join(", ")}`);
  for (const name of given) {
    const isList = LISTS.includes(name);
    const fits = isList ? Array.isArray(module[name]) : typeof module[name] === "function";
    if (!fits) throw new RangeError(`${name}: ${isList ? "a list" : "a function"}`);
  }
  const own = Object.fromEntries(given.map((name) => [name, module[name]])) as Own;
  const { checkers = [] } = own;
  if (
    !checkers.every((factory: unknown): factory is CheckerFactory => typeof factory === "function")
  ) {
    throw new RangeError("checkers: a list of functions");
  }
  return { ...own, checkers: [...CHECKERS, ...checkers] };
};

/** Loads the module at an absolute path; nothing of a path that is undefined. */
export const loadOwn = async (path: string | undefined): Promise<Own> =>
  path === undefined ? {} : ownOf(await import(pathToFileURL(path).href));
