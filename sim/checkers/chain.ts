/**
 * I5 and I19: each final block stands on the final block below it, every view between the two was skipped by
 * a quorum, and the set that an epoch hands to the next is the same everywhere and the one that it must be.
 */
import { backingsOf } from "./backing.ts";
import { decodeStatement, NULLIFY } from "./decode.ts";
import { type Header, headersOf } from "./headers.ts";
import { hex, taggedHash } from "./oracle.ts";
import { Recent } from "./recent.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker } from "./types.ts";

/** Of a statement that names no block. */
const NO_HASH = "00".repeat(32);

/** Hash of the set of an epoch by docs/protocol.md, "Validator set and leaders". */
export const setHashOf = (
  context: Pick<CheckContext, "chainId" | "members">,
  epoch: number,
): string => {
  const members = [...context.members].sort((a, b) => a.index - b.index);
  const head = Buffer.alloc(8 + 2);
  head.writeBigUInt64BE(BigInt(epoch), 0);
  head.writeUInt16BE(members.length, 8);
  const parts: Uint8Array[] = [head];
  for (const { idHex, publicKey, weight } of members) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(publicKey.length);
    const weightBytes = Buffer.alloc(8);
    weightBytes.writeBigUInt64BE(weight);
    parts.push(Buffer.from(idHex, "hex"), length, publicKey, weightBytes);
  }
  return hex(taggedHash(context.chainId, "set", Buffer.concat(parts)));
};

export const chainContiguous = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const sets = setsOf(context);
  const backings = backingsOf(context);
  const checked = new Recent<string, true>();

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

  const check = (hash: string): void => {
    let at = hash;
    for (;;) {
      const header = headers.get(at);
      if (header === undefined || checked.has(at)) return;
      checked.set(at, true);
      const fault = faultOf(header);
      if (fault !== undefined) context.report("I5", `final block ${header.height} ${fault}`);
      if (header.nextSet !== undefined) {
        context.mark("boundary block final");
        const next = sets.at(header.epoch + 1);
        const { chainId } = context;
        const wanted =
          next === undefined
            ? header.nextSet
            : setHashOf({ chainId, members: next.members }, header.epoch + 1);
        if (header.nextSet !== wanted) {
          context.report("I19", `epoch ${header.epoch} hands over another set than it must`);
        }
      }
      at = header.parentHash;
    }
  };

  return {
    id: "I5",
    title: "final blocks stand on each other, views between them are skipped, sets are equal (I19)",
    released: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement !== undefined) backings.note(slot, statement);
    },
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    status: (slot, status) => {
      if (context.honest(slot)) check(status.finalHash);
    },
  };
};
