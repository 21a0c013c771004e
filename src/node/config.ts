/**
 * The configuration of one node: a JSON file with a strict schema, then NEXUS_* variables, then flags;
 * the later wins. An unknown key is an error that names the key meant: a misspelt setting must not
 * silently become its default.
 */
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { TetradError } from "../errors.ts";
import type { LogLevel } from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";
import { isLoopback, parseBindAddress, type SocketAddress } from "./address.ts";
import { nearest } from "./suggest.ts";

export type NodeConfig = {
  readonly name: string;
  /** Absolute. Holds keys/ and db/ (folder.ts). */
  readonly folder: string;
  /** Where QUIC listens. */
  readonly listen: SocketAddress;
  /** Where the HTTP API listens. */
  readonly api: SocketAddress;
  /** Absolute path of the genesis file. */
  readonly genesis: string;
  /** Absolute path of a file whose first line unlocks the keys; undefined for keys without one. */
  readonly passphraseFile: string | undefined;
  readonly logLevel: LogLevel;
  /** The API has no TLS and no login in this version: off loopback it must be asked for by name. */
  readonly apiInsecureBind: boolean;
};

/** Where a value came from: what `doctor` shows beside it. */
export type Origin = "default" | "file" | "environment" | "flag";

export type ConfigKey = keyof NodeConfig;

type Raw = Readonly<Record<string, unknown>>;
type Spec = { readonly env: string; readonly initial: string | boolean | undefined };

/** Every key with its variable and default; a key without a default must be given. */
export const CONFIG_KEYS = {
  name: { env: "NEXUS_NAME", initial: undefined },
  folder: { env: "NEXUS_FOLDER", initial: "." },
  listen: { env: "NEXUS_LISTEN", initial: "[::1]:4440" },
  api: { env: "NEXUS_API_LISTEN", initial: "[::1]:8440" },
  genesis: { env: "NEXUS_GENESIS", initial: "genesis.json" },
  passphraseFile: { env: "NEXUS_PASSPHRASE_FILE", initial: undefined },
  logLevel: { env: "NEXUS_LOG_LEVEL", initial: "info" },
  apiInsecureBind: { env: "NEXUS_API_INSECURE_BIND", initial: false },
} as const satisfies Record<ConfigKey, Spec>;

const KEYS = Object.keys(CONFIG_KEYS) as readonly ConfigKey[];
const LOG_LEVELS: readonly string[] = ["debug", "info", "warn", "error"];
const CONFIG_BYTES_MAX = 64 * 1024;

const invalid = (detail: string): TetradError => new TetradError("config.invalid", detail);

const isKey = (key: string): key is ConfigKey => (KEYS as readonly string[]).includes(key);

