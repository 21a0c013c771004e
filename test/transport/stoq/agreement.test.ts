/**
 * The claims of docs/protocol.md about who agrees with whom, tried against a network that belongs to the attacker: it
 * decides which message of which session goes to whom, sends messages twice, to the wrong end, of the wrong role
 * and changed, and one of the parties is its own. Signatures are ideal here (a MAC under a key that the test keeps
 * for each FALCON key), so that what is tried is the protocol; ML-KEM, hashes and MACs are the real ones.
 */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import { Handshake, type HandshakeEffect } from "../../../src/transport/stoq/handshake.ts";
import type { Channel, Party, Role } from "../../../src/transport/stoq/transcript.ts";

const NAMES = ["alice", "bob", "mallory"] as const;
type Name = (typeof NAMES)[number];

const keyOf = (name: Name): Uint8Array => {
  const key = new Uint8Array(LIMITS.falconPublicKeyBytes);
  key.set(utf8(name));
  return key;
};
const idOf = (key: Uint8Array): string => toHex(sha256(key));
const signatureOf = (name: Name, message: Uint8Array): Uint8Array => {
  const signature = new Uint8Array(LIMITS.falconSignatureBytes);
  signature.set(createHmac("sha256", `secret of ${name}`).update(message).digest());
  return signature;
};
const partyOf = (name: Name): Party => ({
  id: idOf(keyOf(name)),
  certificateHash: sha256(utf8(`certificate of ${name}`)),
  hello: utf8(`hello of ${name}`),
});

type Session = {
  readonly self: Name;
  readonly peer: Name;
  readonly role: Role;
  readonly machine: Handshake;
  readonly sent: Uint8Array[];
  /** Hex of the session id and both traffic secrets, once accepted. */
  accepted: string | undefined;
  failed: boolean;
};

let draws = 0;
const entropy = (bytes: number): Uint8Array => {
  const out = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 32) {
    draws += 1;
    out.set(sha256(utf8(`draw ${draws}`)).subarray(0, Math.min(32, bytes - at)), at);
  }
  return out;
};

const open = (self: Name, peer: Name, role: Role): Session => {
  const [us, them] = [partyOf(self), partyOf(peer)];
  const channel: Channel = {
    chainId: "agreement",
    genesisHash: sha256(utf8("genesis")),
    initiator: role === "initiator" ? us : them,
    responder: role === "initiator" ? them : us,
    tlsExporter: new Uint8Array(0),
  };
  const machine = new Handshake({
    ...{ role, channel, idOf, entropy },
    falconKey: keyOf(self),
    admit: () => true,
  });
  const session: Session = {
    ...{ self, peer, role, machine, sent: [], accepted: undefined, failed: false },
  };
  run(session, machine.start());
  return session;
};

const run = (session: Session, effects: readonly HandshakeEffect[]): void => {
  for (const effect of effects) {
    if (effect.type === "send") session.sent.push(effect.bytes);
    else if (effect.type === "failed") session.failed = true;
    else if (effect.type === "done") {
      const { sessionId, traffic } = effect.secrets;
      session.accepted = [sessionId, traffic.initiator, traffic.responder].map(toHex).join();
    } else if (effect.type === "sign") {
      run(session, session.machine.signed(signatureOf(session.self, effect.message)));
    } else {
      const { publicKey, message, signature } = effect.job;
      const signer = NAMES.find((name) => idOf(keyOf(name)) === idOf(publicKey));
      const valid =
        signer !== undefined && toHex(signatureOf(signer, message)) === toHex(signature);
      run(session, session.machine.verified(valid));
    }
  }
};

/** What the attacker does next: takes a message that was ever sent, may change it, and gives it to a session. */
const step = fc.record({
  message: fc.nat(11),
  to: fc.nat(7),
  /** Mostly as it is; else one bit of it, or mallory's key in it. */
  change: fc.constantFrom("none", "none", "none", "none", "bit", "key" as const),
  at: fc.nat(4706),
});

const sessionShape = fc.constantFrom<readonly [Name, Name, Role]>(
  ["alice", "bob", "initiator"],
  ["bob", "alice", "responder"],
  ["bob", "alice", "initiator"],
  ["alice", "bob", "responder"],
  ["mallory", "bob", "initiator"],
  ["bob", "mallory", "responder"],
  ["alice", "mallory", "initiator"],
  ["mallory", "alice", "responder"],
);

const changedBy = (bytes: Uint8Array, change: string, at: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  if (change === "bit") copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ 1;
  if (change === "key" && copy.length > 3000) copy.set(keyOf("mallory"), 34 + 1568);
  return copy;
};

describe("agreement", () => {
  it("holds for whoever accepts, whatever the network does with the messages", () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.array(sessionShape, { minLength: 2, maxLength: 6 }),
        fc.array(step, { minLength: 4, maxLength: 24 }),
        (shapes, steps) => {
          const sessions = shapes.map(([self, peer, role]) => open(self, peer, role));
          for (const { message, to, change, at } of steps) {
            const sent = sessions.flatMap((session) => session.sent);
            const bytes = sent[message % Math.max(1, sent.length)];
            const target = sessions[to % sessions.length];
            if (bytes === undefined || target === undefined || target.failed) continue;
            run(target, target.machine.receive(changedBy(bytes, change, at)));
          }
          accepted += check(sessions);
        },
      ),
      { numRuns: 150, seed: 7 },
    );
    expect(accepted).toBeGreaterThan(0);
  });

  it("is reached where the network only delivers, by every pair at once", () => {
    const sessions = [
      ...[open("alice", "bob", "initiator"), open("bob", "alice", "responder")],
      ...[open("bob", "alice", "initiator"), open("alice", "bob", "responder")],
      ...[open("alice", "mallory", "initiator"), open("mallory", "alice", "responder")],
    ];
    for (let i = 0; i < sessions.length; i += 2) {
      const [a, b] = [sessions[i], sessions[i + 1]];
      if (a === undefined || b === undefined) throw new RangeError();
      for (const [from, to] of [
        [a, b],
        [b, a],
        [a, b],
      ] as const) {
        run(to, to.machine.receive(from.sent.at(-1) ?? new Uint8Array(0)));
      }
    }
    expect(check(sessions)).toBe(6);
  });
});

/** Checks every session that accepted with an honest peer; how many accepted. */
const check = (sessions: readonly Session[]): number => {
  const done = sessions.filter(({ accepted }) => accepted !== undefined);
  for (const session of done) {
    if (session.peer === "mallory" || session.self === "mallory") continue;
    // Exactly one session of the peer has the same keys: with us, in the other role.
    const mates = sessions.filter(
      ({ self, peer, role, sent }) =>
        self === session.peer && peer === session.self && role !== session.role && sent.length > 0,
    );
    const same = done.filter((other) => other !== session && other.accepted === session.accepted);
    expect(mates.length).toBeGreaterThan(0);
    // The initiator accepts before its confirm arrives: then the peer's keys are not out yet.
    if (session.role === "responder") expect(same.length).toBe(1);
    expect(same.length).toBeLessThanOrEqual(1);
    for (const other of same) {
      expect([other.self, other.peer]).toEqual([session.peer, session.self]);
      expect(other.role).not.toBe(session.role);
    }
  }
  return done.length;
};
