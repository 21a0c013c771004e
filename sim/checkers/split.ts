/**
 * L4: no split lasts. After the heal, what an honest node has said or has a certificate of, in views above all
 * that is final, reaches every honest node in bounded time, or is overtaken: a node whose final view lies above
 * it, or which is in a later epoch, needs it no more. A run goes on while something is owed and its time is not over.
 * What a node throws away has not reached it.
 */
import { lookAt } from "./certificates.ts";
import { decodeStatement, statementBytes } from "./decode.ts";
import { headersOf } from "./headers.ts";
import { Cursor } from "./oracle.ts";
import { entriesOfAll, Recent } from "./recent.ts";
import { setsOf } from "./sets.ts";
import { signedInFrame } from "./signed-frames.ts";
import type { CheckContext, Checker } from "./types.ts";

const PROPOSAL = 1;
const VOTE = 2;
const CERTIFICATE = 3;
const FINALIZE = 3;
/** "c/", u64 epoch, u64 view, u8 kind: the row of a certificate. */
const CERTIFICATE_KEY_BYTES = 19;
/** Runs go on for so long while something is not settled, also where all else must have come about sooner. */
export const REACHES_WITHIN_US = 15_000_000;
/** In place of a signer: the certificate. */
const ALL = 0xffff;
/** N, S and F, from 1 on. */
const KINDS = 4;
const SAID_KINDS = 3;

type Item = {
  readonly epoch: number;
  readonly view: number;
  readonly what: number;
  /** Who has said it; of a certificate and of what has arrived nobody. */
  readonly slot?: number;
};

/** Up to where a node needs nothing more. */
type Reach = { readonly epoch: number; readonly finalView: number };

/** Without a Cursor: this is done for every vote that arrives. */
const u32At = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0;

/** Kind and signer in one number. */
const whatOf = (kind: number, signer: number): number => kind * 0x10000 + signer;
const kindOf = (what: number): number => Math.floor(what / 0x10000);

const keyOf = ({ epoch, view, what }: Item): string => `${epoch}/${view}/${what}`;

const isPast = (reach: Reach, { epoch, view }: Item): boolean =>
  epoch < reach.epoch || (epoch === reach.epoch && view <= reach.finalView);

type Node = {
  epoch: number;
  /** When it was first seen in it. */
  sinceUs: number;
  finalView: number;
  /** By view of its epoch: what it has, of others too, a byte for each (`placeOf`). */
  readonly has: Map<number, Uint8Array>;
  /** What it was given last belonged to this view. */
  newest: { readonly view: number; readonly held: Uint8Array } | undefined;
  /** By epoch, view and kind: certificates on its disk. */
  readonly kept: Map<string, Item>;
};

