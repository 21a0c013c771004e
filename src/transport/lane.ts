/**
 * The streams of a session: one for each traffic class, and one for the post-quantum handshake and what is sealed
 * after it. Which place each has, in which order they are served, and what stands on each while the session lasts.
 */
import { TRAFFIC_CLASSES, type TrafficClass } from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";
import { FrameParser } from "./framing.ts";
import type { TransportLimits } from "./options.ts";
import { SEALED_STREAM_PLACE } from "./secure-channel.ts";
import { SendQueue } from "./send-queue.ts";
import { MESSAGES } from "./stoq/messages.ts";
import { SEAL_TAG_BYTES } from "./stoq/sealing.ts";

/** A traffic class, or the stream of the post-quantum handshake and sealed records. */
export type LaneName = TrafficClass | "sealed";

/** Lower is sent first (quiche's urgency). Votes before everything, bulk last. */
export const URGENCY: Readonly<Record<LaneName, number>> = {
  consensus: 0,
  control: 1,
  sealed: 2,
  mempool: 3,
  sync: 5,
  bulk: 6,
};

/** From this urgency on a class leaves room in the congestion window for those before it. */
const YIELDING_URGENCY = 3;

/** Place of a class among the streams of its direction: part of the wire format. */
const STREAM_PLACE: Readonly<Record<LaneName, number>> = {
  consensus: 0,
  mempool: 1,
  sync: 2,
  control: 3,
  sealed: SEALED_STREAM_PLACE,
  bulk: 5,
};

/** Streams that each end opens. */
export const SESSION_STREAMS: number = Object.keys(STREAM_PLACE).length;

const NAMES: readonly LaneName[] = [...TRAFFIC_CLASSES, "sealed"];

/**
 * Those that are open when the hellos are said, in the order that gives them the ids of their places. An older node
 * lets no more be opened, and refuses the hello.
 */
export const BEFORE_HELLO: readonly LaneName[] = NAMES.filter((name) => name !== "bulk").sort(
  (a, b) => STREAM_PLACE[a] - STREAM_PLACE[b],
);

/** Service order within a turn. */
export const BY_URGENCY: readonly LaneName[] = [...NAMES].sort((a, b) => URGENCY[a] - URGENCY[b]);

const SEALED_FRAME_BYTES_MAX = Math.max(
  LIMITS.sealedRecordBytesMax + SEAL_TAG_BYTES,
  MESSAGES.answer.bytes,
);

/** Bytes of one class that a turn reads before it lets other classes and connections go on. */
const READ_BYTES_PER_TURN = 4 * 1024 * 1024;

export type Lane = {
  readonly name: LaneName;
  readonly sendId: number;
  readonly recvId: number;
  readonly queue: SendQueue;
  readonly parser: FrameParser;
  /** What is read of it in one turn; one read of the stream may go past it. */
  readonly bytesPerTurn: number;
  /** True for what leaves room for a vote. */
  readonly yields: boolean;
  /** A frame was refused since the queue was half empty last. */
  refused: boolean;
  /**
   * When the frame in progress began, or had come on by frameProgressBytes last; how many frames were complete then,
   * and how many bytes were received.
   */
  partialSinceMs: number;
  partialAfter: number;
  partialFromBytes: number;
  bytesSent: number;
  bytesReceived: number;
};

export const createLane = (name: LaneName, isDialler: boolean, limits: TransportLimits): Lane => {
  // Unidirectional streams: type bits 0b10 by the client, 0b11 by the server (RFC 9000, 2.1).
  const byDialler = STREAM_PLACE[name] * 4 + 2;
  const byAccepter = byDialler + 1;
  const isSealed = name === "sealed";
  return {
    name,
    sendId: isDialler ? byDialler : byAccepter,
    recvId: isDialler ? byAccepter : byDialler,
    queue: new SendQueue(isSealed ? LIMITS.sealedQueueBytesMax : limits.sendQueueBytesMax[name]),
    parser: new FrameParser(isSealed ? SEALED_FRAME_BYTES_MAX : limits.frameBytesMax[name]),
    bytesPerTurn: isSealed ? LIMITS.sealedBytesPerTurn : READ_BYTES_PER_TURN,
    yields: URGENCY[name] >= YIELDING_URGENCY,
    refused: false,
    partialSinceMs: Number.POSITIVE_INFINITY,
    partialAfter: 0,
    partialFromBytes: 0,
    bytesSent: 0,
    bytesReceived: 0,
  };
};

/** After bytes were received: a frame that has begun, or has come on far enough, has its time from now on. */
export const noteProgress = (lane: Lane, nowMs: number): void => {
  const { parser, bytesReceived } = lane;
  if (!parser.partial) {
    lane.partialSinceMs = Number.POSITIVE_INFINITY;
    return;
  }
  const isNew =
    lane.partialSinceMs === Number.POSITIVE_INFINITY || lane.partialAfter !== parser.frames;
  if (!isNew && bytesReceived - lane.partialFromBytes < LIMITS.frameProgressBytes) return;
  lane.partialSinceMs = nowMs;
  lane.partialAfter = parser.frames;
  lane.partialFromBytes = bytesReceived;
};
