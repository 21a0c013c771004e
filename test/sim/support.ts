/** Small helpers of the simulator's tests. */
import { createHash } from "node:crypto";

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export const utf8Hash = (text: string): Uint8Array =>
  new Uint8Array(createHash("sha256").update(text, "utf8").digest());
