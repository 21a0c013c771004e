/** I5: each final block stands on the final block below it, and every view between the two was skipped by a quorum. */
import { backingsOf } from "./backing.ts";
import { decodeStatement, NULLIFY } from "./decode.ts";
import { finalChainOf } from "./final-chain.ts";
import { type Header, headersOf } from "./headers.ts";
import { hex } from "./oracle.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker } from "./types.ts";

/** Of a statement that names no block. */
const NO_HASH = "00".repeat(32);

export const chainContiguous = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const chain = finalChainOf(context);
  const sets = setsOf(context);
  const backings = backingsOf(context);

  const isSkipped = (epoch: number, view: number): boolean => {
    const statement = { epoch, view, kind: NULLIFY, hash: NO_HASH };
    return (
      sets.at(epoch) === undefined ||
      backings.isBacked(statement) ||
      backings.hasForgotten(statement)
    );
  };

  /** What is wrong between a final block and its parent, or undefined. */
  const faultOf = (header: Header): string | undefined => {
    const parent = headers.get(header.parentHash);
    const isFirst = header.parentHash === hex(context.genesisHash);
    if (isFirst && header.height !== 1) return "stands on the genesis";
    if (parent !== undefined && parent.height !== header.height - 1) {
      return `stands on a block of height ${parent.height}`;
    }
    for (let view = header.parentView + 1; view < header.view; view++) {
      if (!isSkipped(header.epoch, view)) return `passes view ${view}, which no quorum has skipped`;
    }
    return undefined;
  };

  chain.onBlock((header) => {
    const fault = faultOf(header);
    if (fault !== undefined) context.report("I5", `final block ${header.height} ${fault}`);
  });

  return {
    id: "I5",
    title: "final blocks stand on each other, and views between them are skipped",
    released: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement !== undefined) backings.note(slot, statement);
    },
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    status: (slot, { finalHash }) => {
      if (context.honest(slot)) chain.shown(finalHash);
    },
  };
};
