/** Signatures of handshakes and votes with one key: what may stand before a vote. */
import { describe, expect, it } from "vitest";
import type { Signer } from "../../src/ledger/ports.ts";
import { SecureChannel } from "../../src/transport/secure-channel.ts";
import { SigningLine } from "../../src/transport/signing-line.ts";
import { channelOf, falconKeys, idOfKey } from "./stoq/support.ts";
import { securityOf } from "./support.ts";

const VOTE = Uint8Array.of(1);

/** A signer that gives a signature when the test says so, in the order in which it was asked. */
const heldSigner = () => {
  const waiting: {
    readonly message: Uint8Array;
    readonly done: (signature: Uint8Array) => void;
  }[] = [];
  const signer: Signer = {
    publicKey: falconKeys(1).publicKey,
    sign: (message, done) => void waiting.push({ message, done }),
  };
  return { signer, waiting, next: () => waiting.shift()?.done(new Uint8Array(1280)) };
};

/** So many sessions of one node, each with the first word of its initiator. */
const openSessions = (count: number, signer: Signer) => {
  const base = securityOf("ff".repeat(32), 1);
  const signing = new SigningLine(signer);
  const answers: number[] = [];
  const sessions = Array.from({ length: count }, (_, i) => {
    const end = (role: "initiator" | "responder", send: (frame: Uint8Array) => boolean) =>
      new SecureChannel({
        ...{ role, send, channel: channelOf(), clock: { monotonicMs: () => 0, wallMs: () => 0 } },
        security: {
          ...base,
          idOf: idOfKey,
          signer: role === "responder" ? signer : { ...signer, publicKey: falconKeys(0).publicKey },
        },
        signing,
        ...{ admit: () => true, note: () => {}, secured: () => {} },
        failed: ({ code }) => expect(code).toBe("none"),
      });
    const responder = end("responder", () => answers.push(i) > 0);
    responder.begin();
    end("initiator", (frame) => {
      responder.receive(frame);
      return true;
    }).begin();
    return responder;
  });
  return { sessions, answers };
};

describe("signatures of handshakes", () => {
  it("are asked for one at a time: at most one is before a vote", () => {
    const { signer, waiting, next } = heldSigner();
    const { answers } = openSessions(16, signer);
    signer.sign(VOTE, () => {});
    expect(waiting.findIndex(({ message }) => message === VOTE)).toBeLessThanOrEqual(1);
    for (let i = 0; i < 17; i++) next();
    expect(answers).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(waiting).toEqual([]);
  });

  it("of sessions that have ended are not made", () => {
    const { signer, waiting, next } = heldSigner();
    const { sessions, answers } = openSessions(16, signer);
    for (const session of sessions.slice(0, 15)) session.end();
    let signed = 0;
    for (; waiting.length > 0; signed++) next();
    // The first one was being made.
    expect([signed, answers]).toEqual([2, [15]]);
  });
});
