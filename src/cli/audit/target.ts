/** What an audit is of: which folder or node, against which genesis, with which state of its own. */
import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { ApiClient } from "../../client/api.ts";
import { toHex } from "../../crypto/bytes.ts";
import { utf8 } from "../../crypto/codec.ts";
import { sha256 } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import { nodePaths } from "../../node/folder.ts";
import { readGenesis } from "../../node/node.ts";
import type { CliContext } from "../context.ts";
import { readDevRecord } from "../dev/record.ts";

export type TargetOptions = {
  readonly genesis?: string;
  readonly node?: string;
  readonly state?: string;
  readonly follow?: boolean;
};

/** All options of the verb. */
export type AuditOptions = TargetOptions & {
  readonly from: number;
  readonly rebuild?: boolean;
  readonly forget?: boolean;
  readonly workers?: number;
  readonly metrics?: string;
  readonly keepRunning?: boolean;
};

export type AuditTarget = {
  readonly kind: "folder" | "api";
  /** A folder with LevelDB's files, or an address. */
  readonly place: string;
  readonly chain: ParsedGenesis;
  readonly genesisPath: string;
  /** Somebody has said which genesis is to be trusted. */
  readonly genesisNamed: boolean;
  /** The audit's own folder. */
  readonly state: string;
};

type Place = Pick<AuditTarget, "kind" | "place"> & { readonly genesis: string | undefined };

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** The genesis in a folder or, where it is a node's of a network in one folder, in that of the network. */
const genesisNear = (folder: string): string | undefined => {
  const own = nodePaths(folder).genesis;
  if (existsSync(own)) return own;
  const above = dirname(folder);
  const shared = nodePaths(above).genesis;
  return readDevRecord(above) !== undefined && existsSync(shared) ? shared : undefined;
};

/** A store, the folder of a node, or one of the nodes of a network in one folder. */
const folderPlace = (dir: string, node: string | undefined): Place => {
  const record = readDevRecord(dir);
  if (record !== undefined) {
    const found = record.nodes.find(({ name }) => node === undefined || name === node);
    if (found === undefined) {
      const names = record.nodes.map(({ name }) => name).join(", ");
      throw new TetradError("cli.usage", `${dir} has no node ${node}; it has ${names}`);
    }
    const folder = join(dir, found.folder);
    return { kind: "folder", place: nodePaths(folder).db, genesis: genesisNear(folder) };
  }
  const { db } = nodePaths(dir);
  if (isFolder(db)) return { kind: "folder", place: db, genesis: genesisNear(dir) };
  if (!isFolder(dir)) throw new TetradError("cli.usage", `${dir} is not a folder`);
  return { kind: "folder", place: dir, genesis: undefined };
};

/** Whatever it answers, somebody does. */
const answers = async (url: string, signal: AbortSignal): Promise<boolean> => {
  try {
    await new ApiClient(url).status(signal);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    return !(error instanceof TetradError && error.code === "cli.unreachable");
  }
};

/** A node of the folder's network is asked where it answers; where it does not, its folder is read. */
const placeOf = async (
  context: CliContext,
  { node, follow }: Pick<TargetOptions, "node" | "follow">,
): Promise<Place> => {
  const { api, dir } = context.options;
  const named = dir !== undefined;
  if (api === undefined && named) return folderPlace(context.dir, node);
  const record = readDevRecord(context.dir);
  const first = context.apiIsNamed ? undefined : record?.nodes[0];
  const found = node === undefined ? first : record?.nodes.find(({ name }) => name === node);
  if (node !== undefined && found === undefined) {
    throw new TetradError("cli.usage", `${context.dir} has no node ${node}`);
  }
  const url = api === undefined && found !== undefined ? `http://${found.api}` : context.apiUrl();
  // What is followed is an API, which may come back.
  if (api === undefined && found !== undefined && follow !== true) {
    if (!(await answers(url, context.signal))) {
      const place = folderPlace(context.dir, found.name);
      context.note(
        `node ${found.name} does not answer at ${url}: its folder is read, ${place.place}`,
      );
      return place;
    }
  }
  return { kind: "api", place: url, genesis: genesisNear(context.dir) };
};

/** Throws cli.usage, config.genesis. */
export const auditTarget = async (
  context: CliContext,
  options: TargetOptions,
): Promise<AuditTarget> => {
  const { kind, place, genesis } = await placeOf(context, options);
  const named = options.genesis === undefined ? undefined : resolve(context.cwd, options.genesis);
  const genesisPath = named ?? genesis;
  if (genesisPath === undefined) {
    throw new TetradError("cli.usage", "name the genesis that you trust: --genesis FILE");
  }
  const chain = readGenesis(genesisPath);
  const state =
    options.state === undefined
      ? defaultState(context, chain, place)
      : resolve(context.cwd, options.state);
  return { kind, place, chain, genesisPath, genesisNamed: named !== undefined, state };
};

/** Where audits keep their states if they are not told where. */
export const statesFolder = (context: CliContext): string => {
  const given = context.env["XDG_STATE_HOME"] ?? "";
  const base = given === "" ? join(homedir(), ".local", "state") : given;
  return join(base, "tetrad", "audit");
};

/** One folder for each chain and source, so that an interrupted audit is found again. */
const defaultState = (context: CliContext, chain: ParsedGenesis, place: string): string => {
  const source = toHex(sha256(utf8(place))).slice(0, 12);
  return join(statesFolder(context), `${toHex(chain.hash).slice(0, 12)}-${source}`);
};
