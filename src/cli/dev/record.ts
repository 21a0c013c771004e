/**
 * The record of a development network, dev.json in its folder. It marks the folder as one that the
 * command made, and so may delete, and tells the other verbs where the nodes and the key are.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TetradError } from "../../errors.ts";

/** Names of the nodes that a development network has. */
export const DEV_NODES = ["a", "b", "c", "d"] as const;

export type DevNode = {
  readonly name: string;
  /** Folder of the node, relative to the record's. */
  readonly folder: string;
  /** "[ipv6]:port" of QUIC and of the API. */
  readonly listen: string;
  readonly api: string;
};

export type DevRecord = {
  readonly format: 1;
  /** A development network may be deleted by --fresh; one made by `init --network` may not. */
  readonly kind: "tetrad-dev" | "tetrad-network";
  readonly chainId: string;
  readonly nodes: readonly DevNode[];
};

/** The folder is private, as key files demand. */
export const operatorFolder = (dir: string): string => join(dir, "operator");

export const operatorKeyPath = (dir: string): string => join(operatorFolder(dir), "operator.key");

export const devRecordPath = (dir: string): string => join(dir, "dev.json");

const isNode = (value: unknown): value is DevNode =>
  typeof value === "object" &&
  value !== null &&
  ["name", "folder", "listen", "api"].every(
    (key) => typeof (value as Record<string, unknown>)[key] === "string",
  );

const isRecord = (value: unknown): value is DevRecord => {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Record<string, unknown>;
  return (
    record["format"] === 1 &&
    (record["kind"] === "tetrad-dev" || record["kind"] === "tetrad-network") &&
    typeof record["chainId"] === "string" &&
    Array.isArray(record["nodes"]) &&
    record["nodes"].length > 0 &&
    record["nodes"].every(isNode)
  );
};

/** Undefined where there is none; throws folder.foreign for a file that is not such a record. */
export const readDevRecord = (dir: string): DevRecord | undefined => {
  const path = devRecordPath(dir);
  if (!existsSync(path)) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    throw new TetradError("folder.foreign", `${path} is not a record of a development network`);
  }
  if (!isRecord(parsed)) {
    throw new TetradError("folder.foreign", `${path} is not a record of a development network`);
  }
  return parsed;
};
