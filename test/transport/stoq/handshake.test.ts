import { ml_kem1024 } from "@noble/post-quantum/ml-kem.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/crypto/codec.ts";
import { sha256 } from "../../../src/crypto/hash.ts";
import { deriveSecrets } from "../../../src/transport/stoq/keys.ts";
import { decodeAnswer, MESSAGES } from "../../../src/transport/stoq/messages.ts";
import { openTranscript } from "../../../src/transport/stoq/transcript.ts";
import { channelOf, End, falconKeys, meet, partyOf } from "./support.ts";

const changed = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

const NOTHING_DONE = { signatures: 0, verifications: 0 };

describe("the handshake", () => {
  it("gives both ends the same keys, other ones each way and each time", () => {
    const [a, b] = meet();
    expect(a.failure ?? b.failure).toBeUndefined();
    expect(a.secrets?.sessionId).toEqual(b.secrets?.sessionId);
    expect(a.secrets?.traffic).toEqual(b.secrets?.traffic);
    expect(a.secrets?.traffic.initiator).not.toEqual(a.secrets?.traffic.responder);
    const [again] = meet();
    expect(again.secrets?.sessionId).not.toEqual(a.secrets?.sessionId);
    expect(again.secrets?.traffic).not.toEqual(a.secrets?.traffic);
  });

  it("sends three messages of the lengths in the table", () => {
    const [a, b] = meet();
    expect(a.out.map((bytes) => bytes.length)).toEqual([3395, 1313]);
    expect(b.out.map((bytes) => bytes.length)).toEqual([4707]);
    expect(a.out[0]?.length).toBe(MESSAGES.open.bytes);
  });

  it("is opened by who has the ML-KEM secret, and the signatures' keys are of no use for that", () => {
    const seeds: Uint8Array[] = [];
    const entropy = (bytes: number): Uint8Array => {
      const drawn = sha256(utf8(`draw ${seeds.length}`));
      seeds.push(Uint8Array.from(bytes === 64 ? [...drawn, ...drawn] : drawn));
      return Uint8Array.from(bytes === 64 ? [...drawn, ...drawn] : drawn);
    };
    const [a, b] = meet(new End("initiator", { entropy }));
    const seed = seeds.find((bytes) => bytes.length === 64);
    if (seed === undefined) throw new RangeError("no seed");
    const { body, offer } = decodeAnswer(b.out[0] ?? new Uint8Array(0));
    const transcript = openTranscript(channelOf(), a.out[0] ?? new Uint8Array(0), body);
    const shared = ml_kem1024.decapsulate(offer.kem, ml_kem1024.keygen(seed).secretKey);
    expect(deriveSecrets(shared, transcript).traffic).toEqual(a.secrets?.traffic);
    const other = ml_kem1024.keygen(sha256Twice("another")).secretKey;
    const wrong = deriveSecrets(ml_kem1024.decapsulate(offer.kem, other), transcript);
    expect(wrong.traffic).not.toEqual(a.secrets?.traffic);
  });

  it("leaves no key behind when it is wiped", () => {
    const a = new End("initiator").start();
    const b = new End("responder").start().receive(a.last);
    a.handshake.wipe();
    b.handshake.wipe();
    a.receive(b.last);
    expect(a.failure?.code).toBe("session.malformed");
    expect(a.secrets).toBeUndefined();
  });
});

const sha256Twice = (text: string): Uint8Array =>
  Uint8Array.from([...sha256(utf8(text)), ...sha256(utf8(`${text} again`))]);

