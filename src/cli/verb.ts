/** How a verb is hung into the program: it gets the context, its own options, and its arguments. */
import type { CliContext } from "./context.ts";

export type Verb<O> = (context: CliContext, options: O, ...args: string[]) => Promise<void>;

/** Makes an action of the command parser from a verb that is loaded when it is needed. */
export type RunVerb = <O>(load: () => Promise<Verb<O>>) => (...args: unknown[]) => Promise<void>;
