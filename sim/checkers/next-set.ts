/** I19: the set that an epoch hands to the next is the same everywhere, and the one that it must be. */
import { finalChainOf } from "./final-chain.ts";
import { headersOf } from "./headers.ts";
import { hex, taggedHash } from "./oracle.ts";
import { setsOf } from "./sets.ts";
import type { CheckContext, Checker } from "./types.ts";

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

export const setHandedOver = (context: CheckContext): Checker => {
  const headers = headersOf(context);
  const chain = finalChainOf(context);
  const sets = setsOf(context);
  chain.onBlock(({ epoch, nextSet }) => {
    if (nextSet === undefined) return;
    context.mark("boundary block final");
    const next = sets.at(epoch + 1);
    if (next === undefined) return;
    const { chainId } = context;
    if (nextSet === setHashOf({ chainId, members: next.members }, epoch + 1)) return;
    context.report("I19", `epoch ${epoch} hands over another set than it must`);
  });
  return {
    id: "I19",
    title: "the set of an epoch is the same everywhere",
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    status: (slot, { finalHash }) => {
      if (context.honest(slot)) chain.shown(finalHash);
    },
  };
};
