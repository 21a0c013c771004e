/** A client for verbs that believe no node: any node of the development network of the folder may answer. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Client, createClient } from "../client/client.ts";
import { fileStore } from "../client/node.ts";
import { TetradError } from "../errors.ts";
import type { CliContext } from "./context.ts";

export type VerifyOptions = {
  readonly trust?: string;
  readonly state?: string;
  /** Seconds. */
  readonly maxAge?: number;
};

const addresses = (context: CliContext): string | readonly string[] => {
  const nodes = context.apiIsNamed ? [] : (context.dev()?.nodes ?? []);
  return nodes.length > 0 ? nodes.map(({ api }) => `http://${api}`) : context.apiUrl();
};

/** What to trust: the file that was given, or the genesis of the network of the folder. */
const readTrust = (context: CliContext, file: string | undefined): string => {
  const path = file === undefined ? join(context.dir, "genesis.json") : resolve(context.cwd, file);
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw new TetradError("cli.usage", `${path} cannot be read: give --trust FILE, a genesis`);
  }
};

/** Throws cli.usage where there is nothing to trust. */
export const verifiedClient = (context: CliContext, options: VerifyOptions): Client => {
  const state = options.state === undefined ? undefined : resolve(context.cwd, options.state);
  return createClient({
    baseUrl: addresses(context),
    trust: { genesis: readTrust(context, options.trust) },
    onFailover: (base, error) => context.note(`${base}: ${error.message}; asking another node`),
    ...(state === undefined ? {} : { stateStore: fileStore(state) }),
    ...(options.maxAge === undefined ? {} : { maxAgeMs: options.maxAge * 1000 }),
  });
};

/** The word of a node is taken for everything. */
export const unverifiedClient = (context: CliContext): Client =>
  createClient({ baseUrl: addresses(context), unverified: true });
