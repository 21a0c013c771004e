/** The blocks that are final, by their headers: each is told once to all checkers of a run that ask (I5, I19). */
import { type Header, headersOf } from "./headers.ts";
import { perRun } from "./per-run.ts";
import { Recent } from "./recent.ts";
import type { CheckContext } from "./types.ts";

type Listener = (header: Header) => void;

export type FinalChain = {
  /** Is called of each final block whose header is known. */
  onBlock(listener: Listener): void;
  /** An honest node has it as final, and all below. Every checker that asks calls it; the first call does it. */
  shown(hash: string): void;
};

const create = (context: CheckContext): FinalChain => {
  const headers = headersOf(context);
  const listeners: Listener[] = [];
  const told = new Recent<string, true>();
  return {
    onBlock: (listener) => {
      listeners.push(listener);
    },
    shown: (hash) => {
      let at = hash;
      for (;;) {
        const header = headers.get(at);
        if (header === undefined || told.has(at)) return;
        told.set(at, true);
        for (const listener of listeners) listener(header);
        at = header.parentHash;
      }
    },
  };
};

/** One chain for all checkers of a run. */
export const finalChainOf = perRun(create);
