/**
 * I20: what a view costs. Each of its own statements a node sends each peer once, and more than that only as an
 * answer, or every half second while nothing moves (R7: nothing is flooded). So a view in which nothing goes
 * wrong costs at most three votes a peer, 396 kB at a hundred nodes, and the leader's block.
 *
 * The oracle keeps accounts of every link, in frames: what entitles to them, and what was sent. What nobody used
 * is forgotten soon, so that an outage buys nothing for later. Votes that are sent again are followed by STATUS,
 * and STATUS is due while a node has said nothing new, to who is ahead of it or has sent STATUS, to who has just
 * connected, and to all at the start of an epoch. Batches and cosignatures have accounts of their own (pushes.ts);
 * what is served to those who catch up has a rate of its own.
 *
 * What it does not see: whether a greeting is due, so that STATUS, with the votes before it, is free every other
 * second, and always to who is not honest;
 * whether STATUS was worth STATUS; which votes an answer lacks, so that one may have three of every member; that a
 * node which may not vote moves on; and what is sent too often for a moment only, up to 54 votes beyond what is due.
 */
import { decodeStatement, NOTARIZE } from "./decode.ts";
import { Recent } from "./recent.ts";
import { setsOf } from "./sets.ts";
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
/** So many times as much may have left before STATUS follows, or a full queue has refused it. */
const ROUNDS_MAX = 2;
/** An answer to STATUS: a finalization, two certificates, and the votes of one view. */
const ANSWER_CERTIFICATES = 3;
/** Answers leave at once. */
const ANSWER_US = 1_000_000;
/** A node that has said nothing for so long stands still: t_r is 500 ms, and signing takes a part of it. */
const STANDS_US = 300_000;
/** While it does, STATUS is due every t_r: half of that here. */
const PAUSE_US = 250_000;
/** Who is ahead, or of another epoch, is told where a node is: twice in t_r for either reason. */
const BEHIND_US = 125_000;
/** Greetings, at any time. */
const GREETING_US = 2_000_000;
/** Of STATUS that was due and not sent, and of statements that were not sent, so much is kept. */
const KEPT_STATUSES = 16;
const KEPT_VOTES = RESENT_VOTES;
const SHOWN_VIEWS = 256;

type Account = {
  /** The sender's statements that are to be sent there, and how many it had made when that was counted. */
  owed: number;
  ownSeen: number;
  /** What may be sent as an answer, and until when. */
  votesAsked: number;
  certificatesAsked: number;
  askedUntilUs: number;
  blocksAsked: number;
  /** What was sent beyond that and waits for STATUS to follow. */
  votesAgain: number;
  certificatesAgain: number;
  statusesDue: number;
  /** How often it was due to everybody when that was counted, and when greetings were. */
  dueSeen: number;
  greetedUs: number;
  behindUs: number;
  /** Views in which a leader's vote was shown there. */
  shown: Recent<string, true> | undefined;
};

type Sender = {
  own: number;
  /** The newest statement that it has signed. */
  epoch: number;
  view: number;
  movedUs: number;
  /** How often STATUS was due to everybody before that, as long as it stood still and at the start of epochs. */
  due: number;
  readonly to: (Account | undefined)[];
};

