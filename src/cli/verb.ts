/** How a verb is hung into the program: it gets the context, its own options, and its arguments. */
import type { CliContext } from "./context.ts";

export type Verb<O> = (context: CliContext, options: O, ...args: string[]) => Promise<void>;

/** Wraps a verb as an action of the command parser; errors go to the one place that explains them. */
export type RunVerb = <O>(verb: Verb<O>) => (...args: unknown[]) => Promise<void>;
