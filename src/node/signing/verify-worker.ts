/** One thread of a verifier pool: says which implementation it has chosen, then checks chunk by chunk. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { selectVerifier } from "./select-verifier.ts";
import { threadCpuMs } from "./thread-cpu.ts";
import { unpackJobs, type VerifyRequest, type VerifyResponse } from "./verify-protocol.ts";
import { checkWorkJob } from "./work-job.ts";

const serve = async (port: MessagePort, wasm: boolean): Promise<void> => {
  const answer = (response: VerifyResponse, transfer: readonly ArrayBuffer[] = []): void => {
    port.postMessage(response, transfer);
  };
  const onFault = (detail: string): void => answer({ type: "fault", detail });
  const { verifier, reason } = await selectVerifier({ wasm, onFault });
  port.on("message", (request: VerifyRequest) => {
    const jobs = unpackJobs(request);
    const signed = jobs.map(({ signature, message, publicKey }) =>
      verifier.verify(signature, message, publicKey),
    );
    const worked = request.works.map(checkWorkJob);
    const valid = Uint8Array.from([...signed, ...worked], (value) => (value ? 1 : 0));
    answer({ type: "checked", valid, cpuMs: threadCpuMs() }, [valid.buffer]);
  });
  answer({ type: "ready", implementation: verifier.name, reason });
};

if (parentPort !== null) await serve(parentPort, workerData !== "noble");
