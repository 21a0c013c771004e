/**
 * Why a run is stuck. A run that has lost liveness is run again with a witness that notes who signed what, who asked
 * whom for what, who holds which block and batch, and what reached whom; from that it says what stands in the way.
 * A second run costs nothing where all is well, and says the same as the first would have. Votes count by the set
 * of their epoch.
 */
import { headersOf } from "../checkers/headers.ts";
import { Cursor, hex } from "../checkers/oracle.ts";
import { Recent } from "../checkers/recent.ts";
import type { CheckContext, Checker, Put, Status } from "../checkers/types.ts";
import { Waiting } from "./batches.ts";
import { CatchUps, type Laggard } from "./behind.ts";
import {
  type BlockName,
  batchName,
  certificateNames,
  type Exchange,
  exchangeOf,
} from "./frames.ts";
import { Holdings } from "./holdings.ts";
import {
  agoText,
  CAUSES_SHOWN,
  type Stuck,
  type StuckTable,
  shortHash,
  slotList,
  tableOf,
  verb,
} from "./model.ts";
import {
  askingCause,
  askingOf,
  askingTable,
  type Request,
  Requests,
  type What,
} from "./requests.ts";
import { type Scale, type Standing, Votes } from "./votes.ts";

/** Where a block has become final since, the network goes on, whoever is stuck in it. */
const GOES_ON_US = 4_000_000;
const CERTIFICATE_KEY_BYTES = 19;
/** Digests whose batch is known. */
const IDS_MAX = 16_384;
/** Findings that are about votes, whatever else goes on. */
const OF_VOTES: ReadonlySet<string> = new Set(["L4", "L5"]);

/** What was found of a run. */
export type Finding = { readonly id: string; readonly detail: string };

export type Witness = {
  readonly checker: (context: CheckContext) => Checker;
  /** `up` are the slots that take part. */
  explain(up: ReadonlySet<number>, found: Finding): Stuck;
};

class Notes {
  readonly context: CheckContext;
  readonly votes: Votes;
  readonly blocks: Holdings;
  readonly batches: Holdings;
  readonly requests = new Requests();
  readonly catchUps = new CatchUps();
  readonly waiting: Waiting;
  readonly statuses = new Map<number, Status>();
  /** Ids of batches by digest: blocks and questions name them by these. */
  readonly #ids = new Recent<string, string>(IDS_MAX);
  readonly #read = new WeakMap<Uint8Array, { readonly exchange: Exchange | undefined }>();
  highest = 0;
  roseUs = 0;

  constructor(context: CheckContext) {
    this.context = context;
    this.votes = new Votes(context);
    this.blocks = new Holdings(context.members.length);
    this.batches = new Holdings(context.members.length);
    this.waiting = new Waiting(this.batches, this.#ids);
  }

  /** A frame that goes to many is one array, and nobody writes into it. */
  #exchange(bytes: Uint8Array): Exchange | undefined {
    let read = this.#read.get(bytes);
    if (read === undefined) {
      read = { exchange: exchangeOf(this.context.chainId, bytes) };
      this.#read.set(bytes, read);
      if (read.exchange !== undefined && "batches" in read.exchange) {
        for (const { id, digest } of read.exchange.batches) this.#ids.set(digest, id);
      }
    }
    return read.exchange;
  }

  sent(from: number, to: number, bytes: Uint8Array): void {
    const exchange = this.#exchange(bytes);
    const atUs = this.context.nowUs();
    if (exchange?.kind === "asks") {
      const { what, place } = exchange;
      for (const name of exchange.names) this.requests.asked(from, to, { what, name, place }, atUs);
    } else if (exchange?.kind === "asks-from") {
      this.catchUps.asked(from, to, exchange.height, atUs);
    } else if (exchange?.kind === "answers") {
      this.catchUps.answered(to, from);
    } else if (exchange?.kind === "brings") {
      for (const { hash } of exchange.blocks) this.requests.answered(to, from, "block", hash);
      for (const { digest } of exchange.batches) this.requests.answered(to, from, "batch", digest);
      for (const name of exchange.certificates) {
        this.requests.answered(to, from, "certificate", name);
      }
      if (exchange.proposes) this.#proposed(from, exchange.blocks, atUs);
    }
  }

