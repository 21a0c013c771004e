/**
 * What this node alone has seen of other members: local, and no part of the replicated state.
 *
 * The log takes one kind of evidence, two statements of consensus that contradict each other (events.ts), and its
 * one consequence is a quarantine without return (projection.ts). Nothing here becomes an event, since no
 * projection would do anything with it: who sent a chunk only the receiver knows, so it proves nothing to
 * others; a signed manifest that is wrong does, but it may be a damaged disk, it can be longer than an event, and
 * the log has no consequence that could be taken back. So it is counted by member, for the people who run the node.
 */
import { LIMITS } from "../limits.ts";

export type ObservationKind = "object-chunk" | "object-manifest";

export type Observation = {
  readonly kind: ObservationKind;
  /** Id of the member, hex. */
  readonly member: string;
  /** By the clock of this node, milliseconds since 1970. */
  readonly timeMs: number;
  /** The node keeps what others can check about who it was. */
  readonly transferable: boolean;
};

/** Whom to tell of what was seen. */
export type ObservationPort = { observed(one: Observation): void };

/** What a member was seen doing of one kind. */
export type Observed = Pick<Observation, "kind" | "transferable"> & {
  readonly count: number;
  readonly lastMs: number;
};

/** By the member's id. */
export type ObservedMembers = ReadonlyMap<string, readonly Observed[]>;

export const NOBODY_OBSERVED: ObservedMembers = new Map();

const lastOf = (observed: readonly Observed[]): number =>
  Math.max(...observed.map(({ lastMs }) => lastMs));

/** The member that was seen least lately makes place for another, where there are as many as may be. */
const makePlace = (members: Map<string, readonly Observed[]>): void => {
  if (members.size < LIMITS.observedMembersMax) return;
  const [oldest] = [...members].reduce((first, one) =>
    lastOf(one[1]) < lastOf(first[1]) ? one : first,
  );
  members.delete(oldest);
};

/** The members with one more observation. */
export const observe = (
  members: ObservedMembers,
  { kind, member, timeMs, transferable }: Observation,
): ObservedMembers => {
  const next = new Map(members);
  const known = next.get(member);
  if (known === undefined) makePlace(next);
  const before = known?.find((one) => one.kind === kind);
  const now: Observed = {
    kind,
    transferable: transferable || before?.transferable === true,
    count: (before?.count ?? 0) + 1,
    lastMs: Math.max(timeMs, before?.lastMs ?? 0),
  };
  return next.set(member, [...(known ?? []).filter((one) => one.kind !== kind), now]);
};

/** Counts what is observed for as long as the node runs. */
export const createObservations = (): ObservationPort & { members(): ObservedMembers } => {
  let members = NOBODY_OBSERVED;
  return {
    observed: (one) => {
      members = observe(members, one);
    },
    members: () => members,
  };
};
