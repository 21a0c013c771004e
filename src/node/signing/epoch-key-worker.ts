/**
 * The thread that holds a node's keys of epochs, makes new ones and signs with them. Secret halves are never
 * part of an answer but sealed, and never of an error or a log line. A key is expanded when it signs first.
 */
import { randomBytes } from "node:crypto";
import { type MessagePort, parentPort } from "node:worker_threads";
import { toHex } from "../../crypto/bytes.ts";
import {
  FALCON_SEED_BYTES,
  type FalconKeyPair,
  type FalconVerifier,
  falconKeygen,
} from "../../crypto/falcon.ts";
import { loadFalconWasm } from "../../crypto/falcon-wasm.ts";
import { isKeyPair, openEpochKey, sealEpochKey } from "../epoch-keys/key-file.ts";
import { NONCE_BYTES } from "../keys/sealing.ts";
import { type CheckedSigner, createCheckedSigner } from "./checked-signer.ts";
import type { EpochKeyRequest, EpochKeyResponse } from "./epoch-key-protocol.ts";
import { selectVerifier } from "./select-verifier.ts";

type Held = FalconKeyPair & { signer: CheckedSigner | undefined };
type Numbered = Extract<EpochKeyRequest, { readonly id: number }>;

/** An instance of WebAssembly of its own: its memory may keep traces of the key. */
const generate = async (): Promise<FalconKeyPair> => {
  try {
    const keys = (await loadFalconWasm()).keygen();
    if (isKeyPair(keys)) return keys;
  } catch {
    // JavaScript makes them too, in a second.
  }
  const keys = falconKeygen(randomBytes(FALCON_SEED_BYTES));
  if (!isKeyPair(keys)) throw new Error("the public key does not belong to the secret key");
  return keys;
};

const wipe = (held: Held | undefined): void => {
  held?.secretKey.fill(0);
  held?.signer?.wipe();
};

class Keys {
  readonly #held = new Map<string, Held>();
  readonly #sealingKey: Uint8Array;
  #verifier: Promise<FalconVerifier> | undefined;

  constructor(sealingKey: Uint8Array) {
    this.#sealingKey = sealingKey;
  }

  #hold(keys: FalconKeyPair): void {
    const name = toHex(keys.publicKey);
    wipe(this.#held.get(name));
    this.#held.set(name, { ...keys, signer: undefined });
  }

  forget(publicKey: Uint8Array): void {
    const name = toHex(publicKey);
    wipe(this.#held.get(name));
    this.#held.delete(name);
  }

  clear(): void {
    for (const held of this.#held.values()) wipe(held);
    this.#held.clear();
    this.#sealingKey.fill(0);
  }

  async answer(request: Numbered): Promise<EpochKeyResponse> {
    const { id } = request;
    if (request.type === "open") {
      const opened = openEpochKey(request.file, this.#sealingKey);
      if (!opened.ok) return { type: "refused", id, detail: opened.detail };
      if (!isKeyPair(opened.value)) return { type: "refused", id, detail: "the halves do not fit" };
      this.#hold(opened.value);
      const { epoch, publicKey } = opened.value;
      return { type: "opened", id, epoch, publicKey };
    }
    if (request.type === "make") {
      const keys = await generate();
      const nonce = randomBytes(NONCE_BYTES);
      const file = sealEpochKey(request.epoch, keys, nonce, this.#sealingKey);
      this.#hold(keys);
      return { type: "made", id, publicKey: keys.publicKey, file };
    }
    return this.#sign(request);
  }

  async #sign({
    id,
    publicKey,
    message,
  }: Extract<Numbered, { type: "sign" }>): Promise<EpochKeyResponse> {
    this.#verifier ??= selectVerifier().then(({ verifier }) => verifier);
    const verifier = await this.#verifier;
    const held = this.#held.get(toHex(publicKey));
    if (held === undefined) return { type: "refused", id, detail: "the key is not held" };
    // A mistake of the faster way costs speed and no more: noble takes over by itself.
    held.signer ??= createCheckedSigner({ ...held, verifier, onFault: () => {} });
    return { type: "signed", id, signature: held.signer.sign(message) };
  }
}

const serve = (port: MessagePort): void => {
  let keys: Keys | undefined;
  /** One request after the other, so that answers come in their order. */
  let last: Promise<void> = Promise.resolve();
  const perform = async (request: EpochKeyRequest): Promise<void> => {
    if (request.type === "start") {
      keys = new Keys(request.sealingKey);
    } else if (request.type === "wipe") {
      keys?.forget(request.publicKey);
    } else if (request.type === "stop") {
      keys?.clear();
      port.postMessage({ type: "stopped" } satisfies EpochKeyResponse);
    } else if (keys !== undefined) {
      const { id } = request;
      const answer = await keys.answer(request).catch((error: unknown): EpochKeyResponse => {
        const detail = error instanceof Error ? error.message : "unknown";
        return { type: "refused", id, detail };
      });
      port.postMessage(answer);
    }
  };
  port.on("message", (request: EpochKeyRequest) => {
    last = last.then(() => perform(request));
  });
};

if (parentPort !== null) serve(parentPort);
