/** The thread that makes a sector: says how far it is, and at the end what it made or what went wrong. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type ErrorCode, type ErrorData, TetradError } from "../../errors.ts";
import { decodeSectorHeader, encodeSectorHeader } from "../../proofs/space/sector-header.ts";
import { fileError } from "../folder.ts";
import { type MakeProgress, makeSector } from "./make-sector.ts";

export type SealRequest = {
  readonly file: string;
  readonly job: Uint8Array;
  /** Percent of the time in which the thread computes. */
  readonly duty: number;
};

export type SealResponse =
  | { readonly type: "progress"; readonly progress: MakeProgress }
  | { readonly type: "made"; readonly header: Uint8Array }
  | {
      readonly type: "failed";
      readonly code: ErrorCode;
      readonly detail: string;
      readonly data: ErrorData;
    };

const failed = (file: string, error: unknown): SealResponse => {
  const isDisk = error instanceof Error && "syscall" in error;
  const known = isDisk ? fileError(file, error) : error;
  if (known instanceof TetradError) {
    return { type: "failed", code: known.code, detail: known.message, data: known.data };
  }
  const detail = known instanceof Error ? (known.stack ?? known.message) : String(known);
  return { type: "failed", code: "internal", detail, data: {} };
};

/** Rests so long that what was spent since the last rest is the duty's share. */
const createRest = (duty: number): (() => void) => {
  if (duty >= 100) return () => undefined;
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  let fromMs = performance.now();
  return () => {
    Atomics.wait(nobody, 0, 0, (performance.now() - fromMs) * (100 / duty - 1));
    fromMs = performance.now();
  };
};

const serve = (port: MessagePort, { file, job, duty }: SealRequest): void => {
  const answer = (response: SealResponse): void => port.postMessage(response);
  try {
    const header = decodeSectorHeader(job);
    if (!header.ok) throw TetradError.from(header);
    const rest = createRest(duty);
    const made = makeSector(file, header.value, (progress) => {
      answer({ type: "progress", progress });
      rest();
    });
    answer({ type: "made", header: encodeSectorHeader(made) });
  } catch (error) {
    answer(failed(file, error));
  }
};

if (parentPort !== null) serve(parentPort, workerData as SealRequest);
