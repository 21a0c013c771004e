/** Which implementation of FALCON verification to trust on this machine: chosen at the start. */
import { type FalconVerifier, nobleVerifier } from "../../crypto/falcon.ts";
import { falconSelfTest } from "../../crypto/falcon-self-test.ts";
import { loadFalconWasm } from "../../crypto/falcon-wasm.ts";
import { TetradError } from "../../errors.ts";

export type Selection = {
  readonly verifier: FalconVerifier;
  /** Why this one and not the other, for the log. */
  readonly reason: string;
};

export type SelectOptions = {
  /** False to use JavaScript although WebAssembly might work. */
  readonly wasm?: boolean;
  /** Called when the WebAssembly instance has trapped and JavaScript has taken over. */
  readonly onFault?: (detail: string) => void;
  /** How the WebAssembly implementation is loaded; given by tests that make it fail. */
  readonly load?: (onFault: (detail: string) => void) => Promise<FalconVerifier>;
};

/**
 * WebAssembly when it loads and answers the self-test right, else JavaScript. Throws TetradError
 * `internal` when even that one fails: then nothing on this machine can be believed.
 */
export const selectVerifier = async (options: SelectOptions = {}): Promise<Selection> => {
  if (options.wasm === false) return useNoble("WebAssembly is switched off");
  const load = options.load ?? loadFalconWasm;
  try {
    const verifier = await load(options.onFault ?? (() => {}));
    const wrong = falconSelfTest(verifier);
    if (wrong === undefined) return { verifier, reason: "it loads and passes the self-test" };
    return useNoble(`WebAssembly gets the self-test wrong: ${wrong}`);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return useNoble(`WebAssembly does not load: ${detail}`);
  }
};

const useNoble = (reason: string): Selection => {
  const wrong = falconSelfTest(nobleVerifier);
  if (wrong !== undefined) {
    throw new TetradError("internal", `FALCON verification gets the self-test wrong: ${wrong}`);
  }
  return { verifier: nobleVerifier, reason };
};
