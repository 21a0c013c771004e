/**
 * Why a run is stuck. A run that has lost liveness is run again with a witness that notes who signed what
 * and what reached whom; from that it says, for each node, which votes, certificates and blocks are missing.
 * A second run costs nothing where all is well, and says the same as the first would have. Votes count by the set
 * of their epoch.
 */
import { type CertificateView, decodeCertificate, decodeStatement } from "./checkers/decode.ts";
import { Cursor, hex } from "./checkers/oracle.ts";
import { type Sets, setsOf } from "./checkers/sets.ts";
import type { CheckContext, Checker, Status } from "./checkers/types.ts";

const KIND_NAMES = ["", "N", "S", "F"];
/** Views above the lowest final one that are looked at. */
const VIEWS_SHOWN = 6;

type Statement = {
  readonly epoch: number;
  readonly view: number;
  readonly kind: number;
  readonly hash: string;
};

/** Everything about one statement: who signed it, and by node whose signatures arrived there. */
type Known = {
  readonly statement: Statement;
  readonly signers: Set<number>;
  readonly arrived: Map<number, Set<number>>;
};

export type Witness = {
  readonly checker: (context: CheckContext) => Checker;
  /** Lines for the report; `up` are the slots that take part. */
  explain(up: ReadonlySet<number>): string[];
};

const nameOf = ({ view, kind, hash }: Statement): string =>
  `${KIND_NAMES[kind]}(${view}${kind === 2 ? "" : `, ${hash.slice(0, 8)}`})`;

const readVote = (
  bytes: Uint8Array,
): { readonly statement: Statement; readonly signer: number } | undefined => {
  const outer = new Cursor(bytes, 1);
  const cursor = bytes[0] === 1 ? new Cursor(outer.sized()) : outer;
  const statement = {
    epoch: cursor.u64(),
    view: cursor.u64(),
    kind: cursor.u8(),
    hash: hex(cursor.take(32)),
  };
  const signer = cursor.u16();
  return cursor.ok ? { statement, signer } : undefined;
};

const list = (slots: Iterable<number>): string => {
  const names = [...slots].sort((a, b) => a - b).map((slot) => `n${slot}`);
  return names.length === 0 ? "nobody" : names.join(" ");
};

/** A factory for the checker of a second run, and what it has to say at its end. */
export const createWitness = (): Witness => {
  const known = new Map<string, Known>();
  const statuses = new Map<number, Status>();
  let context: CheckContext | undefined;
  let sets: Sets | undefined;

  const entryOf = (statement: Statement): Known => {
    const key = `${statement.epoch}/${statement.view}/${statement.kind}/${statement.hash}`;
    let entry = known.get(key);
    if (entry === undefined) {
      entry = { statement, signers: new Set(), arrived: new Map() };
      known.set(key, entry);
    }
    return entry;
  };
  const arrived = (to: number, statement: Statement, signers: readonly number[]): void => {
    // Liars name epochs that nobody has decided on.
    const set = sets?.isDecided(statement.epoch) === true ? sets.at(statement.epoch) : undefined;
    const entry = entryOf(statement);
    const seen = entry.arrived.get(to) ?? new Set();
    for (const signer of signers) {
      const member = set?.ofIndex(signer);
      if (member !== undefined) seen.add(member.slot);
    }
    entry.arrived.set(to, seen);
  };
  const delivered = (to: number, bytes: Uint8Array): void => {
    if (bytes[0] === 1 || bytes[0] === 2) {
      const vote = readVote(bytes);
      if (vote !== undefined) arrived(to, vote.statement, [vote.signer]);
    } else if (bytes[0] === 3) {
      const certificate: CertificateView | undefined = decodeCertificate(new Cursor(bytes, 1));
      if (certificate !== undefined) arrived(to, certificate.statement, certificate.signers);
    }
  };

  const explain = (up: ReadonlySet<number>): string[] => {
    const here = [...up].filter((slot) => statuses.has(slot));
    const epoch = Math.max(0, ...here.map((slot) => statuses.get(slot)?.epoch ?? 0));
    const set = sets?.at(epoch);
    const weigh = (slots: Iterable<number>): bigint => {
      // A twin has the key of the member that it copies, whose weight counts once.
      const members = new Set([...slots].map((slot) => context?.memberOf(slot)?.slot ?? slot));
      return [...members].reduce((sum, slot) => sum + (set?.weightOf(slot) ?? 0n), 0n);
    };
    const total = set?.total ?? 0n;
    const needed = (total * 2n) / 3n + 1n;
    const when = context?.stake === undefined ? "" : ` of epoch ${epoch}`;
    const lines = [
      `why it is stuck: a quorum${when} is ${needed} of ${total}; up are ${list(up)}, ${weigh(up)}`,
    ];
    if (weigh(up) < needed) return [...lines, "not recoverable because less than a quorum is up"];
    const views = here.map((slot) => statuses.get(slot)?.view ?? 0);
    const fromView = Math.max(...views) - VIEWS_SHOWN;
    const recent = [...known.values()]
      .filter(({ statement }) => statement.epoch === epoch && statement.view > fromView)
      .sort((a, b) => a.statement.view - b.statement.view || a.statement.kind - b.statement.kind);
    for (const { statement, signers, arrived: byNode } of recent) {
      const gone = [...signers].filter((slot) => !up.has(slot));
      const weight = weigh(signers);
      const state = weight >= needed ? "a certificate can exist" : `${needed - weight} short`;
      lines.push(`${nameOf(statement)} signed by ${list(signers)}: ${weight}, ${state}`);
      if (gone.length > 0) lines.push(`  of these ${list(gone)} will not send it again`);
      for (const slot of here) {
        const has = new Set([...(byNode.get(slot) ?? []), ...(signers.has(slot) ? [slot] : [])]);
        const missing = [...signers].filter((signer) => !has.has(signer));
        if (missing.length > 0) lines.push(`  n${slot} lacks what ${list(missing)} signed`);
      }
    }
    lines.push(...openViewsOf(recent, up, needed, weigh));
    return lines;
  };

  const checker = (given: CheckContext): Checker => {
    context = given;
    sets = setsOf(given);
    return {
      id: "stuck",
      title: "notes what reached whom, for the report of a stuck run",
      released: (slot, message) => {
        const statement = decodeStatement(message);
        const member = given.memberOf(slot);
        if (statement !== undefined && member !== undefined)
          entryOf(statement).signers.add(member.slot);
      },
      delivered: (_from, to, bytes) => delivered(to, bytes),
      status: (slot, status) => {
        statuses.set(slot, status);
      },
    };
  };
  return { checker, explain };
};

/** Views that neither those who are up nor anybody can end any more, with the reason. */
function openViewsOf(
  recent: readonly Known[],
  up: ReadonlySet<number>,
  needed: bigint,
  weigh: (slots: Iterable<number>) => bigint,
): string[] {
  const lines: string[] = [];
  for (const view of new Set(recent.map(({ statement }) => statement.view))) {
    const ofView = recent.filter(({ statement }) => statement.view === view);
    if (ofView.some(({ signers }) => weigh(signers) >= needed)) continue;
    const bound = new Set(
      ofView.filter(({ statement }) => statement.kind === 3).flatMap(({ signers }) => [...signers]),
    );
    const free = [...up].filter((slot) => !bound.has(slot));
    if (weigh(free) >= needed) continue;
    lines.push(
      `view ${view} has no certificate; ${list(bound)} said F there and may not skip it: ` +
        `not recoverable because ${list(free)} alone are ${weigh(free)} of ${needed}`,
    );
  }
  return lines;
}
