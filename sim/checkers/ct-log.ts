/**
 * I14 for the CT log: its k-th entry is the k-th certificate that the ledger accepted, and its tree is the one of
 * RFC 6962 over these entries. As the ledger only grows (I2, I10), so does the log, and every smaller tree that
 * it had is a prefix of this one.
 */
import { Cursor, hex, rfc6962Root } from "./oracle.ts";
import { payloadOf } from "./payload.ts";
import type { CheckContext, Checker, Dump } from "./types.ts";

const ISSUED = "ca.certificate.issued";
const TREE = 0;
const ENTRY = 1;

type Wanted = { readonly event: number; readonly leaf: string };

/** MerkleTreeLeaf (RFC 6962, 3.4): version, leaf type, time, entry type, u24 length, certificate, extensions. */
const leafOf = (certificate: Uint8Array, timeMs: number): string => {
  const head = Buffer.alloc(1 + 1 + 8 + 2 + 3);
  head.writeBigUInt64BE(BigInt(timeMs), 2);
  head.writeUIntBE(certificate.length, 12, 3);
  return `${hex(head)}${hex(certificate)}0000`;
};

const entriesOf = (dump: Dump): Wanted[] =>
  dump.entries
    .filter(({ eventType, refusedWith }) => eventType === ISSUED && refusedWith === "")
    .map((entry) => {
      const payload = payloadOf(entry);
      payload.take(32 + 8);
      const leaf = leafOf(payload.sized(), dump.timesMs[entry.height] ?? 0);
      return { event: entry.index, leaf };
    });

const faultOf = (dump: Dump): string | undefined => {
  const rows = dump.rows.get("ct");
  if (rows === undefined) return undefined;
  const wanted = entriesOf(dump);
  const tree = rows.find(({ key }) => key[0] === TREE);
  if (tree === undefined) return wanted.length === 0 ? undefined : "there is no tree";
  const head = new Cursor(tree.value);
  const [size, root] = [head.u64(), hex(head.take(32))];
  if (size !== wanted.length) return `the tree has ${size} of ${wanted.length} entries`;
  const right = hex(rfc6962Root(wanted.map(({ leaf }) => Buffer.from(leaf, "hex"))));
  if (root !== right) return "the root of the tree is not that of its entries";
  const entries = rows.filter(({ key }) => key[0] === ENTRY);
  if (entries.length !== size) return `${entries.length} of ${size} entries are there`;
  for (const { key, value } of entries) {
    const index = new Cursor(key, 1).u64();
    const cursor = new Cursor(value, 8);
    const [event, leaf] = [cursor.u64(), hex(cursor.sized())];
    const one = wanted[index];
    if (one?.event !== event || one.leaf !== leaf) return `entry ${index} is another one`;
  }
  return undefined;
};

export const ctLogGrows = (context: CheckContext): Checker => ({
  id: "I14",
  title: "the CT log is the certificates that the ledger accepted, in order",
  end: (dumps) => {
    for (const dump of dumps) {
      const fault = context.honest(dump.slot) ? faultOf(dump) : undefined;
      if (fault !== undefined) return context.report("I14", `n${dump.slot}: ${fault}`);
    }
  },
});
