/**
 * A client of a node's API that shares no code with the product's: over TCP, or over a Unix socket that
 * leads into another network namespace. Each request has a connection of its own and a time limit.
 */
import { request } from "node:http";
import type { WorkJson } from "../../../src/client/api.ts";

export type Endpoint =
  | { readonly host: string; readonly port: number }
  | { readonly socketPath: string };

export type Answer = { readonly status: number; readonly body: unknown };

export type RequestOptions = {
  readonly method?: "GET" | "POST";
  readonly body?: Uint8Array;
  readonly limitMs?: number;
};

/** The answer, whatever its status; rejects when there is none. */
export const ask = (
  endpoint: Endpoint,
  path: string,
  options: RequestOptions = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers: Record<string, string> = { host: "[::1]:8440" };
    if (options.body !== undefined) {
      headers["content-type"] = "application/octet-stream";
      headers["content-length"] = String(options.body.length);
    }
    const method = options.method ?? "GET";
    const limitMs = options.limitMs ?? 10_000;
    const sent = request({ ...endpoint, path, method, headers, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.once("error", reject);
      response.once("end", () => {
        try {
          const body: unknown = JSON.parse(Buffer.concat(pieces).toString("utf8"));
          resolve({ status: response.statusCode ?? 0, body });
        } catch (error) {
          reject(error);
        }
      });
    });
    const timer = setTimeout(() => sent.destroy(new Error(`no answer in ${limitMs} ms`)), limitMs);
    sent.once("close", () => clearTimeout(timer));
    sent.once("error", reject);
    sent.end(options.body);
  });

export type Problem = { readonly code: string; readonly detail: string };

export type Status = {
  readonly name: string;
  readonly nodeId: string;
  readonly chainId: string;
  readonly genesisHash: string;
  readonly validatorIndex: number | null;
  readonly epoch: number;
  readonly view: number;
  readonly leader: string;
  readonly voting: string;
  readonly problems: readonly Problem[];
  readonly finalHeight: number;
  readonly executedHeight: number;
  readonly logSize: number;
  readonly logRoot: string;
  readonly stateRoot: string;
  readonly refHeight: number;
  readonly refHash: string;
  readonly work?: WorkJson | null;
  readonly peers: readonly string[];
};

/** Undefined while the node does not answer. */
export const statusOf = async (
  endpoint: Endpoint,
  limitMs = 3_000,
): Promise<Status | undefined> => {
  try {
    const { status, body } = await ask(endpoint, "/v1/status", { limitMs });
    return status === 200 ? (body as Status) : undefined;
  } catch {
    return undefined;
  }
};

export type Entry = {
  readonly index: number;
  readonly height: number;
  readonly batchId: string;
  readonly position: number;
  readonly type: string;
  readonly outcome: { readonly kind: string; readonly code?: string };
  readonly effectsHash: string;
  readonly payload: string;
};

/** The whole log of a node, in order. */
export const readLog = async (endpoint: Endpoint): Promise<Entry[]> => {
  const entries: Entry[] = [];
  let query = "from=0";
  for (;;) {
    const { status, body } = await ask(endpoint, `/v1/events?${query}&limit=1000`, {
      limitMs: 60_000,
    });
    if (status !== 200) throw new Error(`the log cannot be read: ${JSON.stringify(body)}`);
    const page = body as { items: Entry[]; next?: string; more: boolean };
    entries.push(...page.items);
    if (!page.more || typeof page.next !== "string") return entries;
    query = `after=${encodeURIComponent(page.next)}`;
  }
};
