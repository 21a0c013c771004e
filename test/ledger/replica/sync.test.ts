/** Catch-up from peers that lie, stay silent or are slow, and what this node serves to those that ask. */
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import type { SizedCertificate } from "../../../src/ledger/statement.ts";
import type { Message, WireBlock } from "../../../src/ledger/wire.ts";
import { LIMITS } from "../../../src/limits.ts";
import { Lab, putEvent } from "./support.ts";

type Response = Message & { type: "sync-response" };

/** A chain of ten blocks, every second with a batch. */
const grow = (lab: Lab, heights = 10): Lab => {
  for (let i = 0; i < heights; i++) {
    lab.finalize(i % 2 === 0 ? [lab.nextBatch(lab.chain.alice, [putEvent(`k${i}`)])] : []);
  }
  return lab;
};
const SOURCE = grow(new Lab());

const wire = (lab: Lab, from: number, to: number): WireBlock[] =>
  lab.finals.slice(from - 1, to).map(({ block, batches }) => ({
    block: block.bytes,
    batches: batches.map((batch) => batch.bytes),
  }));

const certificateAt = (lab: Lab, height: number): SizedCertificate => {
  const final = lab.finals[height - 1];
  if (final === undefined) throw new Error(`no height ${height}`);
  return { ...final.certificate, setSize: 4 };
};

const response = (from: number, to: number): Response => ({
  type: "sync-response",
  from,
  certificate: certificateAt(SOURCE, to),
  blocks: wire(SOURCE, from, to),
});

const claim = (lab: Lab, peer: number, finalHeight = 10): void => {
  const none = new Uint8Array(1);
  lab.tell(peer, {
    type: "status",
    status: {
      epoch: 0,
      view: 1,
      finalView: 0,
      finalHeight,
      finalHash: SOURCE.chain.hash,
      held: { notarize: none, nullify: none, finalize: none },
    },
  });
};

const behind = (): Lab => new Lab({ chain: SOURCE.chain });

const asked = (lab: Lab): string[] =>
  lab
    .sent("sync-request")
    .map(({ to, message }) => `${lab.chain.peers.indexOf(to)}:${message.from}`);

/** Whether peer 1 has so long from its next claim on and no longer, which shows when another that claims is asked. */
const hasMs = (lab: Lab, ms: number): boolean => {
  claim(lab, 1);
  claim(lab, 2);
  const from = lab.status.finalHeight + 1;
  const others = (): number =>
    lab.sent("sync-request").filter(({ to }) => to === lab.peer(2)).length;
  const before = others();
  lab.time.advance(ms - 1);
  const isPatient = others() === before;
  lab.time.advance(1);
  const isOver = others() === before + 1;
  lab.tell(2, { type: "sync-none", from });
  return isPatient && isOver;
};

describe("catching up", () => {
  it("takes a run of blocks that its certificate proves, executes it, and is level", () => {
    const lab = behind();
    claim(lab, 1);
    expect(asked(lab)).toEqual(["1:1"]);
    lab.tell(1, response(1, 10));
    expect(lab.status).toMatchObject({ finalHeight: 10, executedHeight: 10, logSize: 5 });
    expect(toHex(lab.status.stateRoot)).toBe(toHex(SOURCE.status.stateRoot));
    expect(lab.handle.ready()).toEqual({ ready: true, reasons: [] });
    expect(lab.sent("vote")).toEqual([]);
  });

  it("takes it in parts, asking for the next", () => {
    const lab = behind();
    claim(lab, 1);
    lab.tell(1, response(1, 4));
    expect(asked(lab)).toEqual(["1:1", "1:5"]);
    lab.tell(1, response(5, 10));
    expect(lab.status.executedHeight).toBe(10);
  });

  it("does not ask a peer that claims nothing more, and asks nobody twice at a time", () => {
    const lab = behind();
    claim(lab, 1, 0);
    expect(asked(lab)).toEqual([]);
    for (let i = 0; i < 5; i++) for (const peer of [1, 2, 3]) claim(lab, peer);
    expect(asked(lab)).toHaveLength(1);
  });

  it("ignores answers that it did not ask for, or to an older question", () => {
    const lab = behind();
    lab.tell(1, response(1, 10));
    claim(lab, 1);
    lab.tell(2, response(1, 10));
    lab.tell(1, response(2, 10));
    lab.tell(2, { type: "sync-none", from: 1 });
    expect(lab.status.finalHeight).toBe(0);
    expect(lab.cutOff).toEqual([]);
    lab.tell(1, response(1, 10));
    expect(lab.status.finalHeight).toBe(10);
  });
});

