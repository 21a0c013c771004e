/** Checkers of the caller's own: what they throw is reported as theirs, and ends the run. */
import type { Checker, CheckerFactory } from "./checkers/types.ts";
import { isAsync, MISTAKE_ID, thrownBy } from "./mistake.ts";

/** What the factory has given; throws where that can be no checker. */
const madeBy = (factory: CheckerFactory, context: Parameters<CheckerFactory>[0]): Checker => {
  const made = factory(context);
  if (Object(made) !== made) throw new TypeError(`no checker, but ${String(made)}`);
  if (isAsync(made)) throw new TypeError("a promise of a checker: it must not be async");
  return made;
};

/** A checker of the caller's own, whose throws are reported. */
export const guardedChecker =
  (factory: CheckerFactory): CheckerFactory =>
  (context) => {
    const blame = (error: unknown): void =>
      context.report(MISTAKE_ID, thrownBy("a checker of your own", error));
    const tried = <T>(ask: () => T): T | undefined => {
      try {
        return ask();
      } catch (error) {
        blame(error);
        return undefined;
      }
    };
    try {
      const checker = madeBy(factory, context);
      const guards = new WeakMap<object, unknown>();
      // Its target is not the checker: of one that is frozen, a proxy must give what it has, and no guard.
      return new Proxy({} as Checker, {
        get: (_, name) => {
          const hook: unknown = tried(() => Reflect.get(checker, name));
          if (typeof hook !== "function") return hook;
          const known = guards.get(hook);
          if (known !== undefined) return known;
          const guard = (...args: readonly unknown[]): unknown =>
            tried(() => {
              const given: unknown = Reflect.apply(hook, checker, args);
              if (isAsync(given)) throw new TypeError("a promise: it must not be async");
              return given;
            });
          guards.set(hook, guard);
          return guard;
        },
      });
    } catch (error) {
      // Nothing has begun yet that a report could end.
      return { id: MISTAKE_ID, title: "could not be made", looked: () => blame(error) };
    }
  };
