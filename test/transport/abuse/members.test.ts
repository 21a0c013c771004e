/** Floods of a member, or of whoever has a member's TLS key: what they cost the node, and how they end. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../../src/limits.ts";
import { BULK_LIMITS } from "../../../src/limits-bulk.ts";
import { encodeFrame } from "../../../src/transport/bulk/frames.ts";
import { encodeNote } from "../../../src/transport/bulk/notes.ts";
import { BULK_RATE_MIN } from "../../../src/transport/bulk-budget.ts";
import type { QuicTransport } from "../../../src/transport/quic-transport.ts";
import { sealPacket } from "../quic-capture.ts";
import { CONSENSUS, CONTROL, MEMPOOL, type RawClient, SYNC } from "../raw-client.ts";
import { closed, sleep, until } from "../support.ts";
import { FLOOD_TIMEOUT_MS, type Look, Victim } from "./support.ts";

vi.setConfig({ testTimeout: FLOOD_TIMEOUT_MS });

let victim: Victim | undefined;
let folder = "";
let member: QuicTransport | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-abuse-"));
});

afterEach(async () => {
  if (member !== undefined) await closed(member);
  member = undefined;
  await victim?.stop();
  victim = undefined;
  rmSync(folder, { recursive: true });
});

const start = async (...limits: Parameters<typeof Victim.start>): Promise<Victim> => {
  victim = await Victim.start(...limits);
  return victim;
};

const frameOf = (length: number, payload = new Uint8Array(0)): Uint8Array => {
  const frame = new Uint8Array(4 + payload.length);
  new DataView(frame.buffer).setUint32(0, length);
  frame.set(payload, 4);
  return frame;
};

/** What flow control lets through now. */
const capacityOf = (client: RawClient, stream: number): number =>
  client.isRefused ? 0 : client.quic.streamCapacity(stream);

/** QUIC's integers of four bytes (RFC 9000, 16). */
const int4 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(0x8000_0000 + value);
  return bytes;
};

/** STREAM with offset and length (RFC 9000, 19.8). */
const streamFrame = (stream: number, offset: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(0x0e), int4(stream), int4(offset), int4(bytes.length), bytes]);

/** A member whose library keeps no rule: it sends frames of QUIC as it likes. */
class Forger {
  readonly client: RawClient;
  readonly #keyLog: string;
  #number = 10_000;

  private constructor(client: RawClient, keyLog: string) {
    this.client = client;
    this.#keyLog = keyLog;
  }

  static async start(node: Victim, limitMs?: number): Promise<Forger> {
    const path = join(folder, "tls-keys");
    rmSync(path, { force: true });
    const client = await node.attackAsMember({ keyLog: path }, limitMs);
    return new Forger(client, readFileSync(path, "utf8"));
  }

