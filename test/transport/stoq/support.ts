/** Two ends of a handshake in one process, with real keys, and a wire that a test can hold in its hands. */
import { randomBytes } from "node:crypto";
import { toHex } from "../../../src/crypto/bytes.ts";
import { utf8 } from "../../../src/crypto/codec.ts";
import { type FalconKeyPair, falconSign, falconVerify } from "../../../src/crypto/falcon.ts";
import { createHasher, sha256 } from "../../../src/crypto/hash.ts";
import type { Failure } from "../../../src/errors.ts";
import type { PeerId } from "../../../src/ledger/ports.ts";
import {
  Handshake,
  type HandshakeEffect,
  type HandshakeOptions,
} from "../../../src/transport/stoq/handshake.ts";
import type { SessionSecrets } from "../../../src/transport/stoq/keys.ts";
import type { Channel, Party, Role } from "../../../src/transport/stoq/transcript.ts";
import { keptKeys } from "../../crypto/kept-keys.ts";

export const CHAIN_ID = "stoq-test";
const hasher = createHasher(CHAIN_ID);

/** The node id of a FALCON key, as on every chain. */
export const idOfKey = (falconKey: Uint8Array): PeerId => toHex(hasher.ht("id", falconKey));

const made = new Map<number, FalconKeyPair>();

/** Key pair number n, the same in every run. */
export const falconKeys = (n: number): FalconKeyPair => {
  const known = made.get(n) ?? keptKeys(n + 1);
  made.set(n, known);
  return known;
};

export const partyOf = (n: number): Party => ({
  id: idOfKey(falconKeys(n).publicKey),
  certificateHash: sha256(utf8(`certificate of ${n}`)),
  hello: Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, n, 0, 0, 0, 3),
});

export const channelOf = (over: Partial<Channel> = {}): Channel => ({
  chainId: CHAIN_ID,
  genesisHash: sha256(utf8("genesis")),
  initiator: partyOf(0),
  responder: partyOf(1),
  tlsExporter: new Uint8Array(0),
  ...over,
});

/** One end: what it wants to send, and what became of it. */
export class End {
  readonly handshake: Handshake;
  readonly out: Uint8Array[] = [];
  readonly keys: FalconKeyPair;
  secrets: SessionSecrets | undefined;
  failure: Failure | undefined;
  /** Costly steps that the peer has caused. */
  signatures = 0;
  verifications = 0;

  constructor(
    role: Role,
    over: Partial<HandshakeOptions> & { readonly keys?: FalconKeyPair } = {},
  ) {
    this.keys = over.keys ?? falconKeys(role === "initiator" ? 0 : 1);
    this.handshake = new Handshake({
      role,
      channel: channelOf(),
      falconKey: this.keys.publicKey,
      idOf: idOfKey,
      entropy: (bytes) => Uint8Array.from(randomBytes(bytes)),
      admit: () => true,
      ...over,
    });
  }

  start(): this {
    this.#run(this.handshake.start());
    return this;
  }

  receive(bytes: Uint8Array | undefined): this {
    if (bytes === undefined) throw new RangeError("nothing was sent");
    this.#run(this.handshake.receive(bytes));
    return this;
  }

  /** What was sent last. */
  get last(): Uint8Array {
    const bytes = this.out.at(-1);
    if (bytes === undefined) throw new RangeError("nothing was sent");
    return bytes;
  }

  #run(effects: readonly HandshakeEffect[]): void {
    for (const effect of effects) {
      if (effect.type === "send") this.out.push(effect.bytes);
      else if (effect.type === "done") this.secrets = effect.secrets;
      else if (effect.type === "failed") this.failure = effect.failure;
      else if (effect.type === "sign") {
        this.signatures += 1;
        const signature = falconSign(effect.message, this.keys.secretKey, randomBytes(48));
        this.#run(this.handshake.signed(signature));
      } else {
        this.verifications += 1;
        const { signature, message, publicKey } = effect.job;
        this.#run(this.handshake.verified(falconVerify(signature, message, publicKey)));
      }
    }
  }
}

/** Both ends after all three messages. */
export const meet = (
  initiator = new End("initiator"),
  responder = new End("responder"),
): readonly [End, End] => {
  responder.start();
  initiator.start();
  responder.receive(initiator.last);
  if (responder.failure !== undefined) return [initiator, responder];
  initiator.receive(responder.last);
  if (initiator.failure !== undefined) return [initiator, responder];
  responder.receive(initiator.last);
  return [initiator, responder];
};
