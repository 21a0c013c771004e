/**
 * I21: an honest validator never signs two roots of one size of the log, over all its incarnations, and only
 * roots that the log has. The oracle sees each message that a member's FALCON key signs; those of checkpoints
 * begin with their label. What is signed must be durable beside the key before: else a restart that has lost
 * its data could sign another root of that size.
 */
import { Recent } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

const LABEL = "tetrad/falcon-1024/v1\n\0";

type Signed = { readonly size: bigint; readonly root: string };

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Label, u8 length || cosigner, u64 time, u8 length || origin, u64 start, u64 end, hash(32). */
const decode = (message: Uint8Array): Signed | undefined => {
  const bytes = bufferOf(message);
  if (bytes.subarray(0, LABEL.length).toString("latin1") !== LABEL) return undefined;
  const end = bytes.length - 32;
  return { size: bytes.readBigUInt64BE(end - 8), root: bytes.subarray(end).toString("hex") };
};

export const checkpointsSingle = (context: CheckContext): Checker => {
  const roots = new Recent<string, string>();
  /** By slot: the largest size that is durable beside the key. */
  const written = new Map<number, bigint>();
  /** What honest nodes have executed, and what was signed of it. */
  const executed = new Recent<bigint, string>();
  const stated = new Recent<bigint, string>();
  const compare = (size: bigint): void => {
    const [own, signed] = [executed.get(size), stated.get(size)];
    if (own === undefined || signed === undefined || own === signed) return;
    context.report("I21", `a root is signed for size ${size} that the log does not have`);
  };
  return {
    id: "I21",
    title:
      "no honest validator signs two roots of one size of the log, or one that it does not have",
    durable: (slot, disk, puts) => {
      if (disk !== "votes") return;
      for (const { key, value } of puts) {
        // "c": u64 size, root(32).
        if (key.length === 1 && key[0] === 0x63)
          written.set(slot, bufferOf(value).readBigUInt64BE());
      }
    },
    diskLost: (slot, disk) => {
      if (disk === "votes") written.delete(slot);
    },
    status: (slot, { logSize, logRoot }) => {
      const size = BigInt(logSize);
      if (!context.honest(slot) || executed.get(size) !== undefined) return;
      executed.set(size, logRoot);
      compare(size);
    },
    signed: (slot, message) => {
      const signed = decode(message);
      const member = context.memberOf(slot);
      if (signed === undefined || member === undefined || !context.honest(slot)) return;
      context.mark("checkpoint signed");
      const { size, root } = signed;
      if ((written.get(slot) ?? -1n) < size) {
        context.report("I21", `n${slot} signed a checkpoint of ${size} before that was durable`);
      }
      stated.set(size, root);
      compare(size);
      const key = `${member.slot}/${size}`;
      const other = roots.get(key);
      roots.set(key, root);
      if (other === undefined || other === root) return;
      context.report("I21", `n${member.slot} signed two roots of size ${size}`);
    },
  };
};
