/**
 * The post-quantum part of one session: drives the handshake (stoq/handshake.ts) with real keys and a budget,
 * then seals and opens records, and asks the other end now and then whether it can open them.
 *
 * The session's owner gives it whole frames of one stream and sends its frames on another. The responder speaks
 * first under the new keys: by that record the initiator knows that its signature was taken. Until then neither
 * sends anything sealed, so nothing has to be kept for later.
 */
import { randomBytes } from "node:crypto";
import { equalBytes } from "../crypto/bytes.ts";
import { type Failure, fail, TetradError } from "../errors.ts";
import type { Clock, PeerId, SealedFigures, Signer, Verifier } from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";
import { isNote } from "./bulk/notes.ts";
import type { SigningLine } from "./signing-line.ts";
import { Handshake, type HandshakeEffect } from "./stoq/handshake.ts";
import type { SessionSecrets } from "./stoq/keys.ts";
import { decodeProbe, encodeProbe } from "./stoq/probe.ts";
import { Opener, Sealer } from "./stoq/sealing.ts";
import type { Channel, Role } from "./stoq/transcript.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Place of the stream among those of its direction: part of the wire format. */
export const SEALED_STREAM_PLACE = 4;

const PROBE_NUMBER_BYTES = 8;

/** Who this node is to its peers, beside its certificate. */
export type NodeSecurity = {
  readonly chainId: string;
  readonly genesisHash: Uint8Array;
  readonly signer: Signer;
  readonly verifier: Pick<Verifier, "verify">;
  /** The node id that follows from a FALCON key on this chain. */
  readonly idOf: (falconKey: Uint8Array) => PeerId;
  /** Told to peers, sealed. */
  readonly version: string;
  /** Random bytes that nobody else keeps; the system's where it is left out. */
  readonly entropy?: (bytes: number) => Uint8Array;
};

export type SecureChannelOptions = {
  readonly role: Role;
  readonly channel: Channel;
  readonly security: NodeSecurity;
  /** Of this node's sessions, with the key of `security`. */
  readonly signing: SigningLine;
  readonly clock: Clock;
  /** Asked before a peer's handshake costs anything. */
  readonly admit: () => boolean;
  /** Sends one frame; false where it does not fit. */
  readonly send: (frame: Uint8Array) => boolean;
  /** A note that the peer sealed (bulk/notes.ts), after `secured`. */
  readonly note: (bytes: Uint8Array) => void;
  /** Both ends have shown their keys, and the peer opens what we seal. Milliseconds since `begin`. */
  readonly secured: (handshakeMs: number) => void;
  readonly failed: (failure: Failure) => void;
};

const systemEntropy = (bytes: number): Uint8Array => Uint8Array.from(randomBytes(bytes));

export class SecureChannel {
  readonly #options: SecureChannelOptions;
  readonly #handshake: Handshake;
  #beganMs = 0;
  #handshakeMs: number | undefined;
  #sealer: Sealer | undefined;
  #opener: Opener | undefined;
  /** What the peer's records may cost: each is counted before it is opened. */
  readonly #records: TokenBucket;
  #ended = false;
  #takeBackSignature: (() => void) | undefined;
  #question: { readonly number: Uint8Array; readonly atMs: number } | undefined;
  #roundTripMs: number | undefined;
  #version = "";

