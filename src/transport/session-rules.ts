/** Rules by which the two ends of a pair decide alike about one session: whose it is, and which of two stays. */
import { compareBytes } from "../crypto/bytes.ts";
import { fail, type Result } from "../errors.ts";
import type { PeerId } from "../ledger/ports.ts";
import type { IdentifiedPeer, Session } from "./session.ts";
import { identifyPeer, type PinTable } from "./tls.ts";

/** Whose session this is by its certificate. `nowMs` is wall time; codes as of identifyPeer. */
export const identifySession = (
  session: Session,
  pins: PinTable,
  nowMs: number,
): Result<IdentifiedPeer> => {
  const identified = identifyPeer(session.peerCertificates(), pins, session.dialled, nowMs);
  if (identified.ok && (session.announced ?? identified.value.id) !== identified.value.id) {
    return fail("transport.peer-unknown", "the relay said that another member is there");
  }
  return identified;
};

export type PairFacts = {
  readonly self: PeerId;
  /** Monotonic time. */
  readonly nowMs: number;
  readonly handshakeTimeoutMs: number;
};

/** True when `candidate` stays and `live`, on the same path, goes; see the head of mesh.ts. */
export const prefersSession = (candidate: Session, live: Session, facts: PairFacts): boolean => {
  if (compareBytes(candidate.peerRun, live.peerRun) !== 0) return true;
  const byUs = candidate.dialled !== undefined;
  if (byUs === (live.dialled !== undefined)) return true;
  if (!byUs && facts.nowMs - live.upSinceMs > facts.handshakeTimeoutMs) return true;
  const lowerIsUs = facts.self < (candidate.peer ?? "");
  return byUs === lowerIsUs;
};