describe("a source that lies", () => {
  const lies: readonly [string, string, (good: Response) => Response][] = [
    [
      "a certificate with one forged signature",
      "certificate.signature",
      (good) => {
        const [first, ...rest] = good.certificate.signatures;
        const forged = (first ?? new Uint8Array(1280)).slice();
        forged[100] = (forged[100] ?? 0) ^ 1;
        return { ...good, certificate: { ...good.certificate, signatures: [forged, ...rest] } };
      },
    ],
    [
      "a certificate below the quorum",
      "certificate.sub-quorum",
      (good) => ({
        ...good,
        certificate: {
          ...good.certificate,
          signers: good.certificate.signers.slice(1),
          signatures: good.certificate.signatures.slice(1),
        },
      }),
    ],
    [
      "a certificate of another kind",
      "sync.mismatch",
      (good) => {
        const { view, hash } = good.certificate.statement;
        return { ...good, certificate: SOURCE.certificate("notarize", view, hash) };
      },
    ],
    ["no blocks", "sync.mismatch", (good) => ({ ...good, blocks: [] })],
    [
      "blocks that end below the certified one",
      "sync.mismatch",
      (good) => ({ ...good, blocks: good.blocks.slice(0, -1) }),
    ],
    [
      "blocks in another order",
      "sync.mismatch",
      (good) => ({ ...good, blocks: [...good.blocks].reverse() }),
    ],
    [
      "a block too few in the middle",
      "sync.mismatch",
      (good) => ({ ...good, blocks: good.blocks.filter((_, i) => i !== 4) }),
    ],
    [
      "a batch too few",
      "sync.mismatch",
      (good) => ({ ...good, blocks: good.blocks.map(({ block }) => ({ block, batches: [] })) }),
    ],
    [
      "a batch too many",
      "sync.mismatch",
      (good) => {
        const extra = good.blocks.flatMap(({ batches }) => batches).slice(0, 1);
        return {
          ...good,
          blocks: good.blocks.map(({ block, batches }) => ({
            block,
            batches: [...batches, ...extra],
          })),
        };
      },
    ],
    [
      "another batch",
      "sync.mismatch",
      (good) => {
        const other = SOURCE.batch(SOURCE.chain.reader).bytes;
        return {
          ...good,
          blocks: good.blocks.map(({ block, batches }) => ({
            block,
            batches: batches.map(() => other),
          })),
        };
      },
    ],
    [
      "bytes that are no block",
      "sync.mismatch",
      (good) => ({
        ...good,
        blocks: [...good.blocks.slice(0, -1), { block: new Uint8Array(9), batches: [] }],
      }),
    ],
  ];

  for (const [name, code, lie] of lies) {
    it(`(${name}) is cut off, and the next one is asked`, () => {
      const lab = behind();
      claim(lab, 1);
      claim(lab, 2);
      lab.tell(1, lie(response(1, 10)));
      expect(lab.status.finalHeight).toBe(0);
      expect(lab.cutOff).toEqual([code]);
      expect(asked(lab)).toEqual(["1:1", "2:1"]);
      lab.tell(2, response(1, 10));
      expect(lab.status.finalHeight).toBe(10);
      expect(lab.halts).toEqual([]);
    });
  }

  it("(a certificate of another epoch) is passed over", () => {
    const lab = behind();
    claim(lab, 1);
    claim(lab, 2);
    const good = response(1, 10);
    const { view, hash } = good.certificate.statement;
    const certificate = SOURCE.certificate("finalize", view, hash, [1, 2, 3], 1);
    lab.tell(1, { ...good, certificate });
    expect(lab.status.finalHeight).toBe(0);
    expect(asked(lab)).toEqual(["1:1", "2:1"]);
  });

  it("(blocks that do not begin at our tip) gives us nothing, and it is asked again", () => {
    const lab = behind();
    claim(lab, 1);
    lab.tell(1, { ...response(3, 10), from: 1 });
    expect(lab.status.finalHeight).toBe(0);
    expect(lab.halts).toEqual([]);
    expect(asked(lab)).toEqual(["1:1", "1:1"]);
  });
});

