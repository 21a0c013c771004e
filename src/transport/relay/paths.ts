/**
 * The paths to one member: each is a session of its own, directly or through a relay, all with the same run of
 * the peer. Measures them and says which one is to carry what this node sends; the other end says so for itself,
 * so the two directions of a pair may go over different paths, and both ends read all of them.
 */
import type { PeerId } from "../../ledger/ports.ts";
import type { PathsLimits } from "../options.ts";
import type { Session } from "../session.ts";
import {
  choosePath,
  DIRECT,
  NO_PATH,
  type PathChange,
  type PathKey,
  type PathSample,
  type PathState,
} from "./choose.ts";

/** What is remembered of loss: half of it is gone after two looks, and few packets say little. */
const LOSS_DECAY = 0.7;
const LOSS_PACKETS_MIN = 20;

/** What is asked of a session. */
export type PathSession = Pick<
  Session,
  "via" | "isSecured" | "queuedBytes" | "classBytes" | "pathFigures" | "keepAlive"
>;

type Path<S> = {
  readonly session: S;
  /** As of the last look. */
  packetsSent: number;
  packetsLost: number;
  packetsReceived: number;
  sent: number;
  lost: number;
  heardMs: number;
  /** When frames of the traffic classes went over it last, in either direction. */
  classBytes: number;
  usedMs: number;
  /** When packets of ours were lost on it last, or waited in its queues. */
  owedMs: number;
  /** Whether it has carried our frames. */
  carried: boolean;
};

export const pathKeyOf = (session: PathSession): PathKey => session.via ?? DIRECT;

export class Paths<S extends PathSession> {
  readonly #limits: PathsLimits;
  readonly #paths = new Map<PathKey, Path<S>>();
  #state: PathState = NO_PATH;

  constructor(limits: PathsLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#paths.size;
  }

  /** A direct session in which the peer has shown its key: no other is one to rely on. */
  get hasDirect(): boolean {
    return this.direct?.isSecured === true;
  }

  get direct(): S | undefined {
    return this.#paths.get(DIRECT)?.session;
  }

  /** Relays that are on a path that is up. */
  relays(): readonly PeerId[] {
    return [...this.#paths.keys()].filter((key) => key !== DIRECT);
  }

  sessions(): readonly S[] {
    return [...this.#paths.values()].map(({ session }) => session);
  }

  /** The session on the same path as this one. */
  onSamePath(session: S): S | undefined {
    return this.#paths.get(pathKeyOf(session))?.session;
  }

  of(key: PathKey): S | undefined {
    return this.#paths.get(key)?.session;
  }

  add(session: S, nowMs: number): void {
    // A path that was the only one was not asked for signs of life until now.
    for (const path of this.#paths.values()) path.heardMs = nowMs;
    this.#paths.set(pathKeyOf(session), {
      session,
      ...{ packetsSent: 0, packetsLost: 0, packetsReceived: 0, sent: 0, lost: 0 },
      ...{ heardMs: nowMs, classBytes: 0, usedMs: nowMs, owedMs: nowMs, carried: false },
    });
  }

  /** What is known of a session that was a path until now: whether frames of ours may be lost with it. */
  remove(session: S): { readonly mayLose: boolean } | undefined {
    const key = pathKeyOf(session);
    const path = this.#paths.get(key);
    if (path?.session !== session) return undefined;
    this.#paths.delete(key);
    return { mayLose: path.carried && !this.#isDrained(path) };
  }

  /**
   * No library tells what was acknowledged. What was not is sent again, and counted as lost once anything after it is
   * answered: so a path that answers, and loses nothing, has delivered what it had.
   */
  #isDrained({ heardMs, usedMs, owedMs }: Path<S>): boolean {
    return heardMs - Math.max(usedMs, owedMs) >= this.#limits.drainMs;
  }

  /** The session that frames go over from now on, and whether that is another than before. */
  choose(nowMs: number): { readonly session: S | undefined; readonly change?: PathChange } {
    const samples = [...this.#paths].map(([key, path]) => sampleOf(key, path, nowMs));
    const { state, change } = choosePath(this.#state, samples, nowMs, this.#limits);
    this.#state = state;
    const path = state.current === undefined ? undefined : this.#paths.get(state.current);
    if (path !== undefined) path.carried = true;
    const session = path?.session;
    return change === undefined ? { session } : { session, change };
  }

  /** The path that was left has told what it lost: its end needs no word any more. */
  settle(session: S): void {
    const path = this.#paths.get(pathKeyOf(session));
    if (path?.session === session) path.carried = false;
  }

  /** Looks at every path and, where there is a choice, asks each for a sign of life. */
  measure(nowMs: number): void {
    const isChoice = this.#paths.size > 1;
    for (const path of this.#paths.values()) {
      const figures = path.session.pathFigures();
      const lost = figures.packetsLost ?? 0;
      path.sent = path.sent * LOSS_DECAY + figures.packetsSent - path.packetsSent;
      path.lost = path.lost * LOSS_DECAY + lost - path.packetsLost;
      if (figures.packetsReceived !== path.packetsReceived) path.heardMs = nowMs;
      if (lost > path.packetsLost || path.session.queuedBytes > 0) path.owedMs = nowMs;
      path.packetsSent = figures.packetsSent;
      path.packetsLost = lost;
      path.packetsReceived = figures.packetsReceived;
      if (path.session.classBytes !== path.classBytes) path.usedMs = nowMs;
      path.classBytes = path.session.classBytes;
      if (isChoice) path.session.keepAlive();
    }
  }

  /** Loss of the direct path, 0 to 1; undefined where there is none. */
  get directLoss(): number | undefined {
    const path = this.#paths.get(DIRECT);
    return path === undefined ? undefined : lossOf(path);
  }

  get directRttMs(): number | undefined {
    return this.#paths.get(DIRECT)?.session.pathFigures().rttMs;
  }

  /** Relayed sessions that nothing went over for `idleMs`, that do not carry and whose queues are empty. */
  idleRelayed(nowMs: number): readonly S[] {
    return [...this.#paths]
      .filter(
        ([key, { session, usedMs }]) =>
          key !== DIRECT &&
          key !== this.#state.current &&
          session.queuedBytes === 0 &&
          nowMs - usedMs >= this.#limits.idleMs,
      )
      .map(([, { session }]) => session);
  }
}

const lossOf = ({ sent, lost }: Path<unknown>): number =>
  Math.min(1, lost / Math.max(sent, LOSS_PACKETS_MIN));

const sampleOf = (key: PathKey, path: Path<PathSession>, nowMs: number): PathSample => ({
  key,
  rttMs: path.session.pathFigures().rttMs ?? 0,
  loss: lossOf(path),
  silentMs: nowMs - path.heardMs,
});
