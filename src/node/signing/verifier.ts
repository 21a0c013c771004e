/** The verifier of a node: in line or in threads, by what the machine can do. */
import type { TetradError } from "../../errors.ts";
import type { Logger } from "../../ledger/ports.ts";
import { createInlineVerifier } from "./inline-verifier.ts";
import { type SelectOptions, selectVerifier } from "./select-verifier.ts";
import type { NodeVerifier } from "./types.ts";
import { createVerifierPool } from "./verifier-pool.ts";

export type VerifierOptions = {
  readonly logger: Logger;
  /**
   * Threads that verify; 0 to verify on the calling thread. If not given: on the calling thread when
   * WebAssembly works, else in one thread, because a millisecond a signature is too long for the loop.
   */
  readonly workers?: number;
  /** Called for each thread that dies; verification goes on without it. */
  readonly onFailure?: (error: TetradError) => void;
  /** False to use JavaScript although WebAssembly might work. */
  readonly wasm?: boolean;
  /** How the WebAssembly implementation is loaded; given by tests that make it fail. */
  readonly load?: SelectOptions["load"];
};

/**
 * Measured with four processes on two cores: a thread costs 75 to 85 microseconds of CPU a signature more
 * than the calling thread does (230 to 340 against 155 to 255 when they come by ones), because of the
 * wake-ups, and 45 MB of memory. It pays where cores are idle and batches are small and many.
 */
export const createVerifier = async (options: VerifierOptions): Promise<NodeVerifier> => {
  const { logger, workers } = options;
  if (workers !== undefined && workers > 0) return createVerifierPool(options);
  const { verifier, reason } = await selectVerifier({
    ...(options.wasm === undefined ? {} : { wasm: options.wasm }),
    ...(options.load === undefined ? {} : { load: options.load }),
    onFault: (detail) =>
      logger.log("warn", "signature verification fell back to JavaScript", { detail }),
  });
  if (workers === undefined && verifier.name === "noble") {
    logger.log("warn", "signatures are verified in JavaScript, in a thread", { reason });
    return createVerifierPool({ ...options, wasm: false });
  }
  logger.log("info", "signatures are verified on the main thread", {
    implementation: verifier.name,
    reason,
  });
  return createInlineVerifier(verifier);
};
