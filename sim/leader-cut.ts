/**
 * The fault that cuts off who leads, by the oracle's own schedule: from the moment when the leader of a view, which
 * none seen before is beyond, sends its proposal, until the end or, where it follows, until the next one does so. The
 * proposal itself is stopped, too. A leader that proposes nothing is not looked for.
 */
import { type At, isAfter } from "./adversary/by-view.ts";
import type { SimNet } from "./net.ts";
import { statementOfFrame } from "./statements.ts";

export type LeaderCutWiring = {
  readonly net: SimNet;
  readonly n: number;
  readonly follow: boolean;
  /** The slot of who leads a view, by the oracle; undefined where it does not know. */
  leaderOf(epoch: number, view: number): number | undefined;
  /** From now on it is cut off. */
  aimed(slot: number, view: number): void;
  /** A leader was cut off in a view that it led: what it has proposed there has been stopped on its way. */
  felt(slot: number, view: number): void;
};

type Aim = At & { readonly slot: number; felt: boolean };

/** Begins it; what is returned ends it. */
export const cutLeaders = (wiring: LeaderCutWiring): (() => void) => {
  const { net, n, follow, leaderOf, aimed, felt } = wiring;
  let aim: Aim | undefined;
  const others = (slot: number): number[] =>
    Array.from({ length: n }, (_, other) => other).filter((other) => other !== slot);
  const cut = (slot: number): void => {
    for (const other of others(slot)) {
      net.block(slot, other);
      net.block(other, slot);
    }
  };
  const mend = (slot: number): void => {
    for (const other of others(slot)) {
      net.unblock(slot, other);
      net.unblock(other, slot);
    }
  };
  const unwatch = net.watch({
    sent: (from, _to, _class, bytes) => {
      if (aim !== undefined && !follow) return;
      const at = statementOfFrame(bytes);
      if (at?.message !== "proposal" || !isAfter(at, aim)) return;
      if (from >= n || leaderOf(at.epoch, at.view) !== from) return;
      const before = aim?.slot;
      aim = { epoch: at.epoch, view: at.view, slot: from, felt: false };
      if (before === from) return;
      aimed(from, at.view);
      cut(from);
      if (before !== undefined) mend(before);
    },
    stopped: (from, _to, bytes) => {
      if (aim === undefined || aim.felt || from !== aim.slot) return;
      const at = statementOfFrame(bytes);
      if (at?.message !== "proposal" || at.epoch !== aim.epoch || at.view !== aim.view) return;
      aim.felt = true;
      felt(from, aim.view);
    },
  });
  return () => {
    unwatch();
    if (aim !== undefined) mend(aim.slot);
    aim = undefined;
  };
};
