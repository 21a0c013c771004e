/** What the transport keeps of one member: how it is dialled, and the sessions that are up with it. */
import type { ErrorCode } from "../errors.ts";
import type { Clock, PeerFigures, PeerId } from "../ledger/ports.ts";
import { formatAddress } from "./address.ts";
import type { Dialler } from "./dialler.ts";
import type { CloseCode, PathsLimits } from "./options.ts";
import { PeerTotals } from "./peer-totals.ts";
import type { KnownPeer } from "./peers.ts";
import type { QuicDriverName } from "./quic-endpoint.ts";
import { Paths } from "./relay/paths.ts";
import { RelayPlan } from "./relay/plan.ts";
import type { Session } from "./session.ts";
import { FEATURES } from "./stoq/hello.ts";
import type { Role } from "./stoq/transcript.ts";
import { UnprovedFrames } from "./unproved-frames.ts";

export type Member = {
  readonly known: KnownPeer;
  readonly dialler: Dialler;
  /** The sessions that are up, each over a path of its own. */
  readonly paths: Paths<Session>;
  readonly totals: PeerTotals;
  /** Attempts through relays. */
  readonly relayed: RelayPlan<Session>;
  /** The session that what this node sends goes over: one of `paths`. */
  session: Session | undefined;
  /** Sessions beside those, which carry nothing and are not read until the peer has shown its key in them. */
  readonly waiting: Set<Session>;
  /** Our direct attempt that is on its way or waits; "resolving" while the name is looked up. */
  attempt: Session | "resolving" | undefined;
  /** The host that its address resolved to last. */
  host: string | undefined;
  /** It has said that it cannot be dialled. */
  undialable: boolean;
  /** Frames that came from who had not shown the member's key. */
  readonly unproved: UnprovedFrames;
  /** Since when there has been no direct session that was proved. */
  indirectSinceMs: number;
};

/** One with whom nothing is up or on its way. */
export const newMember = (
  known: KnownPeer,
  dialler: Dialler,
  limits: PathsLimits,
  clock: Clock,
): Member => ({
  ...{ known, dialler, undialable: false, indirectSinceMs: clock.monotonicMs() },
  ...{ paths: new Paths(limits), waiting: new Set(), relayed: new RelayPlan(limits) },
  totals: new PeerTotals(),
  unproved: new UnprovedFrames(limits, clock),
  ...{ session: undefined, attempt: undefined },
  // What it resolves to is not asked before it is dialled; a literal is known from the start.
  host: known.address.kind === "literal" ? known.address.host : undefined,
});

export type Members = ReadonlyMap<PeerId, Member>;

/**
 * Whether a member is dialled at this host, who comes from which draws on the budgets of members; not where all of them
 * are shut out. Members are few, so that a first packet costs no more than reading it does.
 */
export const isHostOf = (
  host: string,
  members: Iterable<{ readonly host: string | undefined; readonly known: Pick<KnownPeer, "id"> }>,
  isOut: (id: PeerId) => boolean,
): boolean => {
  for (const member of members) {
    if (member.host === host && !isOut(member.known.id)) return true;
  }
  return false;
};

/** Everything that is up or on its way with the member. */
export const sessionsOf = ({ paths, waiting, relayed, attempt }: Member): readonly Session[] => [
  ...new Set([
    ...paths.sessions(),
    ...waiting,
    ...relayed.attempts(),
    ...(typeof attempt === "object" ? [attempt] : []),
  ]),
];

/**
 * Whether the reserve driver reaches enough: of the sessions that carry, one for each who may have one, half are
 * proved. Also those count that only dial us, whom it loses.
 */
export const reachesEnough = (
  carrying: readonly (Pick<Session, "isSecured"> | undefined)[],
): boolean => 2 * carrying.filter((one) => one?.isSecured === true).length >= carrying.length;

/** What the keeper of the endpoint asks and tells about its reserve driver (endpoint-keeper.ts). */
export const reserveHooks = (
  members: Members,
  isQuarantined: (id: PeerId) => boolean,
): { readonly leaving: () => void; readonly reserveReaches: () => boolean } => ({
  leaving: () => {
    const all = [...members.values()].flatMap(sessionsOf);
    const onReserve = all.filter(({ isUnauthenticated }) => isUnauthenticated);
    for (const session of onReserve) session.close("closed", "the first driver carries again");
  },
  reserveReaches: () =>
    reachesEnough(
      [...members].flatMap(([id, { session }]) => (isQuarantined(id) ? [] : [session])),
    ),
});

/** The sessions of the member that are up, those that only wait too. */
export const upWith = ({ paths, waiting }: Member): readonly Session[] => [
  ...paths.sessions(),
  ...waiting,
];

/** The other sessions of the member that are up. */
export const othersThan = (session: Session, member: Member): readonly Session[] =>
  upWith(member).filter((other) => other !== session);

/** Where a session goes, for the log. */
export const placeOf = (session: Session): { readonly address?: string; readonly via?: PeerId } =>
  session.via === undefined ? { address: formatAddress(session.remote) } : { via: session.via };

export const roleIn = (session: Session): Role =>
  session.dialled === undefined ? "responder" : "initiator";

/** True where the peer reads sealed notes about bulk. */
export const takesNotes = (session: Session | undefined): boolean =>
  ((session?.peerFeatures ?? 0) & FEATURES.bulkNotes) !== 0;

const stateOf = (
  { session, attempt, dialler }: Member,
  isQuarantined: boolean,
): PeerFigures["state"] => {
  if (session !== undefined) return "up";
  if (dialler.isRefusing || isQuarantined) return "refused";
  return attempt === undefined ? "waiting" : "dialling";
};

/** Sessions run on quiche, and those on its reserve are the ones in which nobody is seen below them (adr/0016). */
const driverOf = ({ isUnauthenticated }: Session): QuicDriverName =>
  isUnauthenticated ? "reactor" : "quiche";

export const figuresOf = (member: Member, isQuarantined: boolean): PeerFigures => {
  const { known, session } = member;
  const isDirect = session !== undefined && session.via === undefined;
  return {
    id: known.id,
    address: known.addressText,
    state: stateOf(member, isQuarantined),
    remote: isDirect ? formatAddress(session.remote) : undefined,
    dialledBy: session === undefined ? undefined : session.dialled === undefined ? "peer" : "us",
    via: session?.via,
    driver: session === undefined ? undefined : driverOf(session),
    // Round trip and handshakes are those of the session that carries; what is carried is that of all of them.
    session:
      session === undefined
        ? undefined
        : { ...session.figures(), ...member.totals.take(member.paths.sessions()) },
  };
};

/**
 * What a peer that is turned away for it waits for before it may dial again. A certificate that has ended is no
 * offence: the session made with it is over, and nothing else; a renewed one is let in.
 */
export const isPenalised = (code: CloseCode, why?: ErrorCode): boolean =>
  (code === "protocol" || code === "rate" || code === "identity") &&
  why !== "transport.certificate-expired";
