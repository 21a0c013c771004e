/**
 * The post-quantum handshake of a session as a state machine: messages, signatures and verdicts in, effects out.
 * It knows no clock, socket or thread, and draws no randomness but what it is given, so that a run can be
 * repeated byte for byte. What it proves, and against whom, is argued in docs/protocol.md.
 *
 * Order of work: lengths, types and identities cost nothing and come first; then the budget is asked; only then
 * is there ML-KEM or FALCON work. One failure ends it: there is no second message of a kind and no retry.
 */
import { ml_kem1024 } from "@noble/post-quantum/ml-kem.js";
import { equalBytes } from "../../crypto/bytes.ts";
import { type Failure, fail } from "../../errors.ts";
import type { PeerId, VerifyJob } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import { confirmationOf, confirms, deriveSecrets, type SessionSecrets } from "./keys.ts";
import {
  decodeAnswer,
  decodeConfirm,
  decodeOpen,
  encodeAnswer,
  encodeAnswerBody,
  encodeConfirm,
  encodeOpen,
  hasLengthOf,
  MESSAGES,
  type MessageName,
  NONCE_BYTES,
  type Offer,
  type Proof,
  STOQ_VERSION,
} from "./messages.ts";
import { type Channel, extend, openTranscript, type Role, signedMessage } from "./transcript.ts";

const KEM_SEED_BYTES = 64;
const KEM_MESSAGE_BYTES = 32;

export type HandshakeOptions = {
  readonly role: Role;
  readonly channel: Channel;
  /** Our FALCON-1024 public key. */
  readonly falconKey: Uint8Array;
  /** The node id that follows from a FALCON key. */
  readonly idOf: (falconKey: Uint8Array) => PeerId;
  /** So many random bytes, which nobody else keeps. */
  readonly entropy: (bytes: number) => Uint8Array;
  /** Asked once, before the first costly step that a peer causes: false refuses the handshake. */
  readonly admit: () => boolean;
};

export type HandshakeEffect =
  | { readonly type: "send"; readonly bytes: Uint8Array }
  /** Answered by `signed`. */
  | { readonly type: "sign"; readonly message: Uint8Array }
  /** Answered by `verified`. */
  | { readonly type: "verify"; readonly job: VerifyJob }
  | { readonly type: "done"; readonly secrets: SessionSecrets }
  | { readonly type: "failed"; readonly failure: Failure };

type State = "new" | "waiting" | "signing" | "verifying" | "done" | "failed";