  #proposed(slot: number, blocks: readonly BlockName[], atUs: number): void {
    for (const block of blocks) {
      this.blocks.gain(slot, block.hash, atUs);
      this.waiting.proposed(this.context.memberOf(slot)?.slot ?? slot, block, atUs);
    }
  }

  delivered(from: number, to: number, bytes: Uint8Array): void {
    const atUs = this.context.nowUs();
    this.votes.delivered(from, to, bytes, atUs);
    const exchange = this.#exchange(bytes);
    if (exchange?.kind === "asks") {
      for (const name of exchange.names) this.requests.reached(from, to, exchange.what, name);
    } else if (exchange?.kind === "asks-from") {
      this.catchUps.reached(from, to);
    } else if (exchange?.kind === "has-none") {
      this.catchUps.brought(to, from, false);
    } else if (exchange !== undefined) {
      if (exchange.kind === "answers") this.catchUps.brought(to, from, exchange.blocks.length > 0);
      for (const { hash } of exchange.blocks) {
        this.blocks.gain(to, hash, atUs);
        this.requests.got(to, from, "block", hash, atUs);
      }
      for (const { id, digest } of exchange.batches) {
        this.batches.gain(to, id, atUs);
        this.requests.got(to, from, "batch", digest, atUs);
      }
      for (const name of exchange.certificates) {
        this.requests.got(to, from, "certificate", name, atUs);
      }
    }
  }

  /** "c/", epoch, view, kind: a certificate, also one that the node has made of votes itself. */
  #certified(slot: number, key: Uint8Array, atUs: number): void {
    const cursor = new Cursor(key, 2);
    const place = { epoch: cursor.u64(), view: cursor.u64() };
    const kind = cursor.u8();
    this.votes.certified(slot, place, kind);
    for (const name of certificateNames(place, kind)) {
      this.requests.has(slot, "certificate", name, atUs);
    }
  }

  /** "b/", hash: a block; "d/", digest: a batch. */
  durable(slot: number, puts: readonly Put[]): void {
    const atUs = this.context.nowUs();
    for (const { key, value } of puts) {
      if (key[1] !== 0x2f) continue;
      if (key[0] === 0x63 && key.length === CERTIFICATE_KEY_BYTES) {
        this.#certified(slot, key, atUs);
      }
      if (key.length !== 34) continue;
      if (key[0] === 0x62) this.blocks.gain(slot, hex(key.subarray(2)), atUs, true);
      else if (key[0] === 0x64) {
        const digest = hex(key.subarray(2));
        const id = this.#ids.get(digest) ?? batchName(this.context.chainId, value).id;
        this.#ids.set(digest, id);
        this.batches.gain(slot, id, atUs, true);
      }
    }
  }

  status(slot: number, status: Status): void {
    const atUs = this.context.nowUs();
    this.statuses.set(slot, status);
    this.catchUps.status(slot, status, atUs);
    if (!this.context.honest(slot) || status.finalHeight <= this.highest) return;
    this.highest = status.finalHeight;
    this.roseUs = atUs;
  }

  booted(slot: number): void {
    this.blocks.booted(slot);
    this.batches.booted(slot);
    this.catchUps.booted(slot);
    this.votes.booted(slot);
  }

  diskLost(slot: number): void {
    this.blocks.diskLost(slot);
    this.batches.diskLost(slot);
    this.votes.diskLost(slot);
  }

  /** Of those who are up: who has it; undefined where that is not known, as of a batch that no frame has shown. */
  holdersOf(what: What, name: string, up: ReadonlySet<number>): readonly number[] | undefined {
    if (what === "certificate") return undefined;
    if (what === "block") return this.blocks.holders(name, up);
    const id = this.#ids.get(name);
    return id === undefined ? undefined : this.batches.holders(id, up);
  }
}

