/**
 * I16 for the mempool, by what the network has seen and not by what a node counts: a node holds no more than the
 * batches that anybody has written, of each place of a lane one, less those that are final at its height. A batch
 * that is final and still there is found as is a count that forgets to go down. It looks where nobody lies: what
 * liars make up need not pass by here.
 *
 * What a validator writes itself it holds before anybody sees it, and for as long as no link takes it: alone, cut off
 * or behind full queues. Where the chain asks validators to write, each may hold one batch that nobody knows.
 */
import { HEADER_BYTES } from "./decode.ts";
import { Cursor, hex } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker, Put } from "./types.ts";

const BATCH = 10;
/** In the core of a batch: behind version and chain, and behind the actor. */
const ACTOR_AT = 2 + 32;
const LANE_SEQ_AT = ACTOR_AT + 32;
/** Of digests, in a block; they follow its header. */
const COUNT_AT = 138;
/** A node that is further behind is not looked at until it has caught up. */
const BEHIND_MAX = 512;
/** Places of lanes that are not final; where there are more, nothing is judged any more. */
const OPEN_MAX = 65_536;
/** One event, and what a batch has besides. */
const OWN_BYTES_MAX = 64 * 1024;
/** 64 MiB, less what is kept for gaps and for validators: what clients may fill. */
const ROOM_BYTES = (64 - 8 - 4) * 1024 * 1024;

type Place = { readonly actor: string; readonly laneSeq: number };
type Lane = { head: number; readonly sizes: Map<number, number> };
type Sum = { bytes: number; batches: number };

const placeOf = (batch: Uint8Array): Place => ({
  actor: hex(batch.subarray(ACTOR_AT, ACTOR_AT + 32)),
  laneSeq: new Cursor(batch, LANE_SEQ_AT).u64(),
});

export const mempoolFollows = (context: CheckContext): Checker => {
  const lanes = new Map<string, Lane>();
  const blocks = new Recent<string, Uint8Array>();
  const batches = new Recent<string, Place>(16_384);
  /** All places that are known and not final, the largest batch of each. */
  const open: Sum = { bytes: 0, batches: 0 };
  /** By height: the places that became final with it. */
  const settled = new Recent<number, Sum>(2 * BEHIND_MAX);
  /** Places that are in them. */
  const counted = new Recent<string, number>(16_384);
  let top = 0;
  let newest: Uint8Array | undefined;
  // On a chain that asks for space, the first node adds its own part to a batch.
  let isJudged =
    context.space === undefined && context.members.every(({ slot }) => context.honest(slot));

  /** A validator has one batch of its own under way at a time, in the place behind what is final of its lane. */
  const writes =
    [context.claims, context.beacon, context.location].some((asked) => asked !== undefined) ||
    context.members.some(({ epochKey }) => epochKey !== undefined);
  const own: Sum = writes ? { bytes: OWN_BYTES_MAX, batches: 1 } : { bytes: 0, batches: 0 };

  const sumAt = (height: number): Sum => {
    const sum = settled.get(height) ?? { bytes: 0, batches: 0 };
    settled.set(height, sum);
    return sum;
  };

  const laneOf = (actor: string): Lane => {
    const lane = lanes.get(actor) ?? { head: 0, sizes: new Map<number, number>() };
    lanes.set(actor, lane);
    return lane;
  };

  /** A place that is final, once, with the largest batch of it. */
  const addFinal = (sum: Sum, { actor, laneSeq }: Place, bytes: number): void => {
    const key = `${actor}/${laneSeq}`;
    const before = counted.get(key);
    if (before !== undefined && before >= bytes) return;
    counted.set(key, bytes);
    sum.bytes += bytes - (before ?? 0);
    if (before === undefined) sum.batches += 1;
  };

  const learn = ({ actor, laneSeq }: Place, bytes: number): void => {
    const lane = laneOf(actor);
    if (laneSeq <= lane.head) {
      // A node that is behind may take it yet.
      addFinal(sumAt(top), { actor, laneSeq }, bytes);
      return;
    }
    const before = lane.sizes.get(laneSeq);
    if (before !== undefined && before >= bytes) return;
    lane.sizes.set(laneSeq, bytes);
    open.bytes += bytes - (before ?? 0);
    if (before === undefined) open.batches += 1;
    if (open.batches > OPEN_MAX) {
      isJudged = false;
      context.mark("mempools not judged any more");
    }
  };

  const settle = (height: number, block: Uint8Array): void => {
    top = height;
    const sum = sumAt(height);
    const count = new Cursor(block, COUNT_AT).u32();
    for (let i = 0; i < count; i++) {
      const at = HEADER_BYTES + 32 * i;
      const place = batches.get(hex(block.subarray(at, at + 32)));
      if (place === undefined) continue;
      const lane = laneOf(place.actor);
      for (let seq = lane.head + 1; seq <= place.laneSeq; seq++) {
        const bytes = lane.sizes.get(seq);
        if (bytes === undefined) continue;
        lane.sizes.delete(seq);
        open.bytes -= bytes;
        open.batches -= 1;
        addFinal(sum, { actor: place.actor, laneSeq: seq }, bytes);
      }
      lane.head = Math.max(lane.head, place.laneSeq);
    }
  };

  const note = (puts: readonly Put[]): void => {
    for (const { key, value } of puts) {
      if (key[1] !== 0x2f) continue;
      if (key[0] === 0x62) blocks.set(hex(key.subarray(2)), value);
      if (key[0] !== 0x64) continue;
      const digest = hex(key.subarray(2));
      if (batches.has(digest)) continue;
      const place = placeOf(value);
      batches.set(digest, place);
      learn(place, value.length);
    }
    for (const { key, value } of puts) {
      if (key[0] !== 0x68 || key[1] !== 0x2f) continue;
      const height = new Cursor(key, 2).u64();
      const block = height > top ? blocks.get(hex(value)) : undefined;
      if (block !== undefined) settle(height, block);
    }
  };

  return {
    id: "I16",
    title: "a mempool holds what somebody has written and is not final, and nothing else",
    submitted: (_slot, { actorHex, laneSeq, bytes }) => {
      if (isJudged) learn({ actor: actorHex, laneSeq }, bytes);
    },
    sent: (_from, _to, _class, bytes) => {
      if (bytes[0] !== BATCH || bytes === newest || !isJudged) return;
      newest = bytes;
      learn(placeOf(bytes.subarray(1)), bytes.length - 1);
    },
    durable: (_slot, disk, puts) => {
      if (isJudged && disk === "data") note(puts);
    },
    status: (slot, { finalHeight, mempoolBytes, mempoolBatches, voting }) => {
      // One that has stopped says what it had in the middle of the turn that failed.
      if (voting === "halted") return;
      if (!isJudged || mempoolBatches + mempoolBytes === 0 || finalHeight < top - BEHIND_MAX)
        return;
      const most = { bytes: open.bytes + own.bytes, batches: open.batches + own.batches };
      for (let height = finalHeight + 1; height <= top; height++) {
        most.bytes += settled.get(height)?.bytes ?? 0;
        most.batches += settled.get(height)?.batches ?? 0;
      }
      context.mark("mempool held against what is open");
      if (mempoolBytes > ROOM_BYTES - 1024 * 1024) context.mark("mempool full");
      if (mempoolBytes <= most.bytes && mempoolBatches <= most.batches) return;
      const holds = `${mempoolBatches} batches of ${mempoolBytes} bytes`;
      const are = `${most.batches} of ${most.bytes} bytes`;
      context.report(
        "I16",
        `n${slot} says that it holds ${holds}, and at most ${are} are not final`,
      );
    },
  };
};
