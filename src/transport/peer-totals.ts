/**
 * What all sessions with one member carry: those that are up, over whatever paths, and those that were since this
 * node started. Each end chooses the path of what it sends for itself, so no one session has both directions.
 */
import type { ClassBytes, SessionFigures, TrafficClass } from "../ledger/ports.ts";
import type { Session } from "./session.ts";

type Carried = Pick<SessionFigures, "packets" | "queuedBytes" | "bytes">;
type Measured = Pick<Session, "figures">;

export class PeerTotals<S extends Measured = Session> {
  /** With their figures as of the last look: an ended session may not know all of its own any more. */
  readonly #sessions = new Map<S, Carried>();
  #past: Carried = NOTHING;

  /** A session is up, beside those that are; what is known of others is kept as totals alone. */
  add(session: S, up: readonly S[]): void {
    this.take(up);
    this.#sessions.set(session, session.figures());
  }

  /** Totals that never fall, and what waits now. `up`: the sessions that are up; others are done with. */
  take(up: readonly S[]): Carried {
    let all = this.#past;
    for (const [session, last] of this.#sessions) {
      const now = most(session.figures(), last);
      if (up.includes(session)) {
        this.#sessions.set(session, now);
        all = sum(all, now);
      } else {
        this.#sessions.delete(session);
        const done = withoutQueues(now);
        this.#past = sum(this.#past, done);
        all = sum(all, done);
      }
    }
    return all;
  }
}

const byClass = (of: (name: TrafficClass) => ClassBytes): SessionFigures["bytes"] => ({
  consensus: of("consensus"),
  mempool: of("mempool"),
  sync: of("sync"),
  control: of("control"),
  bulk: of("bulk"),
});

const NOTHING: Carried = {
  packets: { sent: 0, received: 0, lost: undefined },
  queuedBytes: 0,
  bytes: byClass(() => ({ sent: 0, received: 0, queued: 0 })),
};

const joined =
  (join: (a: number, b: number) => number) =>
  (a: Carried, b: Carried): Pick<Carried, "packets" | "bytes"> => {
    const [one, other] = [a.packets, b.packets];
    const known = one.lost !== undefined || other.lost !== undefined;
    return {
      packets: {
        sent: join(one.sent, other.sent),
        received: join(one.received, other.received),
        lost: known ? join(one.lost ?? 0, other.lost ?? 0) : undefined,
      },
      bytes: byClass((name) => ({
        sent: join(a.bytes[name].sent, b.bytes[name].sent),
        received: join(a.bytes[name].received, b.bytes[name].received),
        queued: a.bytes[name].queued + b.bytes[name].queued,
      })),
    };
  };

const sum = (a: Carried, b: Carried): Carried => ({
  ...joined((x, y) => x + y)(a, b),
  queuedBytes: a.queuedBytes + b.queuedBytes,
});

/** `now` has the queues. */
const most = (now: Carried, last: Carried): Carried => ({
  ...joined(Math.max)(now, withoutQueues(last)),
  queuedBytes: now.queuedBytes,
});

const withoutQueues = ({ packets, bytes }: Carried): Carried => ({
  ...{ packets, queuedBytes: 0 },
  bytes: byClass((name) => ({ ...bytes[name], queued: 0 })),
});
