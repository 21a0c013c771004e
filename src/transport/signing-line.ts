/**
 * The signatures of a node's handshakes. The key is that of its votes, and whoever holds it signs in the order in
 * which it is asked, so it is given one of these at a time: a vote never stands behind more than one. Each session
 * has at most one in the line, and takes it back when it ends.
 */
import type { Signer } from "../ledger/ports.ts";

type Job = { readonly message: Uint8Array; readonly done: (signature: Uint8Array) => void };

export class SigningLine {
  readonly #signer: Signer;
  /** In the order in which they came. */
  readonly #waiting = new Set<Job>();
  #isSigning = false;

  constructor(signer: Signer) {
    this.#signer = signer;
  }

  /** The message must not change any more. The answer takes it back, after which nobody is called. */
  sign(message: Uint8Array, done: (signature: Uint8Array) => void): () => void {
    let isWanted = true;
    const job: Job = {
      message,
      done: (signature) => {
        if (isWanted) done(signature);
      },
    };
    this.#waiting.add(job);
    this.#next();
    return () => {
      isWanted = false;
      this.#waiting.delete(job);
    };
  }

  #next(): void {
    if (this.#isSigning) return;
    const [job] = this.#waiting;
    if (job === undefined) return;
    this.#waiting.delete(job);
    this.#isSigning = true;
    this.#signer.sign(job.message, (signature) => {
      this.#isSigning = false;
      job.done(signature);
      this.#next();
    });
  }
}
