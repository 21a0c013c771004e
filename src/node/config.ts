/**
 * The configuration of one node: a TOML file with a strict schema, then NEXUS_* variables, then flags;
 * the later wins. An unknown key is an error that names the key meant: a misspelt setting must not
 * silently become its default. What settings there are stands in config-keys.ts.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { TetradError } from "../errors.ts";
import type { LogLevel } from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";
import { DRIVER_SETTINGS, type DriverSetting } from "../transport/bulk/choose.ts";
import { formatAddress, isLoopback, parseBindAddress } from "./address.ts";
import {
  CONFIG_KEYS,
  type ConfigKey,
  fileKey,
  KEYS,
  keyOfFile,
  LOG_LEVELS,
  type NodeConfig,
} from "./config-keys.ts";
import { formatNamed, peersFrom } from "./named-peers.ts";
import { editDistance, nearest } from "./suggest.ts";

export { CONFIG_KEYS, type ConfigKey, type NodeConfig } from "./config-keys.ts";

/** Where a value came from. */
export type Origin = {
  readonly kind: "default" | "file" | "environment" | "flag";
  /** For people: "default", "node.toml:12", "NEXUS_LISTEN", "--listen". */
  readonly place: string;
};

type Raw = Readonly<Record<string, unknown>>;
type Env = Readonly<Record<string, string | undefined>>;

/** What a file says: values by the key of the code, and the line of each. */
export type ConfigFile = {
  readonly source: string;
  readonly values: Raw;
  readonly lines: Readonly<Partial<Record<ConfigKey, number>>>;
};

const invalid = (detail: string): TetradError => new TetradError("config.invalid", detail);

/** Parses the text of a configuration file; `source` names it in messages. Throws config.invalid. */
export const parseConfigText = (text: string, source: string): ConfigFile => {
  if (text.length > LIMITS.configBytesMax) {
    throw invalid(`${source} is over ${LIMITS.configBytesMax} bytes`);
  }
  const values: Record<string, unknown> = {};
  const lines: Partial<Record<ConfigKey, number>> = {};
  for (const [name, value] of Object.entries(parseToml(text, source))) {
    const key = keyOfFile(name);
    const line = lineOf(text, name);
    if (key === undefined) {
      const meant = nearest(name, KEYS.map(fileKey));
      const hint = meant === undefined ? "" : `; did you mean "${meant}"?`;
      throw invalid(`${source}:${line} has the unknown key "${name}"${hint}`);
    }
    values[key] = value;
    lines[key] = line;
  }
  return { source, values, lines };
};

const parseToml = (text: string, source: string): Raw => {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // What follows the first line of the message is a picture of the place.
    const [what = "?"] = error.message.split("\n");
    throw invalid(`${source}:${error.line}:${error.column} is not TOML: ${what}`);
  }
};

/**
 * The line, from 1, on which a top-level key is set. The library tells no positions: a line that looks like
 * it counts when the text before it is whole, so that no line of a long string is taken for a key.
 */
const LINE_CANDIDATES_MAX = 32;

