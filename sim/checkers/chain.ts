/**
 * I5 and I19: each final block stands on the final block below it, every view between the two was skipped by
 * a quorum, and the set that an epoch hands to the next is the same everywhere and the one that it must be.
 */
import { decodeStatement, HEADER_BYTES, NULLIFY } from "./decode.ts";
import { Cursor, hex, isQuorum, taggedHash } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

const PROPOSAL = 1;
/** Behind version and chain. */
const EPOCH_OFFSET = 2 + 32;
const NEXT_SET_OFFSET = HEADER_BYTES - 2 - 32;
const NO_SET = "00".repeat(32);

type Header = {
  readonly epoch: number;
  readonly view: number;
  readonly height: number;
  readonly parentView: number;
  readonly parentHash: string;
  readonly nextSet: string;
};

const readHeader = (bytes: Uint8Array): Header => {
  const cursor = new Cursor(bytes, EPOCH_OFFSET);
  return {
    epoch: cursor.u64(),
    view: cursor.u64(),
    height: cursor.u64(),
    parentView: cursor.u64(),
    parentHash: hex(cursor.take(32)),
    nextSet: hex(bytes.subarray(NEXT_SET_OFFSET, NEXT_SET_OFFSET + 32)),
  };
};

/** Hash of the set of an epoch by docs/protocol.md, "Validator set and leaders". */
export const setHashOf = (context: CheckContext, epoch: number): string => {
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
  const headers = new Recent<string, Header>();
  const seen = new Recent<string, true>();
  const skippedBy = new Recent<string, Set<number>>();
  const checked = new Recent<string, true>();

  const isSkipped = (epoch: number, view: number): boolean => {
    const signers = skippedBy.get(`${epoch}/${view}`);
    let weight = 0n;
    let total = 0n;
    for (const member of context.members) {
      total += member.weight;
      if (signers?.has(member.index) === true) weight += member.weight;
    }
    return isQuorum(weight, total);
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
      if (header.nextSet !== NO_SET) {
        context.mark("boundary block final");
        const wanted = setHashOf(context, header.epoch + 1);
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
      const member = context.memberOf(slot);
      if (statement?.kind !== NULLIFY || member === undefined) return;
      const key = `${statement.epoch}/${statement.view}`;
      const signers = skippedBy.get(key);
      if (signers === undefined) skippedBy.set(key, new Set([member.index]));
      else signers.add(member.index);
    },
    sent: (_from, _to, _class, bytes) => {
      if (bytes[0] !== PROPOSAL) return;
      const cursor = new Cursor(bytes, 1);
      const vote = new Cursor(cursor.sized(), 8 + 8 + 1);
      const name = hex(vote.take(32));
      if (seen.has(name)) return;
      cursor.u64();
      const block = cursor.sized();
      if (block.length < HEADER_BYTES) return;
      seen.set(name, true);
      const head = block.subarray(0, HEADER_BYTES);
      headers.set(hex(taggedHash(context.chainId, "header", head)), readHeader(head));
    },
    status: (slot, status) => {
      if (context.honest(slot)) check(status.finalHash);
    },
  };
};
