/** The lane of a node itself: one batch after another, and what is urgent before what may wait. */
import { describe, expect, it } from "vitest";
import { ZERO_HASH } from "../../../src/crypto/bytes.ts";
import { readSealed } from "../../../src/ledger/batch.ts";
import { encodeEvent } from "../../../src/ledger/event.ts";
import type { Context } from "../../../src/ledger/replica/context.ts";
import { OwnLane } from "../../../src/ledger/replica/own-lane.ts";
import type { EncodedEvent } from "../../../src/ledger/types.ts";
import { LIMITS } from "../../../src/limits.ts";
import { genesis, hasher, idOf } from "../execution-support.ts";

const SOMETHING: EncodedEvent = encodeEvent("lane.test.said", 1, new Uint8Array(1));
const SIGNATURE = new Uint8Array(LIMITS.falconSignatureBytes);

/** A lane on a chain that asks for nothing; `settle` is the block with the batch under way. */
const laneOf = (accepts = true) => {
  let head = { seq: 0, id: ZERO_HASH };
  let underway: typeof head | undefined;
  const asked: string[] = [];
  const context = {
    options: { genesis },
    hasher,
    ports: {
      signer: { sign: (_: Uint8Array, done: (signature: Uint8Array) => void) => done(SIGNATURE) },
    },
    stopped: () => false,
  } as unknown as Context;
  const lane = new OwnLane(context, {
    actor: idOf("v1"),
    laneHead: () => head,
    reference: () => ({ height: 0, hash: ZERO_HASH }),
    submit: (bytes, done) => {
      const sealed = readSealed(hasher, bytes);
      if (!sealed.ok) throw new Error(sealed.detail);
      underway = { seq: sealed.value.laneSeq, id: sealed.value.id };
      done(accepts);
    },
  });
  return {
    asked,
    write: (name: string, isUrgent?: boolean, isWanted: () => boolean = () => true) =>
      lane.write(() => {
        asked.push(name);
        return isWanted() ? SOMETHING : undefined;
      }, isUrgent),
    settle: () => {
      head = underway ?? head;
      lane.onExecuted();
    },
    lose: () => lane.onExecuted(),
  };
};

describe("the lane of a node", () => {
  it("writes in the order in which it was asked to, one batch at a time", () => {
    const lane = laneOf();
    for (const name of ["one", "two", "three"]) lane.write(name);
    expect(lane.asked).toEqual(["one"]);
    lane.settle();
    expect(lane.asked).toEqual(["one", "two"]);
    lane.settle();
    lane.settle();
    expect(lane.asked).toEqual(["one", "two", "three"]);
  });

  it("writes what is urgent before all that waits, and goes on with that", () => {
    const lane = laneOf();
    for (const name of ["one", "two", "three"]) lane.write(name);
    lane.write("urgent", true);
    lane.write("urgent too", true);
    for (let block = 0; block < 5; block++) lane.settle();
    expect(lane.asked).toEqual(["one", "urgent", "urgent too", "two", "three"]);
  });

  it("asks again for what was under way and did not arrive, after what has become urgent", () => {
    const lane = laneOf();
    lane.write("one");
    lane.write("urgent", true);
    for (let block = 0; block < LIMITS.batchAgeBlocksMax; block++) lane.lose();
    expect(lane.asked).toEqual(["one", "urgent"]);
    lane.settle();
    lane.settle();
    expect(lane.asked).toEqual(["one", "urgent", "one"]);
  });

  it("passes over what has nothing to say any more", () => {
    const lane = laneOf();
    let isWanted = true;
    lane.write("one");
    lane.write("urgent", true, () => isWanted);
    lane.write("two");
    isWanted = false;
    lane.settle();
    expect(lane.asked).toEqual(["one", "urgent", "two"]);
  });

  it("tries what was not accepted at the next block", () => {
    const lane = laneOf(false);
    lane.write("one");
    lane.lose();
    expect(lane.asked).toEqual(["one", "one"]);
  });

  it("drops what does not fit, each kind by itself", () => {
    const lane = laneOf();
    const most = LIMITS.evidencePending;
    for (let i = 0; i <= most; i++) lane.write(`${i}`);
    for (let i = 0; i <= most; i++) lane.write(`urgent ${i}`, true);
    for (let i = 0; i < 2 * most + 4; i++) lane.settle();
    expect(new Set(lane.asked).size).toBe(2 * most);
    expect(lane.asked).not.toContain(`${most}`);
    expect(lane.asked).not.toContain(`urgent ${most}`);
  });
});
