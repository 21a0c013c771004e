/**
 * I20 for what egress.ts has no account of: batches and cosignatures, which nobody asks for and everybody must get.
 *
 * Who is given a batch by a client, or writes one itself, pushes it to all with whom it has a session. It does so
 * again where the client submits it again, a second after it did so last at the earliest; and once to each peer with
 * whom a session begins, in the moment in which it does. What was pushed by others it passes on to nobody. A
 * signature of a checkpoint goes out when it is made, and the newest where a session begins: nobody gets one twice
 * in a session. Batches that are asked for are sent once for each time that they are, by their digests.
 *
 * What it does not see: a question that was not answered entitles to an answer at any time, as a node may get later
 * what it lacks now. And what liars send, who may say what they like.
 */
import { Cursor, hex, sha256, taggedHash } from "./oracle.ts";
import { Recent } from "./recent.ts";
import type { CheckContext, Checker } from "./types.ts";

const BATCH_REQUEST = 8;
const BATCHES = 9;
const BATCH = 10;
const COSIGNATURE = 16;
/** u64 size, root and u64 time of a cosignature: what is signed. */
const COSIGNED_BYTES = 8 + 32 + 8;
const DIGEST_BYTES = 32;

/** A second by the sender's own clock, which shows whole milliseconds and may go faster by a tenth. */
const TOLD_AGAIN_US = 900_000;

/** What a node has sent, and what it was asked for by one peer: older entries are forgotten. */
const SENT_MAX = 4_096;
const ASKED_MAX = 4_096;

/** One batch or cosignature of a sender, by the slot of who got it. */
type Pushed = {
  /** The beginning of the session in which it was sent, or was sent as the session began. */
  readonly sessionUs: number[];
  /** When it was sent at another moment. */
  readonly toldUs: number[];
};

type Asked = {
  readonly open: Recent<string, number>;
  /** Of questions that were forgotten: they may have their answers. */
  forgotten: number;
};

type Sender = {
  readonly pushed: Recent<string, Pushed>;
  /** When the newest session with each peer began. */
  readonly sessions: number[];
  readonly asked: (Asked | undefined)[];
};

const createAsked = (): Asked => {
  const asked: Asked = {
    open: new Recent(ASKED_MAX, (times = 0) => {
      asked.forgotten += times;
    }),
    forgotten: 0,
  };
  return asked;
};

/** The digests that a question names. */
const digestsAsked = (frame: Uint8Array): string[] => {
  const cursor = new Cursor(frame, 1);
  const count = Math.min(cursor.u32(), Math.floor(cursor.left / DIGEST_BYTES));
  return Array.from({ length: count }, () => hex(cursor.take(DIGEST_BYTES)));
};

const digestsSent = (chainId: string, frame: Uint8Array): string[] => {
  const cursor = new Cursor(frame, 1);
  const digests: string[] = [];
  for (let left = cursor.u32(); left > 0 && cursor.ok; left--) {
    digests.push(hex(taggedHash(chainId, "batch/digest", cursor.sized())));
  }
  return digests;
};

const pushedOf = (sender: Sender, name: string): Pushed => {
  const pushed = sender.pushed.get(name) ?? { sessionUs: [], toldUs: [] };
  sender.pushed.set(name, pushed);
  return pushed;
};

const batchFault = (
  sender: Sender,
  to: number,
  frame: Uint8Array,
  nowUs: number,
): string | undefined => {
  const name = hex(sha256(frame));
  const { sessionUs, toldUs } = pushedOf(sender, name);
  const begunUs = sender.sessions[to];
  if (nowUs === begunUs && sessionUs[to] !== begunUs) {
    sessionUs[to] = begunUs;
    return undefined;
  }
  const lastUs = toldUs[to];
  toldUs[to] = nowUs;
  if (lastUs === undefined || nowUs - lastUs >= TOLD_AGAIN_US) return undefined;
  return `a batch again after ${nowUs - lastUs} us`;
};

const cosignatureFault = (sender: Sender, to: number, frame: Uint8Array): string | undefined => {
  const name = `cosignature ${hex(frame.subarray(1, 1 + COSIGNED_BYTES))}`;
  const { sessionUs } = pushedOf(sender, name);
  const begunUs = sender.sessions[to] ?? -1;
  const isAgain = sessionUs[to] === begunUs;
  sessionUs[to] = begunUs;
  return isAgain ? "one signature of a checkpoint twice in a session" : undefined;
};

/** Takes what is answered from what was asked; undefined where that was enough. */
const answerFault = (asked: Asked | undefined, digests: readonly string[]): string | undefined => {
  for (const digest of digests) {
    const times = asked?.open.get(digest) ?? 0;
    if (asked !== undefined && times > 1) asked.open.set(digest, times - 1);
    else if (asked !== undefined && times === 1) asked.open.delete(digest);
    else if (asked !== undefined && asked.forgotten > 0) asked.forgotten -= 1;
    else return `batch ${digest.slice(0, 16)} oftener than it was asked for`;
  }
  return undefined;
};

export const pushesBounded = (context: CheckContext): Checker => {
  const senders: (Sender | undefined)[] = [];
  const senderOf = (slot: number): Sender => {
    const sender = senders[slot] ?? { pushed: new Recent(SENT_MAX), sessions: [], asked: [] };
    senders[slot] = sender;
    return sender;
  };
  const faultOf = (from: number, to: number, frame: Uint8Array): string | undefined => {
    const sender = senderOf(from);
    switch (frame[0]) {
      case BATCH:
        return batchFault(sender, to, frame, context.nowUs());
      case COSIGNATURE:
        return cosignatureFault(sender, to, frame);
      case BATCHES:
        // Of two processes with one key one may have asked, and the other has the session by now.
        if (!context.honest(to)) return undefined;
        return answerFault(sender.asked[to], digestsSent(context.chainId, frame));
      default:
        return undefined;
    }
  };
  return {
    id: "I20",
    title:
      "a node pushes each batch and each cosignature to a peer once, and again only when it may",
    booted: (slot) => {
      senders[slot] = undefined;
    },
    connected: (slot, peer) => {
      if (context.honest(slot)) senderOf(slot).sessions[peer] = context.nowUs();
    },
    delivered: (from, to, frame) => {
      if (frame[0] !== BATCH_REQUEST || !context.honest(from) || !context.honest(to)) return;
      const sender = senderOf(to);
      const asked = sender.asked[from] ?? createAsked();
      sender.asked[from] = asked;
      for (const digest of digestsAsked(frame)) {
        asked.open.set(digest, (asked.open.get(digest) ?? 0) + 1);
      }
    },
    sent: (from, to, trafficClass, frame) => {
      if (trafficClass !== "mempool" && trafficClass !== "control") return;
      if (!context.honest(from)) return;
      const fault = faultOf(from, to, frame);
      if (fault !== undefined) context.report("I20", `n${from} sent n${to} ${fault}`);
    },
  };
};
