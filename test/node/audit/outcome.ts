/** Refusals to go on that are the answer to a damaged folder. */
import { TetradError } from "../../../src/errors.ts";

const CODES: ReadonlySet<string> = new Set([
  "store.corrupt",
  "folder.foreign",
  "folder.format",
  "audit.unverified",
]);

export const isFolderError = (error: unknown): error is TetradError =>
  error instanceof TetradError && CODES.has(error.code);