  send(...frames: readonly Uint8Array[]): void {
    const id = this.client.quic.destinationId();
    this.client.sendForged(sealPacket(this.#keyLog, id, this.#number++, Buffer.concat(frames)));
  }
}

/** Application code of CONNECTION_CLOSE: the peer broke the protocol. */
const PROTOCOL = 2;
/** QUIC's own (RFC 9000, 20.1). */
const STREAM_LIMIT_ERROR = 4;

/** One connection of the member after another, each to its end; with which codes they ended. */
const untilEach = async (
  node: Victim,
  attack: (forger: Forger, round: number) => void | Promise<void>,
): Promise<{ readonly ended: number; readonly codes: readonly number[]; readonly look: Look }> => {
  const codes: number[] = [];
  const look = await node.endure(async (round) => {
    // Over the rate of handshakes nobody answers: only some of these become a session.
    const forger = await Forger.start(node, 400).catch(() => undefined);
    if (forger !== undefined) {
      await attack(forger, round);
      await until(() => forger.client.isRefused, "the end", 5_000);
      codes.push(forger.client.peerErrorCode ?? -1);
    }
    node.forgetClients();
  });
  return { ended: codes.length, codes: [...new Set(codes)], look };
};

/** So short that a flood has several sessions of the offender to deal with. */
const FORGIVING = { redialMsMin: 10, redialMsMax: 20 };
/** Handshakes a second, so few that a flood meets it. */
const RATE = 8;

describe("a flood of streams", () => {
  it("ends with the first that is not one of the six, of either kind: STREAM_LIMIT_ERROR", async () => {
    const node = await start(FORGIVING);
    const { ended, codes } = await untilEach(node, (forger, round) => {
      for (let packet = 0; packet < 20; packet++) {
        const streams = Array.from({ length: 50 }, (_, i) => {
          const index = packet * 50 + i + 6;
          return streamFrame(round % 2 === 0 ? index * 4 + 2 : index * 4, 0, Uint8Array.of(1));
        });
        forger.send(...streams);
      }
    });
    expect(ended).toBeGreaterThan(0);
    expect(codes).toEqual([STREAM_LIMIT_ERROR]);
  });

  it("of resets ends with the first: `protocol`, and costs no more than handshakes do", async () => {
    // Nobody here has shown the member's key: it must not be the member that has to wait.
    const node = await start({ handshakesPerSecond: RATE });
    const beganMs = performance.now();
    const { ended, codes, look } = await untilEach(node, ({ client }) => {
      for (const stream of [CONSENSUS, MEMPOOL, SYNC]) {
        client.send(stream, frameOf(1_000, new Uint8Array(100)));
        client.quic.streamShutdown(stream, 1, 0);
      }
      client.pump();
    });
    const seconds = (performance.now() - beganMs) / 1000;
    expect(ended).toBeGreaterThan(0);
    expect(ended).toBeLessThanOrEqual(RATE * (seconds + 1));
    expect(codes).toEqual([PROTOCOL]);
    expect(look.figures.refused["transport.protocol"]).toBeGreaterThan(0);
  });
});

/** Frames of one byte, each in five packets. */
const ENOUGH = 2_000;

describe("frames", () => {
  it("of 4 GiB end the session when their header is read: `protocol`", async () => {
    const node = await start(FORGIVING);
    const { ended, codes, look } = await untilEach(node, ({ client }) => {
      for (const stream of [MEMPOOL, SYNC]) client.send(stream, frameOf(0xffff_ffff));
      client.send(SYNC, new Uint8Array(20_000));
    });
    expect(ended).toBeGreaterThan(0);
    expect(codes).toEqual([PROTOCOL]);
    expect(look.figures.refused["transport.frame-too-large"]).toBeGreaterThanOrEqual(ended);
  });

  it("of one byte, a packet for each byte, cost no memory", async () => {
    const node = await start();
    const client = await node.attackAsMember();
    const frame = frameOf(1, Uint8Array.of(7));
    client.send(MEMPOOL, frame);
    let sent = 0;
    const look = await node.endure(
      () => {
        for (let i = 0; i < 60 && client.quic.streamCapacity(MEMPOOL) > 100; i++, sent++) {
          for (const byte of frame) client.send(MEMPOOL, Uint8Array.of(byte));
        }
      },
      () => sent > ENOUGH,
    );
    expect(client.isRefused).toBe(false);
    expect(sent).toBeGreaterThan(ENOUGH);
    expect(look.received[node.attacker.id]).toBeGreaterThan(ENOUGH / 2);
  });

  it("that are never completed are held up to their limits for frameTimeoutMs, then `protocol`", async () => {
    const node = await start({ ...FORGIVING, frameTimeoutMs: 1_000 });
    const { ended, codes, look } = await untilEach(node, async ({ client }) => {
      const half = new Uint8Array(64 * 1024);
      for (const stream of [CONSENSUS, MEMPOOL, SYNC]) client.send(stream, frameOf(1024 * 1024));
      const end = performance.now() + 5_000;
      for (let left = 15; left > 0 && performance.now() < end && !client.isRefused; ) {
        const room = Math.min(...[CONSENSUS, MEMPOOL, SYNC].map((id) => capacityOf(client, id)));
        if (room >= half.length) {
          for (const stream of [CONSENSUS, MEMPOOL, SYNC]) client.send(stream, half);
          left -= 1;
        }
        await sleep(2);
      }
    });
    expect(ended).toBeGreaterThan(0);
    expect(codes).toEqual([PROTOCOL]);
    expect(look.figures.refused["transport.frame-timeout"]).toBeGreaterThanOrEqual(ended);
  });

  it("that nobody reads wait up to the limit of the queue, and no more are kept", async () => {
    const node = await start();
    // Asks for answers, and takes none: its windows stay full.
    const client = await node.attackAsMember();
    // Fits the first congestion window.
    const question = new Uint8Array(4 * 1024);
    let asked = 0;
    let queuedMost = 0;
    // The window of the client fills first, then the queue: what comes after is not kept.
    const isFull = (): boolean => queuedMost > 900_000 && asked * question.length > 4_000_000;
    await node.endure(async (round) => {
      for (let i = 0; i < 20 && capacityOf(client, CONTROL) > question.length + 4; i++, asked++) {
        client.send(CONTROL, frameOf(question.length, question));
      }
      if (round % 10 === 0) {
        queuedMost = Math.max(queuedMost, (await node.look()).figures.queuedBytes);
      }
    }, isFull);
    expect(isFull()).toBe(true);
    expect(queuedMost).toBeLessThanOrEqual(1024 * 1024);
  });
});

/** A node with both keys of the member: its session is complete, and what it seals is opened. */
const startWhole = async (node: Victim) => {
  const transport = await node.whole();
  member = transport;
  const downs: string[] = [];
  transport.start({
    peerUp: () => {},
    peerDown: (_peer, { code }) => downs.push(code),
    frame: () => {},
  });
  const ignore = (): void => {};
  const port = transport.bulk({ peerUp: ignore, peerDown: ignore, frame: ignore, drained: ignore });
  const isComplete = (): boolean => transport.isSecured?.(node.id) === true;
  const note = encodeNote({ kind: "gone" });
  /** What does not fit its own queue would end its own session. */
  const say = (count: number): void => {
    if (!isComplete() || transport.figures().queuedBytes > 256 * 1024) return;
    for (let i = 0; i < count; i++) port.seal(node.id, note);
  };
  /** Gives up what was never asked for, so often, or until the queue is full. */
  const giveUp = (count: number): void => {
    for (let id = 0; id < count && isComplete(); id++) {
      if (!port.send(node.id, encodeFrame({ kind: "cancel", id }))) return;
    }
  };
  await until(isComplete, "a complete session");
  return { downs, say, giveUp, isComplete };
};

/** Of the driver: what one read of a stream takes. */
const READ_AT_ONCE_BYTES = 256 * 1024;

describe("sealed records of a member", () => {
  it("up to their limit cost it nothing", async () => {
    const node = await start();
    const { downs, say, isComplete } = await startWhole(node);
    // Questions and answers are records, too; it has asked a few by now.
    say(LIMITS.sealedRecordsBurst - 8);
    const { answers } = node.honest;
    await until(() => node.honest.answers > answers + 20, "the victim has read them");
    await sleep(1_000);
    say(LIMITS.sealedRecordsPerSecond - 8);
    await sleep(500);
    expect([downs, isComplete()]).toEqual([[], true]);
    expect((await node.look()).figures.refused["session.rate"]).toBeUndefined();
  });

  it("past it end the session, and the member is refused for longer each time: `rate`", async () => {
    const node = await start();
    const { downs, say } = await startWhole(node);
    const look = await node.endure(
      () => say(400),
      () => downs.length >= 3,
    );
    expect(look.figures.refused["session.rate"]).toBeGreaterThanOrEqual(3);
    expect(new Set(look.downs[node.attacker.id])).toEqual(new Set(["rate"]));
    expect(new Set(downs)).toEqual(new Set(["rate"]));
    // The third pause is 400 ms at least, and it dials every 120 ms.
    const isRefused = async (): Promise<boolean> =>
      ((await node.look()).figures.refused["node.overloaded"] ?? 0) > 0;
    for (let i = 0; i < 50 && !(await isRefused()); i++) await sleep(100);
    expect(await isRefused()).toBe(true);
  });
});

describe("the smallest frames of bulk", () => {
  it("take no more of the loop than their price lets through, and hold up nobody", async () => {
    // So small a part that the budget is soon at its floor, as it is where others keep the loop busy.
    const node = await start({}, false, { serves: false, bulkLoopShare: 0.01 });
    const { downs, giveUp } = await startWhole(node);
    const beganMs = performance.now();
    const look = await node.endure(() => giveUp(5_000));
    const seconds = (performance.now() - beganMs) / 1000;
    expect(downs).toEqual([]);
    expect(look.bulkFrames).toBeGreaterThan(1_000);
    // What is read at once before the first is paid for, and twice what the floor has.
    const aSecond = BULK_RATE_MIN / BULK_LIMITS.frameCostBytes;
    expect(look.bulkFrames).toBeLessThan(READ_AT_ONCE_BYTES / 9 + 2 * aSecond * (seconds + 1));
  });

  it("end the session where they bring nothing: `protocol`", async () => {
    const node = await start(FORGIVING);
    const { downs, giveUp } = await startWhole(node);
    const beganMs = performance.now();
    const look = await node.endure(
      () => giveUp(5_000),
      () => downs.length >= 3,
    );
    const seconds = (performance.now() - beganMs) / 1000;
    expect(new Set(look.downs[node.attacker.id])).toEqual(new Set(["protocol"]));
    expect(look.figures.refused["bulk.malformed"]).toBeGreaterThanOrEqual(3);
    const { idleFramesBurst, idleFramesPerSecond } = BULK_LIMITS;
    const most = (downs.length + 1) * (idleFramesBurst + 1) + idleFramesPerSecond * seconds;
    expect(look.bulkFrames).toBeLessThanOrEqual(most);
  });
});