const lineOf = (text: string, name: string): number => {
  const lines = text.split("\n");
  const pattern = /^\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*[.=]|^\s*\[+\s*"?([\w-]+)/;
  let candidates = 0;
  for (const [i, line] of lines.entries()) {
    const match = pattern.exec(line);
    if (candidates >= LINE_CANDIDATES_MAX) break;
    if ((match?.[1] ?? match?.[2] ?? match?.[3] ?? match?.[4]) !== name) continue;
    candidates += 1;
    if (isComplete(lines.slice(0, i).join("\n"))) return i + 1;
  }
  return 1;
};

/** A text that ends inside a string of several lines is none. */
const isComplete = (text: string): boolean => {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
};

const boolFrom = (value: unknown, what: string): boolean => {
  if (typeof value === "boolean") return value;
  if (value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw invalid(`${what} must be true or false`);
};

const countFrom = (chosen: Chosen, key: ConfigKey, range: readonly [number, number]): number => {
  const { value } = chosen;
  const isText = typeof value === "string" && /^[0-9]{1,16}$/.test(value);
  const count = typeof value === "bigint" || isText ? Number(value) : value;
  const [min, max] = range;
  if (typeof count !== "number" || !Number.isInteger(count) || count < min || count > max) {
    throw invalid(`${fileKey(key)} must be a whole number of ${min} to ${max}`);
  }
  return count;
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
  /** From parseConfigText. */
  readonly file?: ConfigFile;
  /** Folder that relative paths of the file are relative to. */
  readonly fileFolder?: string;
  readonly env?: Env;
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
  const spec: { readonly env: string; readonly flag?: string; readonly initial: unknown } =
    CONFIG_KEYS[key];
  const { env, initial } = spec;
  const fileFolder = inputs.fileFolder ?? inputs.cwd;
  const flag = inputs.flags?.[key];
  if (flag !== undefined) {
    const origin: Origin = { kind: "flag", place: spec.flag ?? "flag" };
    return { value: flag, origin, base: inputs.cwd };
  }
  const variable = inputs.env?.[env];
  if (variable !== undefined && variable !== "") {
    return { value: variable, origin: { kind: "environment", place: env }, base: inputs.cwd };
  }
  const { file } = inputs;
  const inFile = file?.values[key];
  if (file !== undefined && inFile !== undefined) {
    const origin: Origin = { kind: "file", place: `${file.source}:${file.lines[key] ?? 1}` };
    return { value: inFile, origin, base: fileFolder };
  }
  return { value: initial, origin: { kind: "default", place: "default" }, base: fileFolder };
};

const pathFrom = (chosen: Chosen, what: string): string => {
  const path = stringFrom(chosen.value, what);
  return isAbsolute(path) ? path : resolve(chosen.base, path);
};

/** Who shares runs with whom. Throws config.invalid. */
const sharingFrom = (
  members: unknown,
  sharedWith: unknown,
): Pick<NodeConfig, "timeMembers" | "timeSharedWith"> => {
  const names = members === undefined ? [] : stringFrom(members, "time_members").split(",");
  const timeMembers = names.map((name) => checkName(name.trim(), "time_members"));
  if (timeMembers.length > LIMITS.timeMembersMax || new Set(timeMembers).size < names.length) {
    throw invalid(`time_members are at most ${LIMITS.timeMembersMax} validators, each once`);
  }
  if (sharedWith === undefined) return { timeMembers, timeSharedWith: undefined };
  if (names.length > 0) throw invalid("a node with time_shared_with has no time_members");
  const timeSharedWith = checkName(stringFrom(sharedWith, "time_shared_with"), "time_shared_with");
  return { timeMembers, timeSharedWith };
};

/** Where bulk is listened for, and over how many connections. Throws config.invalid or transport.*. */
const bulkFrom = (
  listen: Chosen,
  connections: Chosen,
): Pick<NodeConfig, "bulkListen" | "bulkConnections"> => {
  const { range } = CONFIG_KEYS.bulkConnections;
  const bulkConnections = countFrom(connections, "bulkConnections", range);
  if (bulkConnections === 3) throw invalid("bulk_connections must be 1, 2 or 4");
  if (listen.value === undefined) return { bulkListen: undefined, bulkConnections };
  const text = stringFrom(listen.value, "bulk_listen");
  const bulkListen = parseBindAddress(text, "bulk_listen", { zeroPort: true });
  if (bulkListen.port + bulkConnections - 1 > 65_535) {
    throw invalid(`bulk_listen leaves no room for ${bulkConnections} ports`);
  }
  return { bulkListen, bulkConnections };
};

const optionalPath = (chosen: Chosen, what: string): string | undefined =>
  chosen.value === undefined ? undefined : pathFrom(chosen, what);

/** Puts file, variables and flags together and checks every value. Throws config.invalid or transport.*. */
export const resolveConfig = (inputs: ConfigInputs): ResolvedConfig => {
  const at = Object.fromEntries(KEYS.map((key) => [key, choose(key, inputs)])) as Record<
    ConfigKey,
    Chosen
  >;
  if (at.name.value === undefined) {
    throw invalid('"name" is missing: the name of this validator in the genesis');
  }
  const logLevel = stringFrom(at.logLevel.value, "log_level");
  if (!(LOG_LEVELS as readonly string[]).includes(logLevel)) {
    throw invalid(`log_level "${logLevel}" is not one of ${LOG_LEVELS.join(", ")}`);
  }
  const driver = stringFrom(at.driver.value, "driver");
  if (!(DRIVER_SETTINGS as readonly string[]).includes(driver)) {
    throw invalid(`driver "${driver}" is not one of ${DRIVER_SETTINGS.join(", ")}`);
  }
  const apiInsecureBind = boolFrom(at.apiInsecureBind.value, "api_insecure_bind");
  const api = parseBindAddress(stringFrom(at.api.value, "api"), "api", { zeroPort: true });
  const apiTlsCertificate = optionalPath(at.apiTlsCertificate, "api_tls_certificate");
  const apiTlsKey = optionalPath(at.apiTlsKey, "api_tls_key");
  if ((apiTlsCertificate === undefined) !== (apiTlsKey === undefined)) {
    throw invalid("api_tls_certificate and api_tls_key belong together: give both or none");
  }
  if (!isLoopback(api.host) && apiTlsKey === undefined && !apiInsecureBind) {
    throw invalid(
      `api [${api.host}]:${api.port} is not loopback, so it needs TLS: ` +
        "set api_tls_certificate and api_tls_key, bind [::1], or, behind a proxy that has TLS, " +
        "set api_insecure_bind (--api-insecure-bind)",
    );
  }
  const config: NodeConfig = {
    name: checkName(stringFrom(at.name.value, "name")),
    folder: pathFrom(at.folder, "folder"),
    listen: parseBindAddress(stringFrom(at.listen.value, "listen"), "listen"),
    api,
    genesis: pathFrom(at.genesis, "genesis"),
    passphraseFile: optionalPath(at.passphraseFile, "passphrase_file"),
    logLevel: logLevel as LogLevel,
    driver: driver as DriverSetting,
    ...bulkFrom(at.bulkListen, at.bulkConnections),
    apiTlsCertificate,
    apiTlsKey,
    apiInsecureBind,
    reachable: boolFrom(at.reachable.value, "reachable"),
    relay: boolFrom(at.relay.value, "relay"),
    timeDuty: countFrom(at.timeDuty, "timeDuty", CONFIG_KEYS.timeDuty.range),
    ...sharingFrom(at.timeMembers.value, at.timeSharedWith.value),
    peers: peersFrom(at.peers.value),
    spaceSectors: countFrom(at.spaceSectors, "spaceSectors", CONFIG_KEYS.spaceSectors.range),
    spaceDuty: countFrom(at.spaceDuty, "spaceDuty", CONFIG_KEYS.spaceDuty.range),
    workThreads: countFrom(at.workThreads, "workThreads", CONFIG_KEYS.workThreads.range),
    workDuty: countFrom(at.workDuty, "workDuty", CONFIG_KEYS.workDuty.range),
    bulkDuty: countFrom(at.bulkDuty, "bulkDuty", CONFIG_KEYS.bulkDuty.range),
    workUnits:
      at.workUnits.value === undefined
        ? undefined
        : countFrom(at.workUnits, "workUnits", CONFIG_KEYS.workUnits.range),
    location: boolFrom(at.location.value, "location"),
    objectCacheMib: countFrom(
      at.objectCacheMib,
      "objectCacheMib",
      CONFIG_KEYS.objectCacheMib.range,
    ),
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
  env: Env,
  cwd: string,
): ResolvedConfig => {
  if (path === undefined) return resolveConfig({ env, flags, cwd });
  const absolute = resolve(cwd, path);
  const file = parseConfigText(readConfigText(absolute, path), path);
  return resolveConfig({ file, fileFolder: dirname(absolute), env, flags, cwd });
};

const readConfigText = (absolute: string, path: string): string => {
  try {
    // Looked at before it is read, so that no device and no huge file is.
    const info = statSync(absolute);
    if (!info.isFile()) throw invalid(`${path} is no file`);
    if (info.size > LIMITS.configBytesMax) {
      throw invalid(`${path} is over ${LIMITS.configBytesMax} bytes`);
    }
    return readFileSync(absolute, "utf8");
  } catch (error) {
    if (error instanceof TetradError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw invalid(`${path} cannot be read (${code ?? "?"}); \`nexus init\` makes one`);
  }
};

/** A setting as `nexus config explain` and `nexus doctor` show it. No setting is a secret. */
export type ExplainedSetting = {
  readonly key: string;
  readonly value: string | boolean | number | null;
  readonly origin: Origin["kind"];
  readonly place: string;
  readonly variable: string;
};

const shownValue = (value: NodeConfig[ConfigKey]): ExplainedSetting["value"] => {
  if (typeof value !== "object") return value ?? null;
  if ("host" in value) return formatAddress(value);
  const texts = value.map((one) => (typeof one === "string" ? one : formatNamed(one)));
  return texts.length === 0 ? null : texts.join(",");
};

export const explainConfig = ({ config, origins }: ResolvedConfig): ExplainedSetting[] =>
  KEYS.map((key) => {
    const value = config[key];
    const { kind, place } = origins[key];
    return {
      key: fileKey(key),
      value: shownValue(value),
      origin: kind,
      place,
      variable: CONFIG_KEYS[key].env,
    };
  });

/** Variables that nothing reads and that look like a setting misspelt. */
export const misspeltVariables = (
  env: Env,
): readonly { readonly name: string; readonly meant: string }[] => {
  const known = KEYS.map((key): string => CONFIG_KEYS[key].env);
  return Object.keys(env).flatMap((name) => {
    if (!name.startsWith("NEXUS_") || known.includes(name)) return [];
    const meant = known.find((candidate) => editDistance(name, candidate) === 1);
    return meant === undefined ? [] : [{ name, meant }];
  });
};
