/** Checkers of the caller's own: what they throw is reported as theirs, and ends the run. */
import type { Checker, CheckerFactory } from "./checkers/types.ts";
import { MISTAKE_ID, thrownBy } from "./mistake.ts";

/** A checker of the caller's own, whose throws are reported. */
export const guardedChecker =
  (factory: CheckerFactory): CheckerFactory =>
  (context) => {
    const blame = (error: unknown): void =>
      context.report(MISTAKE_ID, thrownBy("a checker of your own", error));
    const hooks = new Map<PropertyKey, unknown>();
    const hookOf = (checker: Checker, name: PropertyKey): unknown => {
      const hook: unknown = Reflect.get(checker, name);
      if (typeof hook !== "function") return hook;
      return (...args: readonly unknown[]): unknown => {
        try {
          return Reflect.apply(hook, checker, args);
        } catch (error) {
          blame(error);
          return undefined;
        }
      };
    };
    try {
      return new Proxy(factory(context), {
        get: (checker, name) => {
          if (!hooks.has(name)) hooks.set(name, hookOf(checker, name));
          return hooks.get(name);
        },
      });
    } catch (error) {
      // Nothing has begun yet that a report could end.
      return { id: MISTAKE_ID, title: "could not be made", looked: () => blame(error) };
    }
  };
