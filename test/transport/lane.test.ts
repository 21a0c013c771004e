/** What may wait on each stream of a session, and what a session does when it is too much. */
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/limits.ts";
import {
  BY_URGENCY,
  createLane,
  type LaneName,
  SESSION_STREAMS,
} from "../../src/transport/lane.ts";
import { TRANSPORT_LIMITS } from "../../src/transport/options.ts";
import { SecureChannel } from "../../src/transport/secure-channel.ts";
import { SigningLine } from "../../src/transport/signing-line.ts";
import { channelOf, falconKeys, idOfKey } from "./stoq/support.ts";
import { securityOf, until } from "./support.ts";

/** What a queue counts for a frame besides its payload. */
const OVERHEAD_BYTES = 64;

const limitOf = (name: LaneName): number =>
  name === "sealed" ? LIMITS.sealedQueueBytesMax : LIMITS.sendQueueBytesMax[name];

describe("the lanes of a session", () => {
  it("have places of their own, the same for both ends", () => {
    const sent = BY_URGENCY.map((name) => createLane(name, true, TRANSPORT_LIMITS).sendId);
    const received = BY_URGENCY.map((name) => createLane(name, false, TRANSPORT_LIMITS).recvId);
    expect(received).toEqual(sent);
    expect([...sent].sort((a, b) => a - b)).toEqual([2, 6, 10, 14, 18, 22]);
    expect(SESSION_STREAMS).toBe(6);
    expect(BY_URGENCY[0]).toBe("consensus");
    expect(BY_URGENCY.at(-1)).toBe("bulk");
  });

  for (const name of BY_URGENCY) {
    it(`(${name}) take what fits the queue to the byte, and not one byte more`, () => {
      const limit = limitOf(name);
      const { queue } = createLane(name, true, TRANSPORT_LIMITS);
      expect(queue.push(new Uint8Array(limit - OVERHEAD_BYTES + 1))).toBe(false);
      expect(queue.isEmpty).toBe(true);
      expect(queue.push(new Uint8Array(limit - OVERHEAD_BYTES))).toBe(true);
      expect(queue.bytes).toBe(limit);
      expect(queue.push(new Uint8Array(0))).toBe(false);
    });
  }
});

/** Two ends in memory, secured; what the responder sends goes through the queue of a lane, and on by `pump`. */
const securedPair = async () => {
  const { queue } = createLane("sealed", false, TRANSPORT_LIMITS);
  const failures: string[] = [];
  let secured = 0;
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs, wallMs: () => nowMs };
  const notes: string[] = [];
  const end = (role: "initiator" | "responder", send: (frame: Uint8Array) => boolean) => {
    const keys = falconKeys(role === "initiator" ? 0 : 1);
    const security = securityOf("ff".repeat(32), role === "initiator" ? 0 : 1);
    return new SecureChannel({
      ...{ role, clock, send },
      channel: channelOf(),
      security: {
        ...security,
        idOf: idOfKey,
        signer: { ...security.signer, publicKey: keys.publicKey },
      },
      signing: new SigningLine(security.signer),
      admit: () => true,
      secured: () => {
        secured += 1;
      },
      note: () => notes.push(role),
      failed: ({ code }) => failures.push(`${role} ${code}`),
    });
  };
  const initiator = end("initiator", (frame) => {
    queueMicrotask(() => responder.receive(frame));
    return true;
  });
  const responder: SecureChannel = end("responder", (frame) => queue.push(frame));
  const pump = (): void => {
    const bytes = new Uint8Array(LIMITS.sealedQueueBytesMax + 1024);
    const count = queue.peek(bytes);
    queue.consume(count);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < count; ) {
      const length = view.getUint32(at);
      initiator.receive(bytes.slice(at + 4, at + 4 + length));
      at += 4 + length;
    }
  };
  initiator.begin();
  responder.begin();
  await until(() => {
    pump();
    return secured === 2;
  }, "secured");
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { initiator, responder, queue, failures, notes, pump, pass };
};

/** Bytes of a sealed answer: kind, number, version with its length, and the tag. */
const answerBytes = (version: string): number => 1 + 8 + 4 + version.length + 16;

describe("an answer under the seal", () => {
  const room = answerBytes("0.0.0-test") + OVERHEAD_BYTES;

  it("is sent when it just fits what may wait", async () => {
    const { initiator, queue, failures } = await securedPair();
    queue.push(new Uint8Array(LIMITS.sealedQueueBytesMax - room - OVERHEAD_BYTES));
    initiator.probe();
    await until(() => queue.bytes === LIMITS.sealedQueueBytesMax, "the answer is queued");
    expect(failures).toEqual([]);
  });

  it("ends the session when it is one byte too much: its number would be missing for ever", async () => {
    const { initiator, queue, failures } = await securedPair();
    queue.push(new Uint8Array(LIMITS.sealedQueueBytesMax - room - OVERHEAD_BYTES + 1));
    initiator.probe();
    await until(() => failures.length > 0, "ended");
    expect(failures).toEqual(["responder node.overloaded"]);
  });
});

/** Of bulk: no connections any more. */
const GONE = Uint8Array.of(6);

describe("sealed records of a peer", () => {
  const { sealedRecordsBurst: burst, sealedRecordsPerSecond: perSecond } = LIMITS;

  it("may come so many at once, and so many a second, and end the session past that: rate", async () => {
    const { initiator, failures, notes, pass } = await securedPair();
    pass(10_000);
    const say = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) initiator.sendNote(GONE);
      await Promise.resolve();
    };
    await say(burst);
    expect([notes.length, failures]).toEqual([burst, []]);
    for (let second = 1; second <= 3; second++) {
      pass(1_000);
      await say(perSecond);
      expect([notes.length, failures]).toEqual([burst + second * perSecond, []]);
    }
    await say(1);
    expect(failures).toEqual(["responder session.rate"]);
    expect(notes.length).toBe(burst + 3 * perSecond);
  });

  it("are counted before they are opened: what is forged is no cheaper than the rest", async () => {
    const { initiator, responder, failures, pass } = await securedPair();
    pass(10_000);
    for (let i = 0; i < burst; i++) initiator.sendNote(GONE);
    await Promise.resolve();
    responder.receive(new Uint8Array(64));
    expect(failures).toEqual(["responder session.rate"]);
  });

  it("are read in small pieces, so that a turn opens few of them", () => {
    for (const name of BY_URGENCY) {
      const { bytesPerTurn } = createLane(name, true, TRANSPORT_LIMITS);
      expect(bytesPerTurn).toBe(name === "sealed" ? LIMITS.sealedBytesPerTurn : 4 * 1024 * 1024);
    }
  });
});
