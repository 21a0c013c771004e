/**
 * L4: no split lasts. After the heal, what an honest node has said or has a certificate of, in views above all
 * that is final, reaches every honest node in bounded time, or is overtaken: a node whose final view lies above
 * it, or which is in a later epoch, needs it no more. A run goes on while something is owed and its time is not over.
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

type Item = { readonly epoch: number; readonly view: number; readonly what: number };

/** Without a Cursor: this is done for every vote that arrives. */
const u32At = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0;

/** Kind and signer in one number. */
const whatOf = (kind: number, signer: number): number => kind * 0x10000 + signer;

type Node = {
  epoch: number;
  finalView: number;
  /** By view of its epoch: what it has, of others too, a byte for each (`placeOf`). */
  readonly has: Map<number, Uint8Array>;
  /** What it was given last belonged to this view. */
  newest: { readonly view: number; readonly held: Uint8Array } | undefined;
  /** By epoch and view: certificates on its disk. */
  readonly kept: Map<string, Item>;
};

export const splitsEnd = (context: CheckContext): Checker => {
  const nodes: Node[] = [];
  const signers = context.members.length;
  const sets = setsOf(context);
  const headers = headersOf(context);
  /** What honest nodes have said of late. */
  const said = new Recent<string, Item & { readonly slot: number }>(
    entriesOfAll(SAID_KINDS * signers),
  );
  /** Of the frames of votes and proposals: one goes to many. */
  const votes = new WeakMap<Uint8Array, boolean>();
  /** At the heal: who registers later has not had all of the time. */
  let asked: readonly number[] = [];
  let owed: Item[] = [];
  let healedUs = 0;

  const nodeOf = (slot: number): Node => {
    let node = nodes[slot];
    if (node === undefined) {
      node = { epoch: 0, finalView: 0, has: new Map(), newest: undefined, kept: new Map() };
      nodes[slot] = node;
    }
    return node;
  };

  /** Where a node's bytes say whether it has something: behind all signers lies the certificate. */
  const placeOf = (what: number): number => {
    const signer = what % 0x10000;
    const column = signer === ALL ? signers : signer;
    return column <= signers ? Math.floor(what / 0x10000) * (signers + 1) + column : -1;
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
    if (epoch > node.epoch) forget(node);
    node.epoch = epoch;
    node.finalView = finalView;
    node.newest = undefined;
    for (const view of node.has.keys()) if (view <= finalView) node.has.delete(view);
    for (const [key, item] of node.kept) if (isPast(node, item)) node.kept.delete(key);
  };

  const isPast = (node: Node, { epoch, view }: Item): boolean =>
    epoch < node.epoch || (epoch === node.epoch && view <= node.finalView);

  /** A node has it, or a certificate of the same kind, or needs it no more. */
  const hasIt = (slot: number, item: Item): boolean => {
    const node = nodeOf(slot);
    if (isPast(node, item)) return true;
    const held = node.epoch === item.epoch ? node.has.get(item.view) : undefined;
    const kind = Math.floor(item.what / 0x10000);
    return held?.[placeOf(item.what)] === 1 || held?.[placeOf(whatOf(kind, ALL))] === 1;
  };

  /** What is owed and not done, the first of it in words. Its last look, at which nothing is, leaves the mark. */
  const missing = (): string | undefined => {
    if (owed.length === 0) return undefined;
    const open = owed.filter((item) => !asked.every((slot) => hasIt(slot, item)));
    const hasCome = (item: Item): boolean => !asked.some((slot) => isPast(nodeOf(slot), item));
    if (open.length < owed.length && owed.some((item) => !open.includes(item) && hasCome(item))) {
      context.mark("open statement arrived");
    }
    owed = open;
    const [item] = owed;
    if (item === undefined) {
      context.mark("open statements at the heal");
      return undefined;
    }
    const slot = asked.find((one) => !hasIt(one, item));
    const [kind, signer] = [Math.floor(item.what / 0x10000), item.what % 0x10000];
    const name = `${" NSF"[kind]}(${item.view}) of epoch ${item.epoch}`;
    const whose = signer === ALL ? `the certificate of ${name}` : `${name} by validator ${signer}`;
    return `${whose} has not reached n${slot}`;
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
  const hearCertificate = (slot: number, bytes: Uint8Array, item: Item): void => {
    const node = nodeOf(slot);
    if (isPast(node, item) || !sets.isDecided(item.epoch)) return;
    if (lookAt(context, bytes).fault === undefined) noteCertificate(node, item);
  };

  return {
    id: "L4",
    title: "what honest nodes have above the final block reaches all of them after the heal",
    booted: (slot) => {
      // Votes of others were in memory only.
      const node = nodeOf(slot);
      forget(node);
      for (const item of node.kept.values()) take(node, item);
      for (const item of said.values()) if (item.slot === slot) take(node, item);
    },
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
        if (!isPast(node, item)) node.kept.set(`${epoch}/${view}/${kind}`, item);
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
      said.set(`${epoch}/${view}/${item.what}`, item);
      const node = nodeOf(slot);
      if (epoch > node.epoch) advance(node, epoch, 0);
      take(node, item);
    },
    sent: (_from, _to, _class, bytes) => headers.note(bytes),
    delivered: (from, to, bytes) => {
      if (!context.honest(to)) return;
      const type = bytes[0];
      if (type === CERTIFICATE) hearCertificate(to, bytes, itemAt(bytes, 1, false));
      else if (type === VOTE) {
        const item = itemAt(bytes, 1, true);
        if (isHonestVote(bytes, item)) take(nodeOf(to), item);
      } else if (type === PROPOSAL && context.honest(from)) {
        // A liar's proposal may be refused for what it has beside the vote. Answers to who catches up, too, and nobody's
        // count: what they are worth shows on the disk and in what is final then.
        const item = itemAt(bytes, 5, true);
        if (isHonestVote(bytes, item)) take(nodeOf(to), item);
      }
    },
    status: (slot, { epoch, finalHash }) => {
      const header = headers.get(finalHash);
      const node = nodeOf(slot);
      if (header !== undefined) advance(node, header.epoch, header.view);
      if (epoch > node.epoch) advance(node, epoch, 0);
    },
    looked: () => {
      const what = missing();
      if (context.nowUs() - healedUs < REACHES_WITHIN_US) return;
      owed = [];
      if (what !== undefined) context.report("L4", what);
    },
    healed: (atUs, slots) => {
      healedUs = atUs;
      asked = slots.filter((slot) => context.honest(slot));
      const now = asked.flatMap((slot) => {
        const own = [...said.values()].filter((item) => item.slot === slot);
        return [...own, ...nodeOf(slot).kept.values()];
      });
      const isOpen = (item: Item): boolean => asked.every((slot) => !isPast(nodeOf(slot), item));
      owed = now.filter((item) => isOpen(item) && !asked.every((slot) => hasIt(slot, item)));
    },
    settled: () => missing() === undefined,
  };
};