export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #peerId: PeerId;
  #state: State = "new";
  #nonce: Uint8Array = new Uint8Array(0);
  #kemSecret: Uint8Array = new Uint8Array(0);
  #open: Uint8Array = new Uint8Array(0);
  #answerBody: Uint8Array = new Uint8Array(0);
  #transcript: Uint8Array = new Uint8Array(0);
  #peerKey: Uint8Array = new Uint8Array(0);
  #secrets: SessionSecrets | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    const { role, channel } = options;
    this.#peerId = role === "initiator" ? channel.responder.id : channel.initiator.id;
  }

  get state(): State {
    return this.#state;
  }

  /** The initiator says the first word; the responder waits for it. */
  start(): readonly HandshakeEffect[] {
    if (this.#state !== "new") throw new RangeError("a handshake starts once");
    this.#state = "waiting";
    if (this.#options.role === "responder") return [];
    const { entropy, falconKey } = this.#options;
    this.#nonce = entropy(NONCE_BYTES);
    const seed = entropy(KEM_SEED_BYTES);
    const { publicKey, secretKey } = ml_kem1024.keygen(seed);
    seed.fill(0);
    this.#kemSecret = secretKey;
    this.#open = encodeOpen({
      version: STOQ_VERSION,
      nonce: this.#nonce,
      kem: publicKey,
      falconKey,
    });
    return [{ type: "send", bytes: this.#open }];
  }

  /**
   * A message of the peer. Codes of a failure: session.malformed, session.version, session.reflected,
   * session.identity, session.rate, session.kem-key, session.confirmation.
   */
  receive(bytes: Uint8Array): readonly HandshakeEffect[] {
    if (this.#state !== "waiting") return this.#fail("session.malformed", "a message out of turn");
    if (this.#options.role === "initiator") return this.#receiveAnswer(bytes);
    return this.#open.length === 0 ? this.#receiveOpen(bytes) : this.#receiveConfirm(bytes);
  }

  /** Our signature over the message of the last `sign`. */
  signed(signature: Uint8Array): readonly HandshakeEffect[] {
    const secrets = this.#secrets;
    if (this.#state !== "signing" || secrets === undefined) return [];
    if (signature.length !== LIMITS.falconSignatureBytes) {
      throw new RangeError("a FALCON signature of another length");
    }
    const { role } = this.#options;
    this.#transcript = extend(this.#transcript, signature);
    const confirmation = confirmationOf(secrets.confirmation[role], this.#transcript);
    this.#transcript = extend(this.#transcript, confirmation);
    const proof: Proof = { signature, confirmation };
    if (role === "initiator") {
      return [{ type: "send", bytes: encodeConfirm(proof) }, this.#finish(secrets)];
    }
    this.#state = "waiting";
    return [{ type: "send", bytes: encodeAnswer(this.#answerBody, proof) }];
  }

  /** The verdict on the job of the last `verify`. Code of a failure: session.signature. */
  verified(valid: boolean): readonly HandshakeEffect[] {
    const secrets = this.#secrets;
    if (this.#state !== "verifying" || secrets === undefined) return [];
    if (!valid) return this.#fail("session.signature", "the signature is not over this session");
    if (this.#options.role === "responder") return [this.#finish(secrets)];
    this.#state = "signing";
    return [{ type: "sign", message: this.#messageOf(this.#options.role) }];
  }

  /** Overwrites what is secret; to be called when the session ends, at whatever point. */
  wipe(): void {
    this.#kemSecret.fill(0);
    if (this.#secrets !== undefined) wipeSecrets(this.#secrets);
    this.#secrets = undefined;
    if (this.#state !== "done") this.#state = "failed";
  }

  #receiveOpen(bytes: Uint8Array): readonly HandshakeEffect[] {
    const refused = this.#checkForm("open", bytes);
    if (refused !== undefined) return this.#failWith(refused);
    const offer = decodeOpen(bytes);
    const wrong = this.#checkOffer(offer);
    if (wrong !== undefined) return this.#failWith(wrong);
    const { entropy, falconKey, admit, channel } = this.#options;
    if (!admit()) return this.#fail("session.rate", "too many handshakes for now");
    const seed = entropy(KEM_MESSAGE_BYTES);
    let encapsulated: { readonly cipherText: Uint8Array; readonly sharedSecret: Uint8Array };
    try {
      encapsulated = ml_kem1024.encapsulate(offer.kem, seed);
    } catch {
      return this.#fail("session.kem-key", "no ML-KEM-1024 key (FIPS 203, 7.2)");
    } finally {
      seed.fill(0);
    }
    this.#open = Uint8Array.from(bytes);
    this.#peerKey = offer.falconKey;
    this.#nonce = entropy(NONCE_BYTES);
    this.#answerBody = encodeAnswerBody({
      version: STOQ_VERSION,
      nonce: this.#nonce,
      kem: encapsulated.cipherText,
      falconKey,
    });
    this.#agree(channel, encapsulated.sharedSecret);
    this.#state = "signing";
    return [{ type: "sign", message: this.#messageOf("responder") }];
  }

  #receiveAnswer(bytes: Uint8Array): readonly HandshakeEffect[] {
    const refused = this.#checkForm("answer", bytes);
    if (refused !== undefined) return this.#failWith(refused);
    const { body, offer, proof } = decodeAnswer(bytes);
    const wrong = this.#checkOffer(offer);
    if (wrong !== undefined) return this.#failWith(wrong);
    this.#peerKey = offer.falconKey;
    this.#answerBody = body;
    const sharedSecret = ml_kem1024.decapsulate(offer.kem, this.#kemSecret);
    this.#kemSecret.fill(0);
    this.#agree(this.#options.channel, sharedSecret);
    return this.#checkProof("responder", proof);
  }

  #receiveConfirm(bytes: Uint8Array): readonly HandshakeEffect[] {
    const refused = this.#checkForm("confirm", bytes);
    if (refused !== undefined) return this.#failWith(refused);
    return this.#checkProof("initiator", decodeConfirm(bytes));
  }

  /** The confirmation first: it costs microseconds, and without the session's key nobody comes past it. */
  #checkProof(peer: Role, { signature, confirmation }: Proof): readonly HandshakeEffect[] {
    const secrets = this.#secrets;
    if (secrets === undefined) throw new RangeError("no secrets yet");
    const message = this.#messageOf(peer);
    const transcript = extend(this.#transcript, signature);
    if (!confirms(secrets.confirmation[peer], transcript, confirmation)) {
      return this.#fail("session.confirmation", "the peer has not the key of this session");
    }
    this.#transcript = extend(transcript, confirmation);
    this.#state = "verifying";
    return [{ type: "verify", job: { message, signature, publicKey: this.#peerKey } }];
  }

  #agree(channel: Channel, sharedSecret: Uint8Array): void {
    this.#transcript = openTranscript(channel, this.#open, this.#answerBody);
    this.#secrets = deriveSecrets(sharedSecret, this.#transcript);
    sharedSecret.fill(0);
  }

  #messageOf(role: Role): Uint8Array {
    return signedMessage(role, this.#options.channel, this.#transcript);
  }

  #checkForm(expected: MessageName, bytes: Uint8Array): Failure | undefined {
    const own: readonly MessageName[] =
      this.#options.role === "initiator" ? ["open", "confirm"] : ["answer"];
    const type = bytes[0];
    if (own.some((name) => MESSAGES[name].type === type)) {
      return fail("session.reflected", "a message that only our own side sends");
    }
    if (type !== MESSAGES[expected].type || !hasLengthOf(expected, bytes)) {
      return fail("session.malformed", `no ${expected} of ${MESSAGES[expected].bytes} bytes`);
    }
    return undefined;
  }

  #checkOffer({ version, nonce, falconKey }: Offer): Failure | undefined {
    if (version !== STOQ_VERSION) {
      return fail("session.version", `version ${version} of the handshake, not ${STOQ_VERSION}`);
    }
    if (equalBytes(falconKey, this.#options.falconKey) || equalBytes(nonce, this.#nonce)) {
      return fail("session.reflected", "the peer shows our own key or number");
    }
    if (this.#options.idOf(falconKey) !== this.#peerId) {
      return fail("session.identity", "the FALCON key is not that of the certificate's node");
    }
    return undefined;
  }

  #finish(secrets: SessionSecrets): HandshakeEffect {
    this.#state = "done";
    secrets.confirmation.initiator.fill(0);
    secrets.confirmation.responder.fill(0);
    this.#secrets = undefined;
    return { type: "done", secrets };
  }

  #fail(code: Failure["code"], detail: string): readonly HandshakeEffect[] {
    return this.#failWith(fail(code, detail));
  }

  #failWith(failure: Failure): readonly HandshakeEffect[] {
    this.wipe();
    this.#state = "failed";
    return [{ type: "failed", failure }];
  }
}

const wipeSecrets = ({ confirmation, traffic }: SessionSecrets): void => {
  for (const key of [confirmation, traffic]) {
    key.initiator.fill(0);
    key.responder.fill(0);
  }
};