export const splitsEnd = (context: CheckContext): Checker => {
  const nodes: Node[] = [];
  const signers = context.members.length;
  const sets = setsOf(context);
  const headers = headersOf(context);
  /** What honest nodes have said of late. */
  const said = new Recent<string, Item>(entriesOfAll(SAID_KINDS * signers));
  /** Of the frames of votes and proposals: one goes to many. */
  const votes = new WeakMap<Uint8Array, boolean>();
  /** At the heal: who registers later has not had all of the time. */
  let asked: readonly number[] = [];
  let owed: Item[] = [];
  let healedUs = 0;

  const nodeOf = (slot: number): Node => {
    let node = nodes[slot];
    if (node === undefined) {
      const begun = { epoch: 0, sinceUs: 0, finalView: 0, newest: undefined };
      node = { ...begun, has: new Map(), kept: new Map() };
      nodes[slot] = node;
    }
    return node;
  };

  /** Where a node's bytes say whether it has something: behind all signers lies the certificate. */
  const placeOf = (what: number): number => {
    const signer = what % 0x10000;
    const column = signer === ALL ? signers : signer;
    return column <= signers ? kindOf(what) * (signers + 1) + column : -1;
  };

  const take = (node: Node, { epoch, view, what }: Item): void => {
    if (epoch !== node.epoch || view <= node.finalView) return;
    if (node.newest?.view !== view) {
      const held = node.has.get(view) ?? new Uint8Array(KINDS * (signers + 1));
      node.has.set(view, held);
      node.newest = { view, held };
    }
    // What names no signer of the set lies beyond the end, and is not kept.
    node.newest.held[placeOf(what)] = 1;
  };

  const forget = (node: Node): void => {
    node.has.clear();
    node.newest = undefined;
  };

  const advance = (node: Node, epoch: number, finalView: number): void => {
    if (epoch < node.epoch || (epoch === node.epoch && finalView <= node.finalView)) return;
    if (epoch > node.epoch) {
      forget(node);
      node.sinceUs = context.nowUs();
    }
    node.epoch = epoch;
    node.finalView = finalView;
    node.newest = undefined;
    for (const view of node.has.keys()) if (view <= finalView) node.has.delete(view);
    for (const [key, item] of node.kept) if (isPast(node, item)) node.kept.delete(key);
  };

  /**
   * A node has it, or a certificate of the same kind, or needs it no more. What it has said itself it never loses,
   * and what is on its disk it has in whatever life and epoch it is.
   */
  const hasIt = (slot: number, item: Item): boolean => {
    const node = nodeOf(slot);
    if (item.slot === slot || isPast(node, item)) return true;
    const certificate = whatOf(kindOf(item.what), ALL);
    const held = node.epoch === item.epoch ? node.has.get(item.view) : undefined;
    if (held?.[placeOf(item.what)] === 1 || held?.[placeOf(certificate)] === 1) return true;
    return node.kept.size > 0 && node.kept.has(keyOf({ ...item, what: certificate }));
  };

  /** Of those who are asked, the furthest. */
  const furthest = (): Reach => {
    let top: Reach = { epoch: 0, finalView: 0 };
    for (const slot of asked) {
      const node = nodeOf(slot);
      if (isPast(node, { epoch: top.epoch, view: top.finalView, what: 0 })) top = node;
    }
    return top;
  };

  /** Whether something is owed and not done. The last look, at which nothing is any more, leaves the mark. */
  const isOwed = (): boolean => {
    if (owed.length === 0) return false;
    const top = furthest();
    const open: Item[] = [];
    let hasArrived = false;
    for (const item of owed) {
      if (!asked.every((slot) => hasIt(slot, item))) open.push(item);
      else if (!isPast(top, item)) hasArrived = true;
    }
    if (hasArrived) context.mark("open statement arrived");
    owed = open;
    if (owed.length === 0) context.mark("open statements at the heal");
    return owed.length > 0;
  };

  /**
   * Whether a node has had its time for what it is owed, since the heal and since it is in that epoch: before, it can
   * take nothing of it, and whether it gets there L3 asks.
   */
  const isDue = (slot: number, { epoch }: Item): boolean => {
    const node = nodeOf(slot);
    const sinceUs = Math.max(healedUs, node.sinceUs);
    return node.epoch === epoch && context.nowUs() - sinceUs >= REACHES_WITHIN_US;
  };

  /** The first of what is owed for too long, in words. */
  const overdue = (): string | undefined => {
    for (const item of owed) {
      const slot = asked.find((one) => isDue(one, item) && !hasIt(one, item));
      if (slot === undefined) continue;
      const signer = item.what % 0x10000;
      const name = `${" NSF"[kindOf(item.what)]}(${item.view}) of epoch ${item.epoch}`;
      const whose =
        signer === ALL ? `the certificate of ${name}` : `${name} by validator ${signer}`;
      return `${whose} has not reached n${slot}`;
    }
    return undefined;
  };

  /** The statement of a vote, a proposal or a certificate, from the place where it begins. */
  const itemAt = (bytes: Uint8Array, at: number, hasSigner: boolean): Item => {
    const epoch = u32At(bytes, at) * 0x1_0000_0000 + u32At(bytes, at + 4);
    const view = u32At(bytes, at + 8) * 0x1_0000_0000 + u32At(bytes, at + 12);
    const signerAt = at + 17 + 32;
    const signer = ((bytes[signerAt] ?? 0) << 8) | (bytes[signerAt + 1] ?? 0);
    return { epoch, view, what: whatOf(bytes[at + 16] ?? 0, hasSigner ? signer : ALL) };
  };

  const noteCertificate = (node: Node, item: Item): void => {
    take(node, item);
    if (item.what === whatOf(FINALIZE, ALL)) advance(node, item.epoch, item.view);
  };

  /**
   * Whether it is, or carries, an honest member's vote that it has signed; others' votes nobody is owed. So whoever
   * sends it: liars forge, and what honest nodes say the network may have damaged.
   */
  const isHonestVote = (bytes: Uint8Array, item: Item): boolean => {
    if (!sets.isDecided(item.epoch)) return false;
    const known = votes.get(bytes);
    if (known !== undefined) return known;
    const isHonest = isSignedByHonest(bytes, item);
    votes.set(bytes, isHonest);
    return isHonest;
  };

  const isSignedByHonest = (bytes: Uint8Array, { epoch, what }: Item): boolean => {
    const member = sets.at(epoch)?.ofIndex(what % 0x10000);
    if (member === undefined || !context.honest(member.slot)) return false;
    const [vote] = signedInFrame(bytes);
    if (vote === undefined) return false;
    const message = statementBytes(context.chainId, vote.statement);
    return context.verify(member.publicKey, message, vote.signature);
  };

  /** A certificate has arrived: it counts where it is one, whoever sends it. A forged one would end what is owed. */
  const hearCertificate = (node: Node, bytes: Uint8Array, item: Item): void => {
    if (isPast(node, item) || !sets.isDecided(item.epoch)) return;
    if (lookAt(context, bytes).fault === undefined) noteCertificate(node, item);
  };

  /**
   * What has arrived, where the node takes it: nothing while it still reads its folder, nothing of another epoch than
   * the one that it is in, and of votes and proposals none beyond its next view (R8).
   */
  const hear = (from: number, to: number, bytes: Uint8Array): void => {
    const [type] = bytes;
    if (type !== VOTE && type !== PROPOSAL && type !== CERTIFICATE) return;
    const at = context.standing(to);
    if (at === undefined) return;
    const node = nodeOf(to);
    advance(node, at.epoch, 0);
    const item = itemAt(bytes, type === PROPOSAL ? 5 : 1, type !== CERTIFICATE);
    if (item.epoch !== at.epoch) return;
    if (type === CERTIFICATE) return hearCertificate(node, bytes, item);
    // A liar's proposal may be refused for what it has beside the vote. Answers to who catches up, too, and nobody's
    // count: what they are worth shows on the disk and in what is final then.
    if (item.view > at.view + 1 || (type === PROPOSAL && !context.honest(from))) return;
    if (isHonestVote(bytes, item)) take(node, item);
  };

  return {
    id: "L4",
    title: "what honest nodes have above the final block reaches all of them after the heal",
    // Votes of others were in memory only.
    booted: (slot) => forget(nodeOf(slot)),
    diskLost: (slot, disk) => {
      if (disk === "data") delete nodes[slot];
    },
    durable: (slot, disk, puts) => {
      if (disk !== "data") return;
      for (const { key } of puts) {
        if (key.length !== CERTIFICATE_KEY_BYTES || key[0] !== 0x63 || key[1] !== 0x2f) continue;
        const cursor = new Cursor(key, 2);
        const [epoch, view, kind] = [cursor.u64(), cursor.u64(), cursor.u8()];
        const item = { epoch, view, what: whatOf(kind, ALL) };
        const node = nodeOf(slot);
        if (!isPast(node, item)) node.kept.set(keyOf(item), item);
        noteCertificate(node, item);
      }
    },
    released: (slot, message) => {
      const statement = decodeStatement(message);
      const member = context.memberOf(slot);
      if (statement === undefined || member === undefined || !context.honest(slot)) return;
      const { epoch, view, kind } = statement;
      const index = sets.at(epoch)?.ofSlot(member.slot)?.index;
      if (index === undefined) return;
      const item = { epoch, view, what: whatOf(kind, index), slot };
      said.set(keyOf(item), item);
      advance(nodeOf(slot), epoch, 0);
    },
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    delivered: (from, to, bytes) => {
      if (context.honest(to)) hear(from, to, bytes);
    },
    status: (slot, { epoch, finalHash }) => {
      const header = headers.get(finalHash);
      const node = nodeOf(slot);
      if (header !== undefined) advance(node, header.epoch, header.view);
      advance(node, epoch, 0);
    },
    looked: () => {
      if (!isOwed()) return;
      const what = overdue();
      if (what === undefined) return;
      owed = [];
      context.report("L4", what);
    },
    healed: (atUs, slots) => {
      healedUs = atUs;
      asked = slots.filter((slot) => context.honest(slot));
      const top = furthest();
      // Of a certificate that many have, one is owed.
      const open = new Map<string, Item>();
      const note = (item: Item): void => {
        if (!isPast(top, item)) open.set(keyOf(item), item);
      };
      const isAsked = new Set<number | undefined>(asked);
      for (const item of said.values()) if (isAsked.has(item.slot)) note(item);
      for (const slot of asked) for (const item of nodeOf(slot).kept.values()) note(item);
      owed = [...open.values()].filter((item) => !asked.every((slot) => hasIt(slot, item)));
    },
    settled: () => !isOwed(),
    settlesByUs: () => {
      const epochs = new Set(owed.map(({ epoch }) => epoch));
      const sinceUs = asked.map(nodeOf).map((node) => (epochs.has(node.epoch) ? node.sinceUs : 0));
      return Math.max(healedUs, ...sinceUs) + REACHES_WITHIN_US;
    },
  };
};