/** Parses the text of a configuration file into its raw keys; `source` names it in messages. */
export const parseConfigText = (text: string, source: string): Raw => {
  if (text.length > CONFIG_BYTES_MAX) throw invalid(`${source} is over 64 KiB`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(`${source} is not JSON: ${error instanceof Error ? error.message : "?"}`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw invalid(`${source} must hold one JSON object`);
  }
  for (const key of Object.keys(parsed)) {
    if (isKey(key)) continue;
    const meant = nearest(key, KEYS);
    throw invalid(
      `${source} has the unknown key "${key}"${meant ? `; did you mean "${meant}"?` : ""}`,
    );
  }
  return parsed as Raw;
};

const boolFrom = (value: unknown, what: string): boolean => {
  if (typeof value === "boolean") return value;
  if (value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw invalid(`${what} must be true or false`);
};

const stringFrom = (value: unknown, what: string): string => {
  if (typeof value !== "string" || value.length === 0) throw invalid(`${what} must be a text`);
  if (value.includes("\0")) throw invalid(`${what} holds a NUL character`);
  return value;
};

/** Names go into logs, metrics and certificates: plain ASCII words only. */
export const checkName = (name: string, what = "name"): string => {
  if (!/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(name) || name.length > LIMITS.nameBytesMax) {
    throw invalid(`${what} "${name}" must be lower-case letters, digits, "." and "-", at most 64`);
  }
  return name;
};

export type ConfigInputs = {
  /** Raw keys of the file, from parseConfigText. */
  readonly file?: Raw;
  /** Folder that relative paths of the file are relative to. */
  readonly fileFolder?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly flags?: Raw;
  /** Folder that relative paths of variables and flags are relative to. */
  readonly cwd: string;
};

export type ResolvedConfig = {
  readonly config: NodeConfig;
  readonly origins: Readonly<Record<ConfigKey, Origin>>;
};

type Chosen = { readonly value: unknown; readonly origin: Origin; readonly base: string };

const choose = (key: ConfigKey, inputs: ConfigInputs): Chosen => {
  const { env, initial } = CONFIG_KEYS[key];
  const fileFolder = inputs.fileFolder ?? inputs.cwd;
  const flag = inputs.flags?.[key];
  if (flag !== undefined) return { value: flag, origin: "flag", base: inputs.cwd };
  const variable = inputs.env?.[env];
  if (variable !== undefined && variable !== "") {
    return { value: variable, origin: "environment", base: inputs.cwd };
  }
  const inFile = inputs.file?.[key];
  if (inFile !== undefined) return { value: inFile, origin: "file", base: fileFolder };
  return { value: initial, origin: "default", base: fileFolder };
};

const pathFrom = (chosen: Chosen, what: string): string => {
  const path = stringFrom(chosen.value, what);
  return isAbsolute(path) ? path : resolve(chosen.base, path);
};

/** Puts file, variables and flags together and checks every value. Throws config.invalid or transport.*. */
export const resolveConfig = (inputs: ConfigInputs): ResolvedConfig => {
  const at = Object.fromEntries(KEYS.map((key) => [key, choose(key, inputs)])) as Record<
    ConfigKey,
    Chosen
  >;
  if (at.name.value === undefined) {
    throw invalid('"name" is missing: the name of this validator in the genesis');
  }
  const logLevel = stringFrom(at.logLevel.value, "logLevel");
  if (!LOG_LEVELS.includes(logLevel)) {
    throw invalid(`logLevel "${logLevel}" is not one of ${LOG_LEVELS.join(", ")}`);
  }
  const apiInsecureBind = boolFrom(at.apiInsecureBind.value, "apiInsecureBind");
  const api = parseBindAddress(stringFrom(at.api.value, "api"), "api", { zeroPort: true });
  if (!isLoopback(api.host) && !apiInsecureBind) {
    throw invalid(
      `api [${api.host}]:${api.port} is not loopback, and the API has no TLS and no login yet: ` +
        "bind [::1] and put a TLS proxy before it, or set apiInsecureBind (--api-insecure-bind)",
    );
  }
  const config: NodeConfig = {
    name: checkName(stringFrom(at.name.value, "name")),
    folder: pathFrom(at.folder, "folder"),
    listen: parseBindAddress(stringFrom(at.listen.value, "listen"), "listen"),
    api,
    genesis: pathFrom(at.genesis, "genesis"),
    passphraseFile:
      at.passphraseFile.value === undefined
        ? undefined
        : pathFrom(at.passphraseFile, "passphraseFile"),
    logLevel: logLevel as LogLevel,
    apiInsecureBind,
  };
  const origins = Object.fromEntries(KEYS.map((key) => [key, at[key].origin])) as Record<
    ConfigKey,
    Origin
  >;
  return { config, origins };
};

/** Reads a configuration file; without `path`, only variables and flags count. */
export const loadConfig = (
  path: string | undefined,
  flags: Raw,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): ResolvedConfig => {
  if (path === undefined) return resolveConfig({ env, flags, cwd });
  const absolute = resolve(cwd, path);
  let text: string;
  try {
    text = readFileSync(absolute, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw invalid(`${path} cannot be read (${code ?? "?"}); \`nexus init\` makes one`);
  }
  const file = parseConfigText(text, path);
  return resolveConfig({ file, fileFolder: dirname(absolute), env, flags, cwd });
};