describe("a source that is silent", () => {
  it("is passed over for the next after the time-out, and asked last from then on", () => {
    const lab = behind();
    claim(lab, 1);
    claim(lab, 2);
    lab.time.advance(LIMITS.requestTimeoutMs - 1);
    expect(asked(lab)).toEqual(["1:1"]);
    lab.time.advance(1);
    expect(asked(lab)).toEqual(["1:1", "2:1"]);
    claim(lab, 1);
    lab.tell(2, response(1, 4));
    lab.tell(2, response(5, 8));
    expect(asked(lab)).toEqual(["1:1", "2:1", "2:5", "2:9"]);
  });

  it("gets twice the time with each try, so that a slow link serves in the end", () => {
    const lab = behind();
    let waitedMs = 0;
    for (const factor of [1, 2, 4, 8, 16, 16]) {
      expect(hasMs(lab, LIMITS.requestTimeoutMs * factor)).toBe(true);
      waitedMs += LIMITS.requestTimeoutMs * factor;
    }
    expect(waitedMs).toBe(47 * LIMITS.requestTimeoutMs);
    lab.tell(1, response(1, 10));
    expect(lab.status.finalHeight).toBe(10);
  });

  it("is asked again only after three times the time that it had: what it sends may be on its way", () => {
    const lab = behind();
    const atSeconds: number[] = [];
    for (let second = 0; second <= 130; second++) {
      claim(lab, 1);
      while (atSeconds.length < asked(lab).length) atSeconds.push(second);
      lab.time.advance(1_000);
    }
    expect(new Set(asked(lab))).toEqual(new Set(["1:1"]));
    // Time-outs are at 2, 6, 14, 30, 62, 94 and 126 s.
    expect(atSeconds).toEqual([0, 6, 30, 126]);
  });

  it("is asked again at once over a new session, which what it owed has not outlived", () => {
    const lab = behind();
    claim(lab, 1);
    lab.transport.disconnect(lab.peer(1), { code: "closed", detail: "test" });
    lab.transport.up.add(lab.peer(1));
    lab.transport.handler?.peerUp(lab.peer(1));
    claim(lab, 1);
    expect(asked(lab)).toEqual(["1:1", "1:1"]);
  });

  for (const [seconds, copies] of [
    [20, ["1:1"]],
    [40, ["1:1", "1:1", "1:3"]],
  ] as const) {
    it(`and needs ${seconds} s for each answer is soon asked for each once`, () => {
      const lab = behind();
      const froms = new Set<number>();
      const line: number[] = [];
      let taken = 0;
      let sinceS = 0;
      for (let second = 0; second <= 15 * seconds && lab.status.finalHeight < 10; second++) {
        // One answer after the other goes over the link, to each question that was asked, whole.
        if (line.length > 0 && second >= sinceS + seconds) {
          const from = line.shift() ?? 0;
          sinceS = second;
          lab.tell(1, response(from, from + 1));
        }
        claim(lab, 1);
        if (line.length === 0) sinceS = second;
        for (const { message } of lab.sent("sync-request").slice(taken)) {
          line.push(message.from);
          froms.add(message.from);
          taken++;
        }
        lab.time.advance(1_000);
      }
      expect(lab.status.finalHeight).toBe(10);
      const first = [...froms].map((from) => `1:${from}`);
      expect(first).toEqual(["1:1", "1:3", "1:5", "1:7", "1:9"]);
      expect(asked(lab).toSorted()).toEqual([...first, ...copies].toSorted());
    });
  }

  it("keeps the longer time over the end of its session, which a slow link may bring about", () => {
    const lab = behind();
    const first = lab.peer(1);
    const answersIn = (ms: number): boolean => {
      const before = asked(lab).length;
      claim(lab, 1);
      expect(asked(lab)).toHaveLength(before + 1);
      lab.time.advance(ms - 1);
      claim(lab, 1);
      return asked(lab).length === before + 1;
    };
    expect(answersIn(LIMITS.requestTimeoutMs)).toBe(true);
    lab.time.advance(1);
    lab.transport.disconnect(first, { code: "closed", detail: "test" });
    lab.transport.up.add(first);
    lab.transport.handler?.peerUp(first);
    expect(answersIn(2 * LIMITS.requestTimeoutMs)).toBe(true);
  });

  it("keeps the time that it needs, and has half of it after an answer in half of it", () => {
    const lab = behind();
    const timeoutMs = LIMITS.requestTimeoutMs;
    for (const factor of [1, 2, 4]) expect(hasMs(lab, factor * timeoutMs)).toBe(true);
    // Since the first question there are 14 s; it has 16 by now, and keeps them.
    claim(lab, 1);
    lab.tell(1, response(1, 2));
    expect(asked(lab).at(-1)).toBe("1:3");
    lab.time.advance(4 * timeoutMs + 1);
    lab.tell(1, response(3, 4));
    expect(asked(lab).at(-1)).toBe("1:5");
    lab.time.advance(4 * timeoutMs);
    lab.tell(1, response(5, 6));
    expect(asked(lab).at(-1)).toBe("1:7");
    expect(hasMs(lab, 4 * timeoutMs)).toBe(true);
  });

  it("counts when it answers in the end, whoever is asked by then, and for nothing else", () => {
    const lab = behind();
    claim(lab, 1);
    claim(lab, 2);
    lab.time.advance(LIMITS.requestTimeoutMs);
    expect(asked(lab)).toEqual(["1:1", "2:1"]);
    // Somebody who was not asked, something that was not asked for.
    lab.tell(3, response(1, 4));
    lab.tell(1, response(2, 4));
    expect(lab.status.finalHeight).toBe(0);
    lab.tell(1, response(1, 4));
    expect(lab.status.finalHeight).toBe(4);
    expect(asked(lab).slice(2)).toEqual(["2:5"]);
    // Once. What the other one was asked for before is old.
    lab.tell(1, response(5, 10));
    lab.tell(2, response(1, 4));
    expect([lab.status.finalHeight, lab.cutOff]).toEqual([4, []]);
    lab.tell(2, response(5, 10));
    expect(lab.status.finalHeight).toBe(10);
  });

  it("counts late when nobody else is asked, and not over the end of its session", () => {
    const late = behind();
    claim(late, 1);
    late.time.advance(LIMITS.requestTimeoutMs);
    late.tell(1, response(1, 10));
    expect(late.status.finalHeight).toBe(10);
    const gone = behind();
    claim(gone, 1);
    gone.transport.disconnect(gone.peer(1), { code: "closed", detail: "test" });
    gone.transport.up.add(gone.peer(1));
    gone.transport.handler?.peerUp(gone.peer(1));
    gone.tell(1, response(1, 10));
    expect(gone.status.finalHeight).toBe(0);
  });

  it("is charged for a lie that comes late", () => {
    const lab = behind();
    claim(lab, 1);
    claim(lab, 2);
    lab.time.advance(LIMITS.requestTimeoutMs);
    lab.tell(1, { ...response(1, 10), blocks: [] });
    expect(lab.cutOff).toEqual(["sync.mismatch"]);
    // What the other one was asked for is on its way, and it has time for it as if it were asked now.
    expect(asked(lab)).toEqual(["1:1", "2:1"]);
    lab.tell(2, response(1, 10));
    expect(lab.status.finalHeight).toBe(10);
  });

  it("whose session ends is replaced at once", () => {
    const lab = behind();
    claim(lab, 1);
    claim(lab, 2);
    lab.transport.disconnect(lab.peer(1), { code: "closed", detail: "test" });
    expect(asked(lab)).toEqual(["1:1", "2:1"]);
  });

  it("that has nothing is not asked again before it claims again", () => {
    const lab = behind();
    claim(lab, 1);
    lab.tell(1, { type: "sync-none", from: 1 });
    lab.time.advance(60_000);
    expect(asked(lab)).toEqual(["1:1"]);
    claim(lab, 1);
    expect(asked(lab)).toEqual(["1:1", "1:1"]);
  });

  it("cannot be asked (its queue is full): nothing breaks, and a later claim is tried", () => {
    const lab = behind();
    for (const peer of [1, 2, 3]) lab.transport.full.add(lab.peer(peer));
    for (const peer of [1, 2, 3]) claim(lab, peer);
    expect(asked(lab)).toEqual([]);
    lab.transport.full.clear();
    claim(lab, 2);
    expect(asked(lab)).toEqual(["2:1"]);
  });
});

