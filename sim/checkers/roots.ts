/**
 * I10: honest nodes that executed the same height have the same log and state, and the log root is the
 * RFC 6962 head over the entries as the oracle encodes them itself. state-root.ts computes that of the state.
 */
import { rfc6962Root } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker, Dump, Entry } from "./types.ts";

/** Leaf of the log tree, version 1 (docs/protocol.md, "Log"). */
export const encodeLeaf = (entry: Entry): Uint8Array => {
  const head = Buffer.alloc(1 + 8 + 8 + 32 + 4 + 1 + 2);
  head[0] = 1;
  head.writeBigUInt64BE(BigInt(entry.index), 1);
  head.writeBigUInt64BE(BigInt(entry.height), 9);
  head.write(entry.batchId, 17, "hex");
  head.writeUInt32BE(entry.position, 49);
  head[53] = entry.refusedWith === "" ? 0 : 1;
  head.writeUInt16BE(entry.refusedWith.length, 54);
  const code = Buffer.from(entry.refusedWith, "latin1");
  return Buffer.concat([head, code, entry.effectsHash, entry.eventBytes]);
};

export const rootsEqual = (context: CheckContext): Checker => {
  const rootsAt = new Recent<number, { readonly text: string; readonly slot: number }>();
  return {
    id: "I10",
    title: "log and state are equal on all honest nodes, and the log root is that of the entries",
    status: (slot, status) => {
      if (!context.honest(slot)) return;
      const text = `log ${status.logSize} ${status.logRoot}, state ${status.stateRoot}`;
      const known = rootsAt.get(status.executedHeight);
      if (known === undefined) rootsAt.set(status.executedHeight, { text, slot });
      else if (known.text !== text) {
        const both = `n${known.slot} has ${known.text}; n${slot} has ${text}`;
        context.report("I10", `height ${status.executedHeight}: ${both}`);
      }
    },
    end: (dumps) => {
      for (const dump of dumps) {
        if (context.honest(dump.slot)) checkLog(context, dump);
      }
      const longest = dumps.reduce<Dump | undefined>(
        (best, dump) =>
          best === undefined || dump.entries.length > best.entries.length ? dump : best,
        undefined,
      );
      if (longest === undefined) return;
      for (const dump of dumps) comparePrefix(context, longest, dump);
    },
  };
};

const checkLog = (context: CheckContext, dump: Dump): void => {
  if (dump.entries.length !== dump.status.logSize) {
    const counts = `${dump.entries.length} entries, log size ${dump.status.logSize}`;
    context.report("I10", `n${dump.slot}: ${counts}`);
    return;
  }
  const root = Buffer.from(rfc6962Root(dump.entries.map(encodeLeaf))).toString("hex");
  if (root !== dump.status.logRoot) {
    context.report("I10", `n${dump.slot}: the log root is not the head over its entries`);
  }
};

const comparePrefix = (context: CheckContext, longest: Dump, dump: Dump): void => {
  for (const [i, entry] of dump.entries.entries()) {
    const other = longest.entries[i];
    const same = other !== undefined && Buffer.compare(encodeLeaf(entry), encodeLeaf(other)) === 0;
    if (same) continue;
    context.report("I10", `entry ${i} differs between n${dump.slot} and n${longest.slot}`);
    return;
  }
};
