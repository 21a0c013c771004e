/** What the signing drivers offer beyond the ports: names, accounts of CPU time, and an end. */
import type { Signer, Verifier } from "../../ledger/ports.ts";
import type { SigningImplementation } from "./checked-signer.ts";

export type NodeSigner = Signer & {
  /** Who makes the signatures: noble only after a fault of the faster one. */
  implementation(): SigningImplementation;
  /** CPU time spent on signing since the start, milliseconds. */
  cpuMs(): number;
  /** Ends the signer; what is not signed yet is dropped, and the secret key is overwritten. */
  close(): Promise<void>;
};

/**
 * A Verifier whose queue is bounded: `verify` throws TetradError `node.overloaded` when more than
 * LIMITS.verifyJobsPendingMax jobs of the priority would wait. It answers in no other way, because a
 * valid signature that is called invalid would make this node punish honest peers. Whoever feeds it from
 * the network sheds load by `pending` long before.
 */
export type NodeVerifier = Verifier & {
  /** Which implementation checks the signatures. */
  readonly implementation: "noble" | "liboqs-wasm";
  /** Jobs that wait or are being checked, of all priorities. */
  pending(): number;
  /** CPU time spent on verifying since the start, milliseconds. */
  cpuMs(): number;
  /** Ends the verifier; calls that are not answered yet never are. */
  close(): Promise<void>;
};