describe("what is refused before it costs anything", () => {
  it("a message of another length, of no type, or out of turn", () => {
    const a = new End("initiator").start();
    for (const bytes of [
      new Uint8Array(0),
      a.last.slice(1),
      Uint8Array.from([...a.last, 0]),
      a.last.slice(0, -1),
      Uint8Array.from([9, ...a.last.slice(1)]),
    ]) {
      const b = new End("responder").start().receive(bytes);
      expect(b.failure?.code).toBe("session.malformed");
      expect(b).toMatchObject(NOTHING_DONE);
    }
    const b = new End("responder").start().receive(a.last).receive(a.last);
    expect(b.failure?.code).toBe("session.malformed");
  });

  it("another version", () => {
    const a = new End("initiator").start();
    const b = new End("responder").start().receive(changed(a.last, 1));
    expect(b.failure?.code).toBe("session.version");
    expect(b).toMatchObject(NOTHING_DONE);
  });

  it("a FALCON key that is not the certificate's node's", () => {
    const a = new End("initiator", { keys: falconKeys(2) }).start();
    const b = new End("responder").start().receive(a.last);
    expect(b.failure?.code).toBe("session.identity");
    expect(b).toMatchObject(NOTHING_DONE);
  });

  it("a handshake over the budget, of which the peer's first byte of ML-KEM is not looked at", () => {
    const a = new End("initiator").start();
    let asked = 0;
    const admit = (): boolean => {
      asked += 1;
      return false;
    };
    const b = new End("responder", { admit }).start().receive(a.last);
    expect(b.failure?.code).toBe("session.rate");
    expect(asked).toBe(1);
    expect(b).toMatchObject(NOTHING_DONE);
  });

  it("bytes that are no ML-KEM key", () => {
    const a = new End("initiator").start();
    const bytes = Uint8Array.from(a.last);
    bytes.fill(0xff, 34, 34 + 1536);
    const b = new End("responder").start().receive(bytes);
    expect(b.failure?.code).toBe("session.kem-key");
    expect(b).toMatchObject(NOTHING_DONE);
  });

  it("any bytes, whatever they are: a code, never an exception", () => {
    const a = new End("initiator").start();
    const types = fc.constantFrom(1, 2, 3, 0);
    const lengths = fc.constantFrom(
      0,
      1,
      MESSAGES.open.bytes,
      MESSAGES.answer.bytes,
      MESSAGES.confirm.bytes,
    );
    fc.assert(
      fc.property(types, lengths, fc.uint8Array({ maxLength: 64 }), (type, length, noise) => {
        const bytes = new Uint8Array(length);
        bytes.set(noise.subarray(0, length));
        if (length > 0) bytes[0] = type;
        if (length > 1) bytes[1] = 1;
        for (const end of [new End("responder").start(), a]) {
          end.receive(bytes);
          expect(end.failure?.code).toMatch(/^session\./);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("attacks", () => {
  it("one changed bit anywhere in any message ends it, at one end or the other", () => {
    const [open, answer, confirm] = [MESSAGES.open, MESSAGES.answer, MESSAGES.confirm];
    const places = [
      ...[2, 33, 34, 900, 1601, 1602, 3000, open.bytes - 1].map((at) => ["open", at] as const),
      ...[2, 34, 1601, 1602, 3400, 4000, answer.bytes - 1].map((at) => ["answer", at] as const),
      ...[1, 600, confirm.bytes - 1].map((at) => ["confirm", at] as const),
    ];
    for (const [message, at] of places) {
      const change = (name: string, bytes: Uint8Array) =>
        name === message ? changed(bytes, at) : bytes;
      const a = new End("initiator").start();
      const b = new End("responder").start();
      b.receive(change("open", a.last));
      if (b.failure === undefined) a.receive(change("answer", b.last));
      if (b.failure === undefined && a.failure === undefined) b.receive(change("confirm", a.last));
      expect([a.failure?.code, b.failure?.code], `${message} ${at}`).toContainEqual(
        expect.stringMatching(/^session\./),
      );
      expect(b.secrets, `${message} ${at}`).toBeUndefined();
    }
  });

  it("replay: messages of an earlier session are worth nothing in the next", () => {
    const [a, b] = meet();
    // The responder draws anew, so an old open gets an answer that the old confirm does not fit.
    const second = new End("responder").start().receive(a.out[0]).receive(a.out[1]);
    expect(second.failure?.code).toBe("session.confirmation");
    // The initiator has another key, so an old answer is not of this session.
    const third = new End("initiator").start().receive(b.out[0]);
    expect(third.failure?.code).toBe("session.confirmation");
    expect(third.verifications).toBe(0);
  });

  it("reflection: an end does not take what its own side says, nor its own key", () => {
    const a = new End("initiator").start();
    a.receive(a.last);
    expect(a.failure?.code).toBe("session.reflected");
    const b = new End("responder").start().receive(new End("initiator").start().last);
    b.receive(b.last);
    expect(b.failure?.code).toBe("session.reflected");
    // Who relays our open to us as if a peer had dialled: the key in it is ours.
    const own = new End("initiator").start();
    const self = new End("responder", { keys: falconKeys(0) }).start().receive(own.last);
    expect(self.failure?.code).toBe("session.reflected");
  });

  it("a signature for the other role does not count", () => {
    // Both messages are over labels that name the role: the first 26 bytes differ.
    const seen: Uint8Array[] = [];
    const a = new End("initiator");
    const sign = a.handshake.verified.bind(a.handshake);
    a.handshake.verified = (valid) => {
      const effects = sign(valid);
      for (const effect of effects) if (effect.type === "sign") seen.push(effect.message);
      return effects;
    };
    meet(a);
    const text = new TextDecoder().decode(seen[0]?.slice(0, 23));
    expect(text).toBe("tetrad/stoq/1 initiator");
  });

  it("downgrade: features that somebody took out of a hello on the way end it", () => {
    const hello = Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    const channel = channelOf({ initiator: { ...partyOf(0), hello } });
    const [a] = meet(new End("initiator"), new End("responder", { channel }));
    expect(a.failure?.code).toBe("session.confirmation");
    expect(a.verifications).toBe(0);
  });

  it("unknown key share: ends that see other parties, certificates, chains or TLS keys do not meet", () => {
    const other = { ...partyOf(0), certificateHash: sha256(utf8("another certificate")) };
    const views = [
      channelOf({ initiator: other }),
      channelOf({ responder: { ...partyOf(1), certificateHash: other.certificateHash } }),
      channelOf({ genesisHash: sha256(utf8("another genesis")) }),
      channelOf({ chainId: "another-chain" }),
      channelOf({ tlsExporter: sha256(utf8("exported")) }),
      channelOf({ responder: { ...partyOf(1), hello: new Uint8Array(13) } }),
    ];
    for (const channel of views) {
      const [a, b] = meet(new End("initiator"), new End("responder", { channel }));
      expect(a.failure?.code).toBe("session.confirmation");
      expect(b.secrets).toBeUndefined();
    }
    // B believes to speak with C, who passes on what A says: the key in A's open is not C's.
    const withC = channelOf({ initiator: partyOf(2) });
    const [, b] = meet(new End("initiator"), new End("responder", { channel: withC }));
    expect(b.failure?.code).toBe("session.identity");
  });

  it("a stolen TLS key without the FALCON key gets to the signature and no further", () => {
    // The impostor shows the member's public key, which anybody knows, and signs with its own.
    const impostor = new End("initiator", {
      falconKey: falconKeys(0).publicKey,
      keys: falconKeys(2),
    });
    const [, b] = meet(impostor);
    expect(b.failure?.code).toBe("session.signature");
    expect(b.secrets).toBeUndefined();
    const server = new End("responder", {
      falconKey: falconKeys(1).publicKey,
      keys: falconKeys(2),
    });
    const [a] = meet(new End("initiator"), server);
    expect(a.failure?.code).toBe("session.signature");
    // It has not signed for somebody who did not sign first.
    expect(a.signatures).toBe(0);
  });
});
