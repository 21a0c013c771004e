/**
 * Signers: the Signer port over FALCON-1024. A validator signs in a worker thread, because in a signature's
 * 0.8 ms, or in noble's 6 to 9, an event loop would do nothing else. A client signs in line.
 */
import {
  type FalconKeyPair,
  type FalconVerifier,
  falconPublicKey,
  nobleVerifier,
} from "../../crypto/falcon.ts";
import { TetradError } from "../../errors.ts";
import { createCheckedSigner, type SigningImplementation } from "./checked-signer.ts";
import type { SignerRequest, SignerResponse } from "./signer-protocol.ts";
import { threadCpuMs } from "./thread-cpu.ts";
import type { NodeSigner } from "./types.ts";
import { startWorker } from "./worker.ts";

type Done = (signature: Uint8Array) => void;

export type InlineSignerOptions = {
  /** What checks every signature; noble, in a millisecond, if not given. */
  readonly verifier?: FalconVerifier;
  /** Called, at most once, when noble takes over the signing. */
  readonly onFault?: (detail: string) => void;
};

/**
 * Signs on the calling thread, one message per turn of the microtask queue, in order. Keeps a copy of the
 * key. Throws TetradError `key.invalid` when the bytes are no secret key.
 */
export const createInlineSigner = (
  secretKey: Uint8Array,
  { verifier = nobleVerifier, onFault = () => {} }: InlineSignerOptions = {},
): NodeSigner => {
  const publicKey = keyOrThrow(() => falconPublicKey(secretKey));
  const signer = keyOrThrow(() => createCheckedSigner({ secretKey, publicKey, verifier, onFault }));
  let spentMs = 0;
  let closed = false;
  return {
    publicKey,
    implementation: signer.implementation,
    sign(message, done) {
      const copy = Uint8Array.from(message);
      queueMicrotask(() => {
        if (closed) return;
        const startMs = threadCpuMs();
        const signature = signer.sign(copy);
        spentMs += threadCpuMs() - startMs;
        done(signature);
      });
    },
    cpuMs: () => spentMs,
    async close() {
      closed = true;
      signer.wipe();
    },
  };
};

const keyOrThrow = <T>(make: () => T): T => {
  try {
    return make();
  } catch {
    throw new TetradError("key.invalid", "the bytes are no FALCON-1024 secret key");
  }
};

export type WorkerSignerOptions = {
  /** The caller may overwrite its own copy of the secret key once the promise is settled. */
  readonly keys: FalconKeyPair;
  /**
   * Called once when the thread has died or cannot sign. Signatures that were asked for are then never
   * given: a node that cannot sign must stop, so this is not an event to go on from.
   */
  readonly onFailure: (error: TetradError) => void;
  /** Called when the faster way to sign or to verify has made a mistake and noble has taken over. */
  readonly onFault?: (detail: string) => void;
  /** How the thread is started; given by tests that end it. */
  readonly start?: typeof startWorker;
};

/**
 * Signs in a worker thread of its own; answers in the order of the requests. Resolves when the thread has
 * made and checked a first signature; rejects with `key.invalid` when the keys do not fit each other.
 */
export const createWorkerSigner = (options: WorkerSignerOptions): Promise<NodeSigner> =>
  new Promise((resolve, reject) => {
    const { publicKey, secretKey } = options.keys;
    const waiting: Done[] = [];
    let state: "starting" | "ready" | "closed" | "failed" = "starting";
    let spentMs = 0;
    let implementation: SigningImplementation = "expanded";
    let stopped = (): void => {};

    const fail = (detail: string): void => {
      if (state === "failed" || state === "closed") return;
      const starting = state === "starting";
      state = "failed";
      waiting.length = 0;
      void thread.stop();
      if (starting) reject(new TetradError("key.invalid", `the signer did not start: ${detail}`));
      else options.onFailure(new TetradError("internal", `the signer has died: ${detail}`));
    };

    const thread = (options.start ?? startWorker)(
      "signer-worker",
      "tetrad-signer",
      (message) => {
        const response = message as SignerResponse;
        if (response.type === "failed") return fail(response.detail);
        if (response.type === "stopped") return stopped();
        if (response.type === "fault") return options.onFault?.(response.detail);
        spentMs = response.cpuMs;
        implementation = response.implementation;
        if (response.type === "ready") {
          state = "ready";
          // An idle signer alone is no reason for the process to go on.
          thread.worker.unref();
          return resolve(signer);
        }
        const done = waiting.shift();
        if (waiting.length === 0) thread.worker.unref();
        if (state === "ready") done?.(response.signature);
      },
      (reason) => {
        stopped();
        if (reason !== undefined) fail(reason);
      },
    );
    const post = (request: SignerRequest, transfer: readonly ArrayBuffer[] = []): void => {
      thread.worker.postMessage(request, transfer);
    };

    const signer: NodeSigner = {
      publicKey: Uint8Array.from(publicKey),
      implementation: () => implementation,
      sign(message, done) {
        if (state !== "ready") return;
        const copy = Uint8Array.from(message);
        waiting.push(done);
        if (waiting.length === 1) thread.worker.ref();
        post({ type: "sign", message: copy }, [copy.buffer]);
      },
      cpuMs: () => spentMs,
      async close() {
        if (state !== "ready") return;
        state = "closed";
        thread.worker.ref();
        // The thread overwrites the key after the signature it is at, then it may go.
        await new Promise<void>((stop) => {
          stopped = stop;
          post({ type: "stop" });
        });
        await thread.stop();
      },
    };
    const copy = Uint8Array.from(secretKey);
    post({ type: "start", publicKey: Uint8Array.from(publicKey), secretKey: copy }, [copy.buffer]);
  });