const u32At = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) * 0x1000000 +
  (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
/** Numbers of epochs and views are small. */
const u64At = (bytes: Uint8Array, at: number): number =>
  u32At(bytes, at) * 0x100000000 + u32At(bytes, at + 4);

/** Where the epoch stands in a frame; the view follows it, then the kind, the hash and the signer. */
const epochAt = (type: number | undefined): number => (type === PROPOSAL ? 5 : 1);
const KIND_AT = 17;
const SIGNER_AT = 50;

export const egressBounded = (context: CheckContext): Checker => {
  const senders: (Sender | undefined)[] = [];
  const sets = setsOf(context);
  const n = context.members.length;
  const isPure = context.members.every(({ slot }) => context.honest(slot));

  const senderOf = (slot: number): Sender => {
    let sender = senders[slot];
    if (sender === undefined) {
      sender = { own: 0, epoch: -1, view: 0, movedUs: context.nowUs(), due: 0, to: [] };
      senders[slot] = sender;
    }
    return sender;
  };
  const accountOf = (sender: Sender, to: number): Account => {
    let account = sender.to[to];
    if (account === undefined) {
      account = {
        ...{ owed: 0, ownSeen: 0, votesAsked: 0, certificatesAsked: 0, askedUntilUs: 0 },
        ...{ blocksAsked: 0, votesAgain: 0, certificatesAgain: 0, statusesDue: KEPT_STATUSES },
        ...{ dueSeen: dueOf(sender), greetedUs: context.nowUs(), behindUs: 0, shown: undefined },
      };
      sender.to[to] = account;
    }
    return account;
  };
  /** How often STATUS was due to everybody up to now. */
  const dueOf = ({ due, movedUs }: Sender): number => {
    const us = context.nowUs() - movedUs;
    return due + (us >= STANDS_US ? us / PAUSE_US : 0);
  };

  /**
   * A leader's vote that is shown to who voted for another block, once a view: liars make that due, as the leader or
   * as who voted.
   */
  const isShown = (account: Account, to: number, bytes: Uint8Array): boolean => {
    if (isPure || bytes[0] !== VOTE || bytes[KIND_AT] !== NOTARIZE) return false;
    const [epoch, view] = [u64At(bytes, 1), u64At(bytes, 9)];
    const signer = ((bytes[SIGNER_AT] ?? 0) << 8) | (bytes[SIGNER_AT + 1] ?? 0);
    const set = sets.isDecided(epoch) ? sets.at(epoch) : undefined;
    const leader = set === undefined ? undefined : sets.leaderOf(epoch, view);
    const slot = set?.ofIndex(signer)?.slot;
    if (leader !== undefined && leader !== signer) return false;
    const hasLiar = slot === undefined || !context.honest(slot) || !context.honest(to);
    const key = `${epoch}/${view}`;
    account.shown ??= new Recent(SHOWN_VIEWS);
    if (!hasLiar || account.shown.has(key)) return false;
    account.shown.set(key, true);
    return true;
  };

  const votesFault = (sender: Sender, account: Account): string | undefined => {
    const made = sender.own - account.ownSeen;
    account.ownSeen = sender.own;
    account.owed = Math.min(account.owed + made, KEPT_VOTES);
    if (account.owed > 0) account.owed -= 1;
    else if (account.votesAsked > 0 && context.nowUs() <= account.askedUntilUs) {
      account.votesAsked -= 1;
    } else account.votesAgain += 1;
    const { votesAgain } = account;
    if (votesAgain <= ROUNDS_MAX * RESENT_VOTES) return undefined;
    return `${votesAgain} votes that were not due, after ${sender.own} statements`;
  };

  const certificatesFault = (account: Account): string | undefined => {
    if (account.certificatesAsked > 0 && context.nowUs() <= account.askedUntilUs) {
      account.certificatesAsked -= 1;
    } else account.certificatesAgain += 1;
    const { certificatesAgain } = account;
    if (certificatesAgain <= ROUNDS_MAX * RESENT_CERTIFICATES) return undefined;
    return `${certificatesAgain} certificates that nobody asked for`;
  };

  /** STATUS follows what was sent again. */
  const followed = (account: Account): void => {
    account.votesAgain = Math.max(0, account.votesAgain - RESENT_VOTES);
    account.certificatesAgain = Math.max(0, account.certificatesAgain - RESENT_CERTIFICATES);
  };

  const statusFault = (sender: Sender, account: Account): string | undefined => {
    followed(account);
    const [nowUs, due] = [context.nowUs(), dueOf(sender)];
    account.statusesDue += due - account.dueSeen;
    account.statusesDue += (nowUs - account.greetedUs) / GREETING_US;
    account.statusesDue = Math.min(account.statusesDue, KEPT_STATUSES) - 1;
    [account.dueSeen, account.greetedUs] = [due, nowUs];
    return account.statusesDue < 0 ? "STATUS more often than it stands still" : undefined;
  };

  const faultOf = (from: number, to: number, bytes: Uint8Array): string | undefined => {
    const sender = senderOf(from);
    const account = accountOf(sender, to);
    switch (bytes[0]) {
      case PROPOSAL:
      case VOTE:
        return isShown(account, to, bytes) ? undefined : votesFault(sender, account);
      case CERTIFICATE:
        return certificatesFault(account);
      case STATUS:
        if (context.honest(to)) return statusFault(sender, account);
        // A liar, or two processes with one key, may connect anew as often as it likes, and is greeted each time.
        followed(account);
        return undefined;
      case BLOCK:
        account.blocksAsked -= 1;
        return account.blocksAsked < 0 ? "more blocks than it was asked for" : undefined;
      default:
        return undefined;
    }
  };

  /** Whether a frame comes from who is ahead of this node, or may be of another epoch or in no set. */
  const wantsStatus = ({ epoch, view }: Sender, bytes: Uint8Array): boolean => {
    const type = bytes[0] ?? 0;
    if (type === STATUS) return true;
    if (type < PROPOSAL || type > CERTIFICATE) return false;
    const at = epochAt(type);
    return u64At(bytes, at) !== epoch || u64At(bytes, at + 8) > view + 1;
  };

  return {
    id: "I20",
    title: "a node sends each of its statements once, and else only what it is asked for",
    booted: (slot) => {
      senders[slot] = undefined;
    },
    signed: (slot, message) => {
      const statement = decodeStatement(message);
      if (statement === undefined || !context.honest(slot)) return;
      const sender = senderOf(slot);
      // At the start of an epoch all are greeted anew.
      sender.due = dueOf(sender) + (statement.epoch > sender.epoch ? 1 : 0);
      sender.movedUs = context.nowUs();
      sender.epoch = statement.epoch;
      sender.view = statement.view;
    },
    released: (slot, message) => {
      if (!context.honest(slot) || decodeStatement(message) === undefined) return;
      senderOf(slot).own += 1;
    },
    delivered: (from, to, bytes) => {
      if (!context.honest(to)) return;
      const type = bytes[0] ?? 0;
      if (type < PROPOSAL || type > BLOCK_REQUEST) return;
      const sender = senderOf(to);
      const account = accountOf(sender, from);
      const nowUs = context.nowUs();
      if (nowUs - account.behindUs >= BEHIND_US && wantsStatus(sender, bytes)) {
        account.behindUs = nowUs;
        account.statusesDue += 1;
      }
      if (type === BLOCK_REQUEST) account.blocksAsked += 1;
      if (type !== STATUS && type !== CERTIFICATE_REQUEST) return;
      if (nowUs > account.askedUntilUs) account.certificatesAsked = 0;
      account.certificatesAsked += type === STATUS ? ANSWER_CERTIFICATES : 1;
      if (type === STATUS) account.votesAsked = 3 * n;
      else if (nowUs > account.askedUntilUs) account.votesAsked = 0;
      account.askedUntilUs = nowUs + ANSWER_US;
    },
    sent: (from, to, trafficClass, bytes) => {
      if (trafficClass !== "consensus" || !context.honest(from)) return;
      const fault = faultOf(from, to, bytes);
      if (fault !== undefined) context.report("I20", `n${from} sent n${to} ${fault}`);
    },
    // A short queue may have room for votes and none for the STATUS behind them.
    refused: (from, to, trafficClass, bytes) => {
      if (trafficClass !== "consensus" || bytes[0] !== STATUS || !context.honest(from)) return;
      followed(accountOf(senderOf(from), to));
    },
  };
};
