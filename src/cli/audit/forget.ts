/** `nexus audit --forget`: removes what audits have kept for going on. */
import { resolve } from "node:path";
import { forgetAll, forgetState } from "../../node/audit/forget.ts";
import type { CliContext } from "../context.ts";
import { statesFolder } from "./target.ts";

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** The state in a named folder, or all below the folder that audits use if they are told none. */
export const forget = async (context: CliContext, state: string | undefined): Promise<void> => {
  const base = state === undefined ? statesFolder(context) : resolve(context.cwd, state);
  const one = state === undefined ? undefined : await forgetState(base);
  const all = state === undefined ? await forgetAll(base) : one === undefined ? [] : [one];
  for (const { folder, bytes, removed } of all) {
    context.note(`${removed ? "removed" : "in use, kept"}: ${folder} (${megabytes(bytes)})`);
  }
  if (all.length === 0) context.note(`no audit has kept anything in ${base}`);
};
