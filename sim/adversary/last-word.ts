/** An adversary that proposes once, to everybody, and is then never heard again. */
import type { Message } from "../../src/ledger/wire.ts";
import type { StrategyFactory } from "./types.ts";
import { isOwnSay } from "./votes.ts";

/**
 * Honest until it leads a view: its first proposal there reaches every peer once, and is the last that
 * anybody hears of it. As a crash right after proposing, but one that no restart follows.
 */
export const lastWord: StrategyFactory = (powers) => {
  let lastView: number | undefined;
  const told = new Set<string>();
  const silence = (message: Message | undefined): true => {
    if (isOwnSay(message)) powers.acted();
    return true;
  };
  return {
    outgoing: (peer, _class, _bytes, read) => {
      const message = read();
      if (message?.type !== "proposal") return lastView !== undefined && silence(message);
      const { view } = message.vote.statement;
      lastView ??= view;
      if (view !== lastView || told.has(peer)) return silence(message);
      told.add(peer);
      return false;
    },
  };
};
