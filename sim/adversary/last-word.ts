/** An adversary that proposes once, to everybody, and is then never heard again. */
import type { StrategyFactory } from "./types.ts";

/**
 * Honest until it leads a view: its first proposal there reaches every peer once, and is the last that
 * anybody hears of it. As a crash right after proposing, but one that no restart follows.
 */
export const lastWord: StrategyFactory = () => {
  let lastView: number | undefined;
  const told = new Set<string>();
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "proposal") return lastView !== undefined;
      const { view } = message.vote.statement;
      lastView ??= view;
      if (view !== lastView || told.has(peer)) return true;
      told.add(peer);
      return false;
    },
  };
};
