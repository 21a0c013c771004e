/** What sessions with a member carry together, whatever comes and goes of them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SessionFigures } from "../../src/ledger/ports.ts";
import { PeerTotals } from "../../src/transport/peer-totals.ts";

const QUIET = { sent: 0, received: 0, queued: 0 };

class Carrier {
  sent = 0;
  received = 0;
  queued = 0;
  /** As a library may: it knows nothing of a connection that has ended. */
  isForgotten = false;

  figures(): SessionFigures {
    const [sent, received] = this.isForgotten ? [0, 0] : [this.sent, this.received];
    return {
      ...{ rttMs: 1, tlsMs: 1, sealed: undefined, upMs: 1, queuedBytes: this.queued },
      packets: { sent, received, lost: 0 },
      bytes: {
        ...{ mempool: QUIET, sync: QUIET, control: QUIET, bulk: QUIET },
        consensus: { sent: this.sent, received: this.received, queued: this.queued },
      },
    };
  }
}

describe("totals of a member", () => {
  it("are of all paths, and what waits is of those that are up", () => {
    const totals = new PeerTotals<Carrier>();
    const [direct, relayed] = [new Carrier(), new Carrier()];
    totals.add(direct, []);
    totals.add(relayed, [direct]);
    Object.assign(direct, { sent: 5, queued: 3 });
    Object.assign(relayed, { received: 7, queued: 4 });
    expect(totals.take([direct, relayed])).toMatchObject({
      packets: { sent: 5, received: 7, lost: 0 },
      queuedBytes: 7,
      bytes: { consensus: { sent: 5, received: 7, queued: 7 } },
    });
    relayed.received = 9;
    relayed.isForgotten = true;
    expect(totals.take([direct])).toMatchObject({
      packets: { sent: 5, received: 7 },
      queuedBytes: 3,
      bytes: { consensus: { sent: 5, received: 9, queued: 3 } },
    });
  });

  it("never fall, and miss nothing, over any order of sessions and looks", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { maxLength: 60 }), (steps) => {
        const totals = new PeerTotals<Carrier>();
        const up: Carrier[] = [];
        let [carried, before] = [0, 0];
        for (const step of steps) {
          if (step === 0) {
            const session = new Carrier();
            totals.add(session, up);
            up.push(session);
          } else if (step === 1) up.shift();
          else if (step === 2) {
            const sent = totals.take(up).bytes.consensus.sent;
            expect(sent).toBeGreaterThanOrEqual(before);
            expect(sent).toBe(carried);
            before = sent;
          } else if (up.length > 0) {
            const session = up[step % up.length];
            if (session !== undefined) session.sent += step;
            carried += step;
          }
        }
      }),
    );
  });
});
