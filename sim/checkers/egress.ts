/**
 * I20: what a view costs. Each of its own statements a node sends each peer once, and more than that only as an
 * answer, or every half second while nothing moves (R7: nothing is flooded). So a view in which nothing goes
 * wrong costs at most three votes a peer, 396 kB at a hundred nodes, and the leader's block.
 *
 * The oracle keeps accounts of every link, in frames: what entitles to them, and what was sent. Batches are not
 * counted, which everybody must get, nor what is served to those who catch up, which has a rate of its own.
 */
import { decodeStatement } from "./decode.ts";
import type { CheckContext, Checker } from "./types.ts";

const PROPOSAL = 1;
const VOTE = 2;
const CERTIFICATE = 3;
const STATUS = 4;
const CERTIFICATE_REQUEST = 5;
const BLOCK_REQUEST = 6;
const BLOCK = 7;

/** R7: own votes of the current view and eight below it, the newest finalization and the entry certificate. */
const RESENT_VOTES = 27;
const RESENT_CERTIFICATES = 2;
const RETRIES_PER_S = 2;
/** An answer to STATUS: a finalization, two certificates, and the votes of one view. */
const ANSWER_CERTIFICATES = 3;
/** Of STATUS itself: retries, and twice as many each for who is behind and for who is of another epoch; greetings. */
const STATUS_PER_S = 24;

type Account = {
  votes: number;
  certificates: number;
  blocks: number;
  statuses: number;
  /** What came from there and is to be answered. */
  asked: { statuses: number; certificates: number; blocks: number };
};

const newAccount = (): Account => ({
  ...{ votes: 0, certificates: 0, blocks: 0, statuses: 0 },
  asked: { statuses: 0, certificates: 0, blocks: 0 },
});

type Sender = { own: number; sinceUs: number; readonly to: (Account | undefined)[] };

export const egressBounded = (context: CheckContext): Checker => {
  const senders: (Sender | undefined)[] = [];
  const n = context.members.length;
  // The leader's vote is shown to who voted for another block: that costs liars, and is at most two a view.
  const shown = context.members.some(({ slot }) => !context.honest(slot)) ? 2 : 0;

  const senderOf = (slot: number): Sender => {
    let sender = senders[slot];
    if (sender === undefined) {
      sender = { own: 0, sinceUs: context.nowUs(), to: [] };
      senders[slot] = sender;
    }
    return sender;
  };
  const accountOf = (sender: Sender, to: number): Account => {
    let account = sender.to[to];
    if (account === undefined) {
      account = newAccount();
      sender.to[to] = account;
    }
    return account;
  };

  /** What was sent beyond what it was entitled to, or undefined. */
  const faultOf = (sender: Sender, account: Account, type: number): string | undefined => {
    const { own, sinceUs } = sender;
    const { asked, statuses } = account;
    const seconds = (context.nowUs() - sinceUs) / 1_000_000;
    const retries = RETRIES_PER_S * seconds + 2 + statuses;
    if (type === STATUS) {
      const most = STATUS_PER_S * (seconds + 1);
      return statuses > most ? `${statuses} times STATUS in ${seconds.toFixed(1)} s` : undefined;
    }
    if (type === BLOCK) {
      return account.blocks > asked.blocks
        ? `${account.blocks} blocks for ${asked.blocks} requests`
        : undefined;
    }
    if (type === CERTIFICATE) {
      const answers = ANSWER_CERTIFICATES * asked.statuses + asked.certificates;
      return account.certificates > answers + RESENT_CERTIFICATES * retries
        ? `${account.certificates} certificates, of which ${answers} may be answers`
        : undefined;
    }
    const most = own * (1 + shown) + 3 * n * asked.statuses + RESENT_VOTES * retries;
    return account.votes > most ? `${account.votes} votes, of ${own} statements` : undefined;
  };

  return {
    id: "I20",
    title: "a node sends each of its statements once, and else only what it is asked for",
    booted: (slot) => {
      senders[slot] = undefined;
    },
    released: (slot, message) => {
      if (!context.honest(slot) || decodeStatement(message) === undefined) return;
      senderOf(slot).own += 1;
    },
    delivered: (from, to, bytes) => {
      const type = bytes[0];
      if (type !== STATUS && type !== CERTIFICATE_REQUEST && type !== BLOCK_REQUEST) return;
      if (!context.honest(to)) return;
      const { asked } = accountOf(senderOf(to), from);
      if (type === STATUS) asked.statuses += 1;
      else if (type === BLOCK_REQUEST) asked.blocks += 1;
      else asked.certificates += 1;
    },
    sent: (from, to, trafficClass, bytes) => {
      if (trafficClass !== "consensus" || !context.honest(from)) return;
      const type = bytes[0] ?? 0;
      const sender = senderOf(from);
      const account = accountOf(sender, to);
      if (type === PROPOSAL || type === VOTE) account.votes += 1;
      else if (type === CERTIFICATE) account.certificates += 1;
      else if (type === STATUS) account.statuses += 1;
      else if (type === BLOCK) account.blocks += 1;
      else return;
      const fault = faultOf(sender, account, type);
      if (fault !== undefined) context.report("I20", `n${from} sent n${to} ${fault}`);
    },
  };
};
