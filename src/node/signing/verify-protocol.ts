/**
 * Messages between a verifier pool and its threads. The jobs of a chunk travel as one buffer, which is
 * transferred: one object to clone instead of three for each signature.
 *
 * Chunk: per job u32 message length, message, signature (1280), public key (1793). Checks of work, which are
 * small, are cloned beside it.
 */
import type { VerifyJob } from "../../ledger/ports.ts";
import { LIMITS } from "../../limits.ts";
import type { WorkJob } from "./work-job.ts";

export type VerifyRequest = {
  readonly count: number;
  readonly chunk: Uint8Array;
  /** Answered behind the signatures. */
  readonly works: readonly WorkJob[];
};

export type VerifyResponse =
  | {
      readonly type: "ready";
      readonly implementation: "noble" | "liboqs-wasm";
      readonly reason: string;
    }
  | { readonly type: "fault"; readonly detail: string }
  | { readonly type: "checked"; readonly valid: Uint8Array; readonly cpuMs: number };

const SIGNATURE_BYTES = LIMITS.falconSignatureBytes;
const PUBLIC_KEY_BYTES = LIMITS.falconPublicKeyBytes;
const FIXED_BYTES = 4 + SIGNATURE_BYTES + PUBLIC_KEY_BYTES;

/** Packs jobs whose lengths have been checked. */
export const packJobs = (
  jobs: readonly VerifyJob[],
  works: readonly WorkJob[] = [],
): VerifyRequest & { chunk: Uint8Array<ArrayBuffer> } => {
  const length = jobs.reduce((sum, job) => sum + FIXED_BYTES + job.message.length, 0);
  const chunk = new Uint8Array(length);
  const view = new DataView(chunk.buffer);
  let at = 0;
  for (const { message, signature, publicKey } of jobs) {
    view.setUint32(at, message.length);
    chunk.set(message, at + 4);
    chunk.set(signature, at + 4 + message.length);
    chunk.set(publicKey, at + 4 + message.length + SIGNATURE_BYTES);
    at += FIXED_BYTES + message.length;
  }
  return { count: jobs.length, chunk, works };
};

/** The jobs of a chunk, as views of it. */
export const unpackJobs = ({
  count,
  chunk,
}: Pick<VerifyRequest, "count" | "chunk">): VerifyJob[] => {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const jobs: VerifyJob[] = [];
  let at = 0;
  const next = (length: number): Uint8Array => {
    const part = chunk.subarray(at, at + length);
    at += length;
    return part;
  };
  for (let i = 0; i < count; i++) {
    const messageLength = view.getUint32(at);
    at += 4;
    const message = next(messageLength);
    const signature = next(SIGNATURE_BYTES);
    jobs.push({ message, signature, publicKey: next(PUBLIC_KEY_BYTES) });
  }
  return jobs;
};
