/** A small consumer of the package: compiled against its declarations, never run. */
import {
  type Appended,
  type Client,
  createClient,
  type LedgerEvent,
  TetradError,
} from "tetrad/client";
import { BANK, type RunResult, simulate } from "tetrad/sim";

export const client: Client = createClient({
  baseUrl: ["http://[::1]:8440", "http://[::1]:8441"],
  trust: { genesis: "{}" },
  fetch: (url, init) => fetch(url, init),
});

export const follow = async (signal: AbortSignal): Promise<LedgerEvent | undefined> => {
  for await (const event of client.events({ from: "end", types: ["asset.*"], signal }))
    return event;
  return undefined;
};

export const outcomes = (results: readonly Appended[]): string[] =>
  results.map(({ outcome }) => (outcome?.kind === "refused" ? outcome.code : "accepted"));

export const isGone = (error: unknown): boolean =>
  error instanceof TetradError && error.code === "cli.unreachable" && error.spec.retryable;

const first = BANK[0];
if (first === undefined) throw new Error("the bank is empty");
export const result: RunResult = simulate(first);