describe("readiness", () => {
  const reasons = (lab: Lab): readonly string[] => lab.handle.ready().reasons;
  const late = ["catching up with the network"];
  const level = (): Lab => grow(new Lab({ chain: SOURCE.chain }), 3);

  it("is not taken away by one validator that claims what it cannot show", () => {
    const lab = level();
    expect(reasons(lab)).toEqual([]);
    for (let i = 0; i < 300; i++) {
      claim(lab, 1, 1e12);
      if (i % 3 === 0) lab.tell(1, { type: "sync-none", from: 4 });
      expect(reasons(lab)).toEqual([]);
      lab.time.advance(200);
      expect(reasons(lab)).toEqual([]);
    }
    expect(lab.cutOff).toEqual([]);
  });

  it("ends with the quorum that is connected, and comes back with it", () => {
    const lab = level();
    const gone = { code: "closed", detail: "test" } as const;
    lab.transport.disconnect(lab.peer(2), gone);
    expect(reasons(lab)).toEqual([]);
    lab.transport.disconnect(lab.peer(1), gone);
    expect(reasons(lab)).toEqual(["2 of 4 validators are connected, weight 2 where 3 is needed"]);
    lab.transport.up.add(lab.peer(1));
    lab.transport.handler?.peerUp(lab.peer(1));
    expect(reasons(lab)).toEqual([]);
  });

  it("waits where more weight than can be faulty is ahead", () => {
    const lab = level();
    claim(lab, 1, 100);
    claim(lab, 2, 10);
    expect(reasons(lab)).toEqual(late);
    lab.transport.disconnect(lab.peer(2), { code: "closed", detail: "test" });
    expect(reasons(lab)).toEqual([]);
  });

  it("waits for one peer that has shown a part of what it claims, until it shows no more", () => {
    const lab = behind();
    claim(lab, 1);
    lab.tell(1, response(1, 4));
    expect(reasons(lab)).toEqual(late);
    lab.time.advance(LIMITS.requestTimeoutMs);
    expect(lab.status.finalHeight).toBe(4);
    expect(reasons(lab)).toEqual([]);
    claim(lab, 1);
    expect(reasons(lab)).toEqual([]);
    lab.tell(1, response(5, 7));
    expect(reasons(lab)).toEqual(late);
    lab.tell(1, response(8, 10));
    expect(reasons(lab)).toEqual([]);
  });
});

