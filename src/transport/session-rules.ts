/** Rules by which the two ends of a pair decide alike about one session: whose it is, and which of two stays. */
import { compareBytes } from "../crypto/bytes.ts";
import { fail, ok, type Result } from "../errors.ts";
import type { PeerId } from "../ledger/ports.ts";
import type { IdentifiedPeer, Session } from "./session.ts";
import { identifyPeer, type PinTable } from "./tls.ts";

/** Whose session this is by its certificate. `nowMs` is wall time; codes as of identifyPeer. */
export const identifySession = (
  session: Session,
  pins: PinTable,
  nowMs: number,
): Result<IdentifiedPeer> => {
  if (session.isUnauthenticated) return whoWasDialled(session, pins);
  const identified = identifyPeer(session.peerCertificates(), pins, session.dialled, nowMs);
  if (identified.ok && (session.announced ?? identified.value.id) !== identified.value.id) {
    return fail("transport.peer-unknown", "the relay said that another member is there");
  }
  return identified;
};

/**
 * Nothing is seen of who answers: it counts as whom we dialled, and is not believed before it has proved that. Until
 * when its certificate lasts is not seen either.
 */
const whoWasDialled = ({ dialled }: Session, pins: PinTable): Result<IdentifiedPeer> =>
  dialled !== undefined && [...pins.values()].includes(dialled)
    ? ok({ id: dialled, certificateEndMs: Number.POSITIVE_INFINITY })
    : fail("transport.peer-unknown", "who was dialled is no member any more");

/**
 * So many times what a handshake may take is a session waited for that is not proved. The hellos of one session come
 * to its ends up to one such time apart, so at both of them that of the dial which follows is more than one later.
 */
export const DOUBT_HANDSHAKES = 2;

/** What the rules compare of a session. */
export type Contender = Pick<
  Session,
  "peer" | "peerRun" | "dialled" | "via" | "upSinceMs" | "isSecured"
>;

export type PairFacts = { readonly self: PeerId; readonly handshakeTimeoutMs: number };

/** True where both cannot stay: they are on the same path, or with two runs of the peer. */
const excludes = (one: Contender, other: Contender): boolean =>
  one.via === other.via || compareBytes(one.peerRun, other.peerRun) !== 0;

/**
 * True when, of two proved sessions that cannot both stay, `candidate` is the one; see the head of mesh.ts. What
 * is compared is as of the hellos, so that it does not matter in which order the two are proved.
 */
export const prefersSession = (
  candidate: Contender,
  other: Contender,
  { self, handshakeTimeoutMs }: PairFacts,
): boolean => {
  const laterMs = candidate.upSinceMs - other.upSinceMs;
  const byUs = candidate.dialled !== undefined;
  const isOneDialler = byUs === (other.dialled !== undefined);
  if (isOneDialler || compareBytes(candidate.peerRun, other.peerRun) !== 0) return laterMs >= 0;
  // Who dials so long after the other has no use of that: it has given it up, or nothing is proved in it.
  if (Math.abs(laterMs) > handshakeTimeoutMs) return laterMs > 0;
  const lowerIsUs = self < (candidate.peer ?? "");
  return byUs === lowerIsUs;
};

/** False for a session that has to give way to a proved one whatever it proves. */
export const mayContend = (
  candidate: Contender,
  others: readonly Contender[],
  facts: PairFacts,
): boolean =>
  !others.some(
    (other) =>
      other.isSecured && excludes(candidate, other) && !prefersSession(candidate, other, facts),
  );

/** `ends`: sessions that the proved one takes the place of. `waits`: those that now have to prove themselves first. */
export type Verdict<T> = { readonly ends: readonly T[]; readonly waits: readonly T[] };

/**
 * What follows for the other sessions of the peer when one has been proved; undefined where it is the one to
 * end. A session ends only for a proved one that is preferred to it, by a rule that is the same at both ends: so the
 * most preferred of those that can be proved is ended by neither.
 */
export const judgeProved = <T extends Contender>(
  proved: T,
  others: readonly T[],
  facts: PairFacts,
): Verdict<T> | undefined => {
  if (!mayContend(proved, others, facts)) return undefined;
  const ends = others.filter(
    (other) => excludes(proved, other) && prefersSession(proved, other, facts),
  );
  return { ends, waits: others.filter((other) => !other.isSecured && !ends.includes(other)) };
};

/**
 * Makes room for one more session that waits for its proof: "free", the one that gives way, or "full". Those that
 * we dialled are as few as we dial. Of the others on one path so many may wait, and who comes from the host at which
 * the member is dialled has its place before who comes from elsewhere.
 */
export const roomToWait = (
  session: Session,
  waiting: Iterable<Session>,
  max: number,
  memberHost: string | undefined,
): Session | "free" | "full" => {
  if (session.dialled !== undefined) return "free";
  const rivals = [...waiting].filter(
    ({ dialled, via }) => dialled === undefined && via === session.via,
  );
  if (rivals.length < max) return "free";
  if (session.via !== undefined || session.remote.host !== memberHost) return "full";
  return rivals.find(({ remote }) => remote.host !== memberHost) ?? "full";
};

/**
 * Which of those that wait carries where nothing else does: one that we dialled before others. `stopping` is a
 * session whose end tells that its run of the peer ends, and the other sessions of that run with it. None of those that
 * carry nothing before their proof.
 */
export const nextOf = <T extends Contender & Partial<Pick<Session, "waitsForProof">>>(
  waiting: Iterable<T>,
  stopping: Contender | undefined,
): T | undefined => {
  const others = [...waiting].filter(
    ({ peerRun, waitsForProof }) =>
      waitsForProof !== true &&
      (stopping === undefined || compareBytes(peerRun, stopping.peerRun) !== 0),
  );
  return others.find(({ dialled }) => dialled !== undefined) ?? others[0];
};
