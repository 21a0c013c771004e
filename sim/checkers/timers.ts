/**
 * L6: timers shrink again. A view's timer is t_idle and three times D_k, and k counts the views since the last
 * finalization in which a node's own timer fired (R5): in each of these it has said S or F. So no timer that a
 * node sets is longer than the views above its final block, in which it has said something, allow: when a block
 * is final, timers are what they were at first.
 */
import { decodeStatement } from "./decode.ts";
import { headersOf } from "./headers.ts";
import type { CheckContext, Checker } from "./types.ts";

/** The parameters of simulated chains (sim/genesis.ts), and D_max; milliseconds. */
const IDLE_MS = 1_000;
const FIRST_MS = 250;
const MOST_MS = 60_000;
/** From so many open views on re-proposals are paced, and timers wait for the pace, D_max at most. */
const QUICK_VIEWS = 64;
/** Views whose timer has run out and whose statement is still being signed, on a slow processor. */
const UNSIGNED_VIEWS = 3;
/** A request to a peer that answers nothing waits twice as long each time; view timers are not of these lengths. */
const REQUEST_MS = 2_000;

/** The longest timer of a view after so many that ran out, where re-proposals are not paced. */
export const timerBound = (count: number): number => {
  let delayMs = FIRST_MS;
  for (let k = 0; k < count && delayMs < MOST_MS; k++) delayMs = Math.floor((delayMs * 3) / 2);
  return IDLE_MS + 3 * Math.min(delayMs, MOST_MS);
};

const isRequest = (delayMs: number): boolean =>
  delayMs % REQUEST_MS === 0 && Number.isInteger(Math.log2(delayMs / REQUEST_MS));

type Node = {
  epoch: number;
  /** Whether it could vote in all views above the final one: what it may not say it cannot be counted by. */
  sure: boolean;
  finalView: number;
  /** Views above the final one in which it has said S or F. */
  said: Set<number>;
};

export const timersShrink = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const nodes = new Map<number, Node>();
  const usualMs = timerBound(0);
  /** The newest view in which anybody has said something: who is back enters it at once. */
  let top = { epoch: 0, view: 0 };
  const nodeOf = (slot: number): Node => {
    let node = nodes.get(slot);
    if (node === undefined) {
      node = { epoch: 0, sure: true, finalView: 0, said: new Set() };
      nodes.set(slot, node);
    }
    return node;
  };

  return {
    id: "L6",
    title: "timers are no longer than the views since the last final block allow",
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    signed: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement === undefined || !context.honest(slot)) return;
      const node = nodeOf(slot);
      const { epoch, view } = statement;
      if (epoch > top.epoch || (epoch === top.epoch && view > top.view)) top = { epoch, view };
      if (epoch > node.epoch) {
        nodes.set(slot, { epoch, sure: node.sure, finalView: 0, said: new Set([view]) });
      } else if (statement.view > node.finalView) node.said.add(statement.view);
    },
    booted: (slot) => {
      nodeOf(slot).sure = false;
    },
    status: (slot, { finalHash, voting }) => {
      if (voting !== "yes") nodeOf(slot).sure = false;
      const node = nodes.get(slot);
      const header = node === undefined ? undefined : headers.get(finalHash);
      if (node === undefined || header?.epoch !== node.epoch) return;
      if (header.view <= node.finalView) return;
      node.finalView = header.view;
      node.sure = voting === "yes";
      for (const view of node.said) if (view <= header.view) node.said.delete(view);
    },
    timer: (slot, delayMs) => {
      if (delayMs <= usualMs || !context.honest(slot) || isRequest(delayMs)) return;
      context.mark("timer grown");
      const { epoch, said, sure, finalView } = nodeOf(slot);
      const isPaced = epoch === top.epoch && top.view - finalView >= QUICK_VIEWS;
      const boundMs = timerBound(said.size + UNSIGNED_VIEWS) + (isPaced ? MOST_MS : 0);
      if (!sure || delayMs <= boundMs) return;
      const why = `${said.size} views above the final view ${finalView} allow ${boundMs}`;
      context.report("L6", `n${slot} waits ${delayMs} ms, where ${why}`);
    },
  };
};