describe("serving", () => {
  const ask = (lab: Lab, from: number, peer = 1): Message | undefined => {
    // The pause after the last slice that was read.
    lab.time.advance(LIMITS.syncSlicePauseMs);
    lab.clearSent();
    lab.tell(peer, { type: "sync-request", from });
    return lab.transport.sent.at(-1)?.message;
  };

  it("answers with a run that another node accepts", () => {
    const answer = ask(SOURCE, 3);
    if (answer?.type !== "sync-response") throw new Error("no run was served");
    expect(answer.blocks).toHaveLength(8);
    // One whose signature is not in it: it would know that it has not made it.
    const lab = new Lab({ chain: SOURCE.chain, self: 3 });
    expect(answer.certificate.signers).not.toContain(lab.self);
    claim(lab, 1);
    const first = response(1, 2);
    const { view, hash } = first.certificate.statement;
    const certificate = SOURCE.certificate("finalize", view, hash, [0, 1, 2]);
    lab.tell(1, { ...first, certificate });
    lab.tell(1, answer);
    expect(lab.status.executedHeight).toBe(10);
  });

  it("says that there is nothing above the tip, and at height 0", () => {
    for (const from of [0, 11, Number.MAX_SAFE_INTEGER]) {
      expect(ask(SOURCE, from)).toEqual({ type: "sync-none", from });
    }
  });

  it("gives one peer 64 MiB a second and no more, without reading for what is over", () => {
    const lab = grow(new Lab({ chain: SOURCE.chain }), 2);
    const view = lab.finals[0]?.certificate.statement.view ?? 0;
    lab.clearSent();
    let served = 0;
    for (let i = 0; i < 70_000; i++) {
      lab.tell(1, { type: "certificate-request", epoch: 0, view, kind: "finalize" });
      if (lab.transport.sent.length === 0) break;
      served++;
      lab.clearSent();
    }
    const cost = 3 * LIMITS.falconSignatureBytes + LIMITS.syncLookupCostBytes;
    expect(served).toBe(Math.floor(LIMITS.syncServeBytesPerSecond / cost));
    // What is left is less than an answer; questions use it up.
    for (let i = 0; i < 5; i++) lab.tell(1, { type: "block-request", hash: new Uint8Array(32) });
    const get = lab.data.get.bind(lab.data);
    let reads = 0;
    lab.data.get = (key) => {
      reads++;
      return get(key);
    };
    lab.clearSent();
    for (let i = 0; i < 100; i++) {
      lab.tell(1, { type: "sync-request", from: 1 });
      lab.tell(1, { type: "block-request", hash: new Uint8Array(32) });
      lab.tell(1, { type: "batch-request", digests: [new Uint8Array(32)] });
    }
    expect(lab.transport.sent.every((frame) => frame.message.type === "sync-none")).toBe(true);
    expect(reads).toBe(0);
    // Another peer is served, and after a second this one is again.
    expect(ask(lab, 1, 2)?.type).toBe("sync-response");
    lab.time.nowMs += 1_000;
    expect(ask(lab, 1, 1)?.type).toBe("sync-response");
  });

  it("keeps an answer with many large batches within its class's frame", () => {
    const lab = new Lab();
    const big = Array.from({ length: 9 }, (_, i) => putEvent(`k${i}`, 50 * 1024));
    const batches = Array.from({ length: 8 }, () => lab.nextBatch(lab.chain.alice, big));
    lab.finalize(batches);
    lab.clearSent();
    lab.tell(1, { type: "batch-request", digests: batches.map((batch) => batch.digest) });
    const frames = lab.sent("batches");
    expect(frames.length).toBeGreaterThan(1);
    expect(frames.flatMap((frame) => frame.message.batches)).toHaveLength(8);
    for (const frame of frames) {
      expect(frame.bytes).toBeLessThanOrEqual(LIMITS.frameBytesMax.mempool);
    }
  });
});
