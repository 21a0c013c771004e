/** One thread of a verifier pool: says which implementation it has chosen, then checks chunk by chunk. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { selectVerifier } from "./select-verifier.ts";
import { threadCpuMs } from "./thread-cpu.ts";
import { unpackJobs, type VerifyRequest, type VerifyResponse } from "./verify-protocol.ts";

const serve = async (port: MessagePort, wasm: boolean): Promise<void> => {
  const answer = (response: VerifyResponse, transfer: readonly ArrayBuffer[] = []): void => {
    port.postMessage(response, transfer);
  };
  const onFault = (detail: string): void => answer({ type: "fault", detail });
  const { verifier, reason } = await selectVerifier({ wasm, onFault });
  port.on("message", (request: VerifyRequest) => {
    const jobs = unpackJobs(request);
    const valid = Uint8Array.from(jobs, ({ signature, message, publicKey }) =>
      verifier.verify(signature, message, publicKey) ? 1 : 0,
    );
    answer({ type: "checked", valid, cpuMs: threadCpuMs() }, [valid.buffer]);
  });
  answer({ type: "ready", implementation: verifier.name, reason });
};

if (parentPort !== null) await serve(parentPort, workerData !== "noble");
