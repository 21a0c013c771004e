/**
 * Self time of V8 CPU profiles (`node --cpu-prof`), by part of the product. A native function, or one of
 * a library, counts for the nearest caller that has a part; so hashing inside execution is hashing.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

type ProfileNode = {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
  readonly children?: readonly number[] | undefined;
};

export type Profile = {
  readonly nodes: readonly ProfileNode[];
  readonly samples?: readonly number[] | undefined;
  readonly timeDeltas?: readonly number[] | undefined;
};

/** Which files are a part, by their addresses; of several the first. */
export type Parts = readonly (readonly [RegExp, string])[];

const PARTS: Parts = [
  [/wasm|src\/crypto\/falcon|post-quantum|src\/node\/signing/, "verify (or sign)"],
  [/src\/crypto\/(hash|merkle)\.ts|noble\/hashes/, "hash"],
  [/src\/ledger\/store|classic-level|abstract-level|\/level\//, "store"],
  [/src\/transport|matrixai|node:dgram/, "network"],
  [
    /src\/ledger\/(state-|log-tree|leaf|overlay|runner|execution|row|projection|event-schema)/,
    "execute",
  ],
  [/src\/(assets|detect)\//, "execute"],
  [/src\/ledger\//, "consensus"],
  [/src\/node\/api|fastify|node:_http|find-my-way|avvio|secure-json|light-my/, "http"],
  [/node:net|node:internal\/(streams|stream_base|js_stream)/, "http"],
  [/pino|sonic-boom|thread-stream/, "log"],
  [/node:internal\/(timers|process|async_hooks)|node:timers/, "timers and turns"],
];

const SPECIAL: ReadonlyMap<string, string> = new Map([
  ["(garbage collector)", "gc"],
  ["(idle)", "idle"],
  ["(program)", "native, no script"],
]);

export type Shares = {
  /** Microseconds by part, without idle. */
  readonly parts: ReadonlyMap<string, number>;
  /** Microseconds by function, for those who look for the hot ones. */
  readonly functions: ReadonlyMap<string, number>;
  readonly busyUs: number;
};

const partOf = ({ callFrame }: ProfileNode, parts: Parts): string | undefined => {
  const special = SPECIAL.get(callFrame.functionName);
  if (special !== undefined) return special;
  if (callFrame.url === "" && !/wasm/.test(callFrame.functionName)) return undefined;
  return parts.find(([pattern]) => pattern.test(callFrame.url))?.[1];
};

const nameOf = ({ callFrame }: ProfileNode): string => {
  const file = callFrame.url.replace(/^.*\/(node_modules|src)\//, "").replace(/^file:\/\//, "");
  return `${callFrame.functionName || "(anonymous)"} ${file}:${callFrame.lineNumber + 1}`;
};

/** What each part takes of a profile. */
export const sharesOf = (profile: Profile, of: Parts): Shares => {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parent = new Map<number, number>();
  for (const node of profile.nodes)
    for (const child of node.children ?? []) parent.set(child, node.id);
  const partById = new Map<number, string>();
  const resolve = (id: number): string => {
    const known = partById.get(id);
    if (known !== undefined) return known;
    const node = byId.get(id);
    const above = parent.get(id);
    const own = node === undefined ? undefined : partOf(node, of);
    const part = own ?? (above === undefined ? "other" : resolve(above));
    partById.set(id, part);
    return part;
  };
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  let busyUs = 0;
  profile.samples?.forEach((id, i) => {
    const part = resolve(id);
    const us = profile.timeDeltas?.[i] ?? 0;
    if (part === "idle") return;
    busyUs += us;
    parts.set(part, (parts.get(part) ?? 0) + us);
    const node = byId.get(id);
    const name = node === undefined ? "?" : nameOf(node);
    functions.set(name, (functions.get(name) ?? 0) + us);
  });
  return { parts, functions, busyUs };
};

/** One entry a profile: that of the main thread has by far the most parts. */
export const readProfiles = (folder: string): readonly Shares[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".cpuprofile"))
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Profile)
    .map((profile) => sharesOf(profile, PARTS));

/** All of them as one. */
export const addShares = (all: readonly Shares[]): Shares => {
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  let busyUs = 0;
  for (const shares of all) {
    busyUs += shares.busyUs;
    for (const [part, us] of shares.parts) parts.set(part, (parts.get(part) ?? 0) + us);
    for (const [name, us] of shares.functions) functions.set(name, (functions.get(name) ?? 0) + us);
  }
  return { parts, functions, busyUs };
};