/** Behind the highest of those who follow the protocol: what others say of themselves is no measure. */
const laggardsOf = ({ statuses, context }: Notes, up: ReadonlySet<number>): Laggard[] => {
  const shown = [...up].flatMap((slot) => {
    const status = statuses.get(slot);
    return status === undefined ? [] : [{ slot, status }];
  });
  const honest = shown.filter(({ slot }) => context.honest(slot));
  const top = Math.max(0, ...honest.map(({ status }) => status.finalHeight));
  return shown
    .map(({ slot, status }) => ({ slot, status, behind: top - status.executedHeight }))
    .filter(({ behind }) => behind > 1)
    .sort((a, b) => b.behind - a.behind || a.slot - b.slot);
};

/** Epoch and view of the highest block that is final at an honest one of these. */
const finalOf = ({ context, statuses }: Notes, up: ReadonlySet<number>): Standing["final"] => {
  const honest = [...up].filter((slot) => context.honest(slot));
  const of = honest.flatMap((slot) => statuses.get(slot) ?? []);
  const [top] = of.sort((a, b) => b.finalHeight - a.finalHeight);
  const { epoch = 0, view = 0 } = headersOf(context).get(top?.finalHash ?? "") ?? {};
  return { epoch, view };
};

const standTable = (notes: Notes, { up, statuses, endUs }: Standing): StuckTable =>
  tableOf(
    "Where each node stands",
    ["node", "weight", "epoch", "view", "final", "executed", "voting", "its votes heard"],
    [...up].flatMap((slot) => {
      const status = statuses.get(slot);
      if (status === undefined) return [];
      const { epoch, view, finalHeight, executedHeight, voting } = status;
      const liar = notes.context.honest(slot) ? "" : " (faulty)";
      const weight = notes.votes.scaleOf(epoch)?.weigh([slot]) ?? "-";
      const numbers = [weight, epoch, view, finalHeight, executedHeight].map(String);
      return [[`n${slot}${liar}`, ...numbers, voting, agoText(notes.votes.heardUs(slot), endUs)]];
    }),
  );

/** Blocks that a quorum has notarized and a node has not, and of which it does not ask anybody either. */
const unasked = (notes: Notes, standing: Standing): string[] => {
  const finalViewOf = (slot: number): number =>
    headersOf(notes.context).get(standing.statuses.get(slot)?.finalHash ?? "")?.view ?? 0;
  const lines: string[] = [];
  for (const [slot, all] of notes.votes.notarized(standing, finalViewOf)) {
    for (const { statement } of all) {
      const holders = notes.blocks.holders(statement.hash, standing.up);
      if (holders === undefined || holders.includes(slot)) continue;
      const request = notes.requests.get(slot, "block", statement.hash);
      const { forgottenUs } = notes.requests;
      // A question that is not remembered was asked no later than that.
      const lastUs = request?.lastUs ?? forgottenUs;
      if (lastUs !== undefined && standing.endUs - lastUs < GOES_ON_US) continue;
      const isKnown = request !== undefined || forgottenUs === undefined;
      const last = isKnown ? agoText(lastUs, standing.endUs) : "not known";
      lines.push(
        `n${slot} lacks block ${shortHash(statement.hash)}, which a quorum has notarized in view ` +
          `${statement.view}, and asks nobody for it (the last time: ${last}); ` +
          `${slotList(holders)} ${verb(holders, "has")} it`,
      );
    }
  }
  return lines;
};

/** A certificate that is of no use any more, as something is final there of its view or a later one. */
const isOver = ({ context, statuses }: Notes, { slot, place }: Request): boolean => {
  const status = statuses.get(slot);
  if (place === undefined || status === undefined) return false;
  if (place.epoch !== status.epoch) return place.epoch < status.epoch;
  const final = headersOf(context).get(status.finalHash);
  return final !== undefined && final.epoch === place.epoch && place.view <= final.view;
};

