/** What `nexus verify` looks at: a network as those who use it meet it, over the APIs of its nodes. */
import { ApiClient, type StatusJson } from "../client/api.ts";
import { TetradError } from "../errors.ts";
import { sleep } from "../node/real-ports.ts";
import { askStatus } from "./ask.ts";

export type Check = {
  readonly node: string;
  readonly check: string;
  readonly state: "ok" | "warn" | "fail";
  readonly found: string;
};

export type Target = { readonly api: string; readonly name: string };

export type Up = Target & { readonly client: ApiClient; readonly status: StatusJson };

const checkOf = (node: string, check: string, isOk: boolean, found: string): Check => ({
  node,
  check,
  state: isOk ? "ok" : "fail",
  found,
});

/** Asks every node how it is. */
export const reach = async (
  targets: readonly Target[],
  signal: AbortSignal,
): Promise<{ readonly checks: Check[]; readonly up: Up[] }> => {
  const asked = await Promise.all(targets.map((one) => askStatus(one.api, signal)));
  const checks: Check[] = [];
  const up: Up[] = [];
  for (const [i, target] of targets.entries()) {
    const status = asked[i];
    if (typeof status !== "object") {
      checks.push(checkOf(target.name, "reachable", false, `${target.api}: ${status}`));
      continue;
    }
    const { name } = status;
    up.push({ ...target, name, status, client: new ApiClient(target.api) });
    checks.push(checkOf(name, "reachable", true, `${target.api}, height ${status.finalHeight}`));
    const told = status.problems.map(({ code, detail }) => `${code}: ${detail}`).join("; ");
    const voting = status.voting === "yes" && told === "";
    checks.push(checkOf(name, "voting", voting, told === "" ? status.voting : told));
  }
  return { checks, up };
};

/** All are of one chain, and of the one that the caller knows. */
export const sameChain = (up: readonly Up[], expected: string | undefined): Check => {
  const hashes = new Set(up.map(({ status }) => status.genesisHash));
  if (expected !== undefined) hashes.add(expected);
  const [first = ""] = hashes;
  const found =
    hashes.size === 1
      ? `${up[0]?.status.chainId}, genesis ${first.slice(0, 16)}…`
      : `different genesis hashes: ${[...hashes].map((hash) => hash.slice(0, 16)).join(", ")}`;
  return checkOf("-", "chain", hashes.size === 1, found);
};

/** Which of the validators have answered, and which were asked in vain: what nobody has looked at is not verified. */
export const coverage = async (
  targets: readonly Target[],
  up: readonly Up[],
  signal: AbortSignal,
): Promise<Check> => {
  const { client } = up[0] ?? noNode();
  const body = await client.get("/v1/validators", {}, signal);
  const items = body["items"] as readonly { readonly id: string; readonly name: string }[];
  const answered = new Set(up.map(({ status }) => status.nodeId));
  const missing = items.filter(({ id }) => !answered.has(id)).map(({ name }) => name);
  const found = `${items.length - missing.length} of ${items.length} validators`;
  return missing.length === 0
    ? checkOf("-", "coverage", true, found)
    : {
        node: "-",
        check: "coverage",
        state: "warn",
        found: [found, ...sayMissing(targets, up, missing)].join("; "),
      };
};

/** An address that does not answer does not say whose it is: only a folder's network has names for them. */
const sayMissing = (
  targets: readonly Target[],
  up: readonly Up[],
  missing: readonly string[],
): string[] => {
  const reached = new Set(up.map(({ api }) => api));
  const silent = targets.filter(({ api }) => !reached.has(api));
  const named = new Set(silent.map(({ name }) => name));
  const mute = missing.filter((name) => named.has(name));
  const rest = missing.filter((name) => !named.has(name));
  // Some of the rest may be behind the addresses that were given and are silent.
  const isUnsure = silent.length > mute.length;
  return [
    ...(mute.length === 0 ? [] : [`did not answer: ${mute.join(", ")}`]),
    ...(rest.length === 0
      ? []
      : [`${isUnsure ? "not asked or did not answer" : "not asked"}: ${rest.join(", ")}`]),
  ];
};

const noNode = (): never => {
  throw new TetradError("cli.unreachable", "no node answers");
};

type Executed = { readonly hash: string; readonly logRoot: string; readonly stateRoot: string };

const executedAt = async (one: Up, height: number, signal: AbortSignal): Promise<Executed> => {
  const block = await one.client.get(`/v1/blocks/${height}`, {}, signal);
  const executed = block["executed"] as { readonly logRoot: string; readonly stateRoot: string };
  return {
    hash: String(block["hash"]),
    logRoot: executed.logRoot,
    stateRoot: executed.stateRoot,
  };
};

/** Block, log root and state root are the same on all at the newest height that all have executed. */
export const sameRoots = async (up: readonly Up[], signal: AbortSignal): Promise<Check> => {
  const height = Math.min(...up.map(({ status }) => status.executedHeight));
  if (height < 1) return { node: "-", check: "roots", state: "warn", found: "no block yet" };
  const all = await Promise.all(up.map((one) => executedAt(one, height, signal)));
  const parts = (["hash", "logRoot", "stateRoot"] as const).filter(
    (part) => new Set(all.map((one) => one[part])).size !== 1,
  );
  const root = all[0]?.stateRoot.slice(0, 16) ?? "";
  const found =
    parts.length === 0
      ? `same block, log and state ${root}… at height ${height}`
      : `at height ${height} nodes differ in ${parts.join(", ")}`;
  return checkOf("-", "roots", parts.length === 0, found);
};

const LOOK_MS = 200;

/** Every node reads back the record that was committed, with the very words. */
export const readBack = async (
  up: readonly Up[],
  record: string,
  text: string,
  limitMs: number,
  signal: AbortSignal,
): Promise<Check[]> => {
  const path = `/v1/projections/records/${encodeURIComponent(record)}`;
  const look = async (one: Up): Promise<boolean> => {
    try {
      const row = await one.client.get(path, {}, signal);
      return (row["value"] as { readonly text?: unknown }).text === text;
    } catch (error) {
      if (error instanceof TetradError && error.code === "http.not-found") return false;
      throw error;
    }
  };
  return Promise.all(
    up.map(async (one) => {
      const endMs = Date.now() + limitMs;
      let found = await look(one);
      while (!found && Date.now() < endMs) {
        signal.throwIfAborted();
        await sleep(LOOK_MS);
        found = await look(one);
      }
      const what = found ? `reads ${record}` : `does not have ${record} after ${limitMs / 1000} s`;
      return checkOf(one.name, "read back", found, what);
    }),
  );
};

/** Heights grow by themselves: an idle network makes empty blocks. */
export const progress = async (
  up: readonly Up[],
  limitMs: number,
  signal: AbortSignal,
): Promise<Check> => {
  const { client, status } = up[0] ?? noNode();
  const endMs = Date.now() + limitMs;
  let height = status.finalHeight;
  while (height <= status.finalHeight && Date.now() < endMs) {
    signal.throwIfAborted();
    await sleep(LOOK_MS);
    height = (await client.status(signal)).finalHeight;
  }
  return checkOf(
    "-",
    "progress",
    height > status.finalHeight,
    `height ${status.finalHeight} → ${height}`,
  );
};
