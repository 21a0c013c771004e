/** Encodings of the session: one form each, nothing else read, and bytes that must stay as they are. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { LIMITS } from "../../../src/limits.ts";
import { Handshake, type HandshakeEffect } from "../../../src/transport/stoq/handshake.ts";
import { decodeHello, encodeHello } from "../../../src/transport/stoq/hello.ts";
import type { SessionSecrets } from "../../../src/transport/stoq/keys.ts";
import { decodeProbe, encodeProbe, type Probe } from "../../../src/transport/stoq/probe.ts";
import { Sealer } from "../../../src/transport/stoq/sealing.ts";
import type { Channel, Role } from "../../../src/transport/stoq/transcript.ts";

describe("hello", () => {
  it("is read as it was written, and nothing else is a hello", () => {
    const run = fc.uint8Array({ minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(run, fc.nat(0xffff_ffff), (id, bits) => {
        const features = (bits | 1) >>> 0;
        const read = decodeHello(encodeHello({ run: id, features }));
        expect(read).toEqual({ ok: true, value: { run: id, features } });
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        const read = decodeHello(bytes);
        if (read.ok) expect(encodeHello(read.value)).toEqual(bytes);
        else expect(["session.version", "session.features"]).toContain(read.code);
      }),
    );
  });
});

describe("probe", () => {
  it("is read as it was written; versions that are not printable, and all else, are refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const read = decodeProbe(bytes);
        if (read !== undefined) expect(encodeProbe(read)).toEqual(bytes);
      }),
    );
    const number = new Uint8Array(8).fill(3);
    const longest = "v".repeat(LIMITS.peerVersionBytesMax);
    for (const version of ["", "1.2.3", longest]) {
      const probe: Probe = { kind: "answer", number, version };
      expect(decodeProbe(encodeProbe(probe))).toEqual(probe);
    }
    const over = decodeProbe(encodeProbe({ kind: "question", number, version: `${longest}x` }));
    expect(over?.version).toBe(longest);
    const long = encodeProbe({ kind: "question", number, version: longest });
    long[12] = LIMITS.peerVersionBytesMax + 1;
    expect(decodeProbe(Uint8Array.from([...long, 0x76]))).toBeUndefined();
    expect(decodeProbe(encodeProbe({ kind: "question", number, version: "a\n" }))).toBeUndefined();
  });
});

/** Ends whose randomness, keys and signatures are fixed. */
const fixedEnd = (role: Role) => {
  const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);
  const falconKeys = { initiator: filled(1793, 1), responder: filled(1793, 2) };
  const idOf = (key: Uint8Array): string => toHex(sha256(key));
  const party = (name: Role, byte: number) => ({
    id: idOf(falconKeys[name]),
    certificateHash: filled(32, byte),
    // Of the hello's version 2: the handshake takes whatever was said, as bytes.
    hello: Uint8Array.of(2, ...filled(8, byte), 0, 0, 0, 1),
  });
  const channel: Channel = {
    chainId: "golden-1",
    genesisHash: filled(32, 9),
    initiator: party("initiator", 3),
    responder: party("responder", 4),
    tlsExporter: new Uint8Array(0),
  };
  const out: Uint8Array[] = [];
  let secrets: SessionSecrets | undefined;
  let draws = role === "initiator" ? 0x10 : 0x20;
  const machine = new Handshake({
    ...{ role, channel, idOf, admit: () => true },
    falconKey: falconKeys[role],
    entropy: (bytes) => {
      draws += 1;
      return filled(bytes, draws);
    },
  });
  const run = (effects: readonly HandshakeEffect[]): void => {
    for (const effect of effects) {
      if (effect.type === "send") out.push(effect.bytes);
      else if (effect.type === "sign") run(machine.signed(filled(1280, role.length)));
      else if (effect.type === "verify") run(machine.verified(true));
      else if (effect.type === "done") secrets = effect.secrets;
      else throw new Error(effect.failure.code);
    }
  };
  run(machine.start());
  return {
    out,
    receive: (bytes: Uint8Array | undefined) => run(machine.receive(bytes ?? new Uint8Array(0))),
    secrets: () => secrets,
  };
};

describe("bytes of version 1", () => {
  it("are what they were", () => {
    const [a, b] = [fixedEnd("initiator"), fixedEnd("responder")];
    b.receive(a.out[0]);
    a.receive(b.out[0]);
    b.receive(a.out[1]);
    const secrets = a.secrets();
    if (secrets === undefined) throw new RangeError();
    expect(b.secrets()?.sessionId).toEqual(secrets.sessionId);
    const { sessionId, traffic } = secrets;
    const sealer = new Sealer({ trafficSecret: traffic.initiator, sessionId, stream: 4 });
    const record = sealer.seal(utf8("a record"));
    const hashOf = (bytes: Uint8Array | undefined): string =>
      toHex(sha256(bytes ?? new Uint8Array(0))).slice(0, 32);
    expect({
      open: hashOf(a.out[0]),
      answer: hashOf(b.out[0]),
      confirm: hashOf(a.out[1]),
      sessionId: toHex(sessionId).slice(0, 32),
      record: record.ok ? toHex(record.value) : "",
    }).toMatchInlineSnapshot(`
      {
        "answer": "c94e53b2e7682a895923f6ff87e5f90f",
        "confirm": "76b2a62f1360809b899dda574094dfef",
        "open": "d1fd12ab09f01e27493b32249ee909be",
        "record": "6499e4dc6b8f2de7cc717a18c79dc340750563d6bdd945ee",
        "sessionId": "e87c46bca459d25e6d3fdeb2b5bf68a5",
      }
    `);
  });
});