/** By the newest decided epoch in which an honest node stands. */
const quorumCause = (
  context: CheckContext,
  scale: Scale | undefined,
  up: ReadonlySet<number>,
): string => {
  if (scale === undefined) return `how much a quorum is, is not known; up are ${slotList(up)}`;
  const { epoch, needed, total, weigh } = scale;
  const when = context.stake === undefined ? "" : ` of epoch ${epoch}`;
  return `a quorum${when} is ${needed} of ${total}; up are ${slotList(up)}, which have ${weigh(up)}`;
};

const explained = (notes: Notes, up: ReadonlySet<number>, found: Finding): Stuck => {
  const { context, votes, statuses } = notes;
  const here = new Set([...up].sort((a, b) => a - b));
  const standing: Standing = {
    ...{ up: here, statuses, endUs: context.nowUs() },
    final: finalOf(notes, here),
  };
  const { endUs } = standing;
  const [scale] = votes.scales(standing);
  const isQuorum = scale !== undefined && scale.weigh(here) >= scale.needed;
  const goesOn = found.id !== "L1" && endUs - notes.roseUs < GOES_ON_US;
  const laggards = laggardsOf(notes, here);
  const open = notes.requests.open(here, endUs).filter((request) => !isOver(notes, request));
  const asking = askingOf(open, (what, name) => notes.holdersOf(what, name, here));
  const late = found.id === "L2" ? notes.waiting.named(found.detail) : [];
  const ofVotes = !goesOn || OF_VOTES.has(found.id);
  const causes = [
    quorumCause(context, scale, here),
    ...(isQuorum || scale === undefined
      ? []
      : ["not recoverable because less than a quorum is up"]),
    ...(goesOn
      ? [
          `the network goes on: height ${notes.highest} became final ${agoText(notes.roseUs, endUs)}`,
        ]
      : []),
    ...notes.waiting.causes(late, here),
    ...laggards.slice(0, CAUSES_SHOWN).map((one) => notes.catchUps.cause(one, endUs)),
    ...(ofVotes && isQuorum ? votes.silent(standing, scale) : []),
    ...(ofVotes && isQuorum ? votes.openViews(standing).slice(0, CAUSES_SHOWN) : []),
    ...(ofVotes ? votes.scattered(standing).slice(0, CAUSES_SHOWN) : []),
    ...(ofVotes ? unasked(notes, standing).slice(0, CAUSES_SHOWN) : []),
    ...asking.slice(0, CAUSES_SHOWN).map(askingCause),
  ];
  const tables = [
    ...(ofVotes || laggards.length > 0 ? [standTable(notes, standing)] : []),
    notes.waiting.table(late, here, endUs),
    notes.catchUps.table(laggards, endUs),
    askingTable(asking, endUs),
    ...(ofVotes ? [votes.table(standing)] : []),
  ];
  return { causes, tables: tables.filter(({ rows }) => rows.length > 0) };
};

/** A factory for the checker of a second run, and what it has to say at its end. */
export const createWitness = (): Witness => {
  let notes: Notes | undefined;
  const checker = (context: CheckContext): Checker => {
    const own = new Notes(context);
    const headers = headersOf(context);
    notes = own;
    return {
      id: "stuck",
      title: "notes what reached whom, for the report of a stuck run",
      booted: (slot) => own.booted(slot),
      released: (slot, message) => own.votes.released(slot, message),
      sent: (from, to, _class, bytes) => {
        headers.note(bytes);
        own.sent(from, to, bytes);
      },
      delivered: (from, to, bytes) => own.delivered(from, to, bytes),
      durable: (slot, disk, puts) => {
        if (disk === "data") own.durable(slot, puts);
      },
      diskLost: (slot, disk) => {
        if (disk === "data") own.diskLost(slot);
      },
      status: (slot, status) => own.status(slot, status),
      offered: (slot, submission) => own.waiting.offered(slot, submission, context.nowUs()),
      declined: (slot, submission, code) => own.waiting.declined(slot, submission, code),
      acknowledged: (_slot, submission) => own.waiting.acknowledged(submission, context.nowUs()),
      healed: (atUs) => own.waiting.healed(atUs),
    };
  };
  return {
    checker,
    explain: (up, found) =>
      notes === undefined ? { causes: [], tables: [] } : explained(notes, up, found),
  };
};
