/**
 * I21: an honest validator never signs two roots of one size of the log, over all its incarnations. The
 * oracle sees each message that a member's FALCON key signs; those of checkpoints begin with their label.
 */
import { Recent } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

const LABEL = "tetrad/falcon-1024/v1\n\0";

type Signed = { readonly size: bigint; readonly root: string };

/** Label, u8 length || cosigner, u64 time, u8 length || origin, u64 start, u64 end, hash(32). */
const decode = (message: Uint8Array): Signed | undefined => {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  if (bytes.subarray(0, LABEL.length).toString("latin1") !== LABEL) return undefined;
  const end = bytes.length - 32;
  return { size: bytes.readBigUInt64BE(end - 8), root: bytes.subarray(end).toString("hex") };
};

export const checkpointsSingle = (context: CheckContext): Checker => {
  const roots = new Recent<string, string>();
  return {
    id: "I21",
    title: "no honest validator signs two roots of one size of the log, over all its incarnations",
    signed: (slot, message) => {
      const signed = decode(message);
      const member = context.memberOf(slot);
      if (signed === undefined || member === undefined || !context.honest(slot)) return;
      context.mark("checkpoint signed");
      const key = `${member.index}/${signed.size}`;
      const other = roots.get(key);
      roots.set(key, signed.root);
      if (other === undefined || other === signed.root) return;
      context.report("I21", `validator ${member.index} signed two roots of size ${signed.size}`);
    },
  };
};