  constructor(options: SecureChannelOptions) {
    this.#options = options;
    const { security, role, channel, admit, clock } = options;
    const { sealedRecordsPerSecond: perSecond, sealedRecordsBurst: burst } = LIMITS;
    this.#records = new TokenBucket(perSecond, burst, clock.monotonicMs());
    this.#handshake = new Handshake({
      role,
      channel,
      falconKey: security.signer.publicKey,
      idOf: security.idOf,
      entropy: security.entropy ?? systemEntropy,
      admit,
    });
  }

  get isSecured(): boolean {
    return this.#handshakeMs !== undefined;
  }

  begin(): void {
    this.#beganMs = this.#options.clock.monotonicMs();
    this.#run(this.#handshake.start());
  }

  /** One frame of the peer, in order. */
  receive(frame: Uint8Array): void {
    if (this.#ended) return;
    if (this.#opener === undefined) {
      this.#run(this.#handshake.receive(frame));
      return;
    }
    if (!this.#records.take(this.#options.clock.monotonicMs())) {
      this.#fail(fail("session.rate", "too many sealed records"));
      return;
    }
    const opened = this.#opener.open(frame);
    if (opened.ok) this.#receivePlain(opened.value);
    else this.#fail(opened);
  }

  /** Asks the peer, unless it still owes an answer. */
  probe(): void {
    if (this.#sealer === undefined || this.#question !== undefined || this.#ended) return;
    if (this.#options.role === "initiator" && !this.isSecured) return;
    const number = systemEntropy(PROBE_NUMBER_BYTES);
    if (this.#sendProbe("question", number)) {
      this.#question = { number, atMs: this.#options.clock.monotonicMs() };
    }
  }

  /** Seals a note for the peer. False before the handshake is complete, and when it could not be sent. */
  sendNote(bytes: Uint8Array): boolean {
    return this.isSecured && !this.#ended && this.#sendSealed(bytes);
  }

  figures(): SealedFigures | undefined {
    const handshakeMs = this.#handshakeMs;
    if (handshakeMs === undefined) return undefined;
    const records = this.#sealer?.records ?? 0;
    return { handshakeMs, roundTripMs: this.#roundTripMs, version: this.#version, records };
  }

  /** The session is over: keys are overwritten, answers that come later mean nothing. */
  end(): void {
    this.#ended = true;
    this.#takeBackSignature?.();
    this.#handshake.wipe();
    this.#sealer?.wipe();
    this.#opener?.wipe();
  }

  #receivePlain(bytes: Uint8Array): void {
    if (this.isSecured && isNote(bytes)) {
      this.#options.note(bytes);
      return;
    }
    const probe = decodeProbe(bytes);
    if (probe === undefined) {
      this.#fail(fail("session.malformed", "a sealed record that says nothing we know"));
      return;
    }
    this.#version = probe.version;
    if (probe.kind === "question") {
      this.#sendProbe("answer", probe.number);
    } else if (this.#question !== undefined && equalBytes(this.#question.number, probe.number)) {
      this.#roundTripMs = this.#options.clock.monotonicMs() - this.#question.atMs;
      this.#question = undefined;
    } else {
      this.#fail(fail("session.malformed", "an answer to what was not asked"));
      return;
    }
    this.#secured();
  }

  #secured(): void {
    if (this.isSecured || this.#ended) return;
    this.#handshakeMs = this.#options.clock.monotonicMs() - this.#beganMs;
    this.#options.secured(this.#handshakeMs);
  }

  /** False when it could not be sent now. */
  #sendProbe(kind: "question" | "answer", number: Uint8Array): boolean {
    const { version } = this.#options.security;
    return this.#sendSealed(encodeProbe({ kind, number, version }));
  }

  #sendSealed(bytes: Uint8Array): boolean {
    const sealed = this.#sealer?.seal(bytes);
    if (sealed === undefined) return false;
    if (!sealed.ok) {
      this.#fail(sealed);
      return false;
    }
    if (this.#options.send(sealed.value)) return true;
    // The record has its number: without it the peer could open none after it.
    this.#fail(fail("node.overloaded", "a sealed record did not fit the queue"));
    return false;
  }

  #run(effects: readonly HandshakeEffect[]): void {
    for (const effect of effects) {
      if (this.#ended) return;
      this.#apply(effect);
    }
  }

  #apply(effect: HandshakeEffect): void {
    const { signing, send } = this.#options;
    switch (effect.type) {
      case "send":
        if (!send(effect.bytes)) this.#fail(fail("node.overloaded", "no room for a handshake"));
        return;
      case "sign":
        this.#takeBackSignature = signing.sign(effect.message, (signature) => {
          this.#run(this.#handshake.signed(signature));
        });
        return;
      case "verify":
        this.#verify(effect);
        return;
      case "done":
        this.#begin(effect.secrets);
        return;
      case "failed":
        this.#fail(effect.failure);
    }
  }

  #verify({ job }: HandshakeEffect & { readonly type: "verify" }): void {
    try {
      this.#options.security.verifier.verify([job], "consensus", ([valid]) => {
        if (!this.#ended) this.#run(this.#handshake.verified(valid === true));
      });
    } catch (error) {
      if (!(error instanceof TetradError) || error.code !== "node.overloaded") throw error;
      this.#fail(fail(error.code, error.message));
    }
  }

  #begin({ sessionId, traffic }: SessionSecrets): void {
    const { role } = this.#options;
    const peer: Role = role === "initiator" ? "responder" : "initiator";
    const stream = SEALED_STREAM_PLACE;
    this.#sealer = new Sealer({ trafficSecret: traffic[role], sessionId, stream });
    this.#opener = new Opener({ trafficSecret: traffic[peer], sessionId, stream });
    traffic.initiator.fill(0);
    traffic.responder.fill(0);
    if (role === "responder") this.probe();
  }

  #fail(failure: Failure): void {
    if (this.#ended) return;
    this.end();
    this.#options.failed(failure);
  }
}
