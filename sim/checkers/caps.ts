/**
 * I16: what a node keeps and does for others stays under its caps: batches that wait, signatures of peers to
 * check, writes that are not done, timers, the size of what it sends, and votes for views that cannot have begun.
 * Of what waits it is shown the most, however short that was. Send queues are the transport's own, whose cap the
 * simulated one enforces as the real one does (test/contract): that the oracle's numbers are kept says of no replica
 * that it sends little, only that the limits are what they were and that the transport keeps to them.
 */
import { decodeStatement } from "./decode.ts";
import { Cursor } from "./oracle.ts";
import type { CheckContext, Checker } from "./types.ts";

const MEMPOOL_BYTES_MAX = 64 * 1024 * 1024;
/** Core, a signature with its scheme and length, a count of proofs, and an event of which nothing is said. */
const BATCH_BYTES_MIN = 186 + 1 + 4 + 1280 + 1;
const BATCH_BYTES_MAX = 1024 * 1024;

/** That what is counted is what is held, is for mempool.ts too; here that the two counts can be of the same batches. */
export const capsKept = (context: CheckContext): Checker => ({
  id: "I16",
  title: "memory kept for clients and peers stays under its caps",
  status: (slot, { mempoolBytes, mempoolBatches }) => {
    if (!context.honest(slot)) return;
    const [least, most] = [mempoolBatches * BATCH_BYTES_MIN, mempoolBatches * BATCH_BYTES_MAX];
    if (mempoolBytes > MEMPOOL_BYTES_MAX) {
      context.report("I16", `n${slot} keeps ${mempoolBytes} bytes of batches`);
    } else if (mempoolBytes < least || mempoolBytes > most) {
      const held = `${mempoolBatches} batches of ${mempoolBytes} bytes together`;
      context.report("I16", `n${slot} says that it keeps ${held}`);
    }
  },
});

/** Checks of one peer that may wait, and what a node may have of its own and of checkpoints. */
const PEER_CHECKS_MAX = 2_048;
const OWN_CHECKS_MAX = 64;
/** A run of blocks of catching up, written while the next one comes. */
const WRITE_BYTES_MAX = 32 * 1024 * 1024;
/** Votes, and what of a view they need beside them, of the views that may be open at once. */
const VOTE_BYTES_MAX = 64 * 1024;
/** Of one peer; a class that is none of these may hold nothing. */
const QUEUE_BYTES_MAX: ReadonlyMap<string, number> = new Map([
  ["consensus", 16 * 1024 * 1024],
  ["mempool", 16 * 1024 * 1024],
  ["sync", 32 * 1024 * 1024],
  ["control", 1024 * 1024],
  ["bulk", 8 * 1024 * 1024],
]);
/** View, idle and retry; one for each block that is being fetched, and for each slice that is served. */
const TIMERS_MAX = 256;

export const waitingBounded = (context: CheckContext): Checker => {
  const n = context.members.length;
  const checksMax = (n - 1) * PEER_CHECKS_MAX + n * OWN_CHECKS_MAX;
  const caps = {
    checks: checksMax,
    writeBytes: WRITE_BYTES_MAX,
    voteBytes: VOTE_BYTES_MAX,
    timers: TIMERS_MAX,
  };
  return {
    id: "I16",
    title: "what waits at a node's ports stays under its caps",
    waits: (slot, waiting) => {
      if (!context.honest(slot)) return;
      for (const what of ["checks", "writeBytes", "voteBytes", "timers"] as const) {
        if (waiting[what] <= caps[what]) continue;
        context.report("I16", `n${slot}: ${what} ${waiting[what]}, at most ${caps[what]}`);
      }
      for (const [name, bytes] of Object.entries(waiting.queueBytes)) {
        const most = QUEUE_BYTES_MAX.get(name) ?? 0;
        if (bytes <= most) continue;
        context.report(
          "I16",
          `n${slot}: ${bytes} bytes of ${name} wait for one peer, at most ${most}`,
        );
      }
    },
  };
};

const BATCH_REQUEST = 8;
const SYNC_RESPONSE = 12;
const DIGESTS_MAX = 512;
const BLOCKS_MAX = 512;
/** An answer ends with the block that passes 6 MiB: its header, its batches and their names come on top. */
const SYNC_BYTES_MAX = 8 * 1024 * 1024;

export const framesBounded = (context: CheckContext): Checker => ({
  id: "I16",
  title: "questions and answers hold no more than they may",
  sent: (from, _to, _class, bytes) => {
    const type = bytes[0];
    if ((type !== BATCH_REQUEST && type !== SYNC_RESPONSE) || !context.honest(from)) return;
    const cursor = new Cursor(bytes, 1);
    if (type === BATCH_REQUEST) {
      const count = cursor.u32();
      if (count > DIGESTS_MAX) context.report("I16", `n${from} asks for ${count} batches at once`);
      return;
    }
    cursor.u64();
    cursor.sized();
    const count = cursor.u32();
    if (count <= BLOCKS_MAX && bytes.length <= SYNC_BYTES_MAX) return;
    context.report("I16", `n${from} serves ${count} blocks in ${bytes.length} bytes at once`);
  },
});

/**
 * A node that is in view v checks and keeps votes up to v + 1, and whoever is in v got there by a certificate
 * of v - 1, of which an honest node has signed. So nobody checks a single vote that is more than two views
 * above all that honest nodes have signed in that epoch: it would be kept for whoever makes it up.
 */
export const futureBounded = (context: CheckContext): Checker => {
  const newest = new Map<number, number>();
  const total = context.members.reduce((sum, { weight }) => sum + weight, 0n);
  // Where one member alone is a quorum, a certificate is one signature too.
  const isTold = context.members.every(({ weight }) => 3n * weight <= 2n * total);
  return {
    id: "I16",
    title: "votes for views that cannot have begun are dropped unchecked",
    released: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement === undefined || !context.honest(slot)) return;
      const { epoch, view } = statement;
      newest.set(epoch, Math.max(view, newest.get(epoch) ?? 0));
    },
    verified: (slot, message, together) => {
      if (!isTold || together > 1 || !context.honest(slot)) return;
      const statement = decodeStatement(message);
      if (statement === undefined) return;
      const { epoch, view } = statement;
      const top = newest.get(epoch) ?? 0;
      if (view <= top + 2) return;
      context.report(
        "I16",
        `n${slot} checked a vote of ${epoch}/${view}; nobody is past ${top + 1}`,
      );
    },
  };
};
