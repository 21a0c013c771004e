/**
 * The table of a node's settings: from it come the parser, the file that `nexus init` writes with every key
 * commented, the JSON Schema (docs/config.schema.json) and what `nexus config explain` shows.
 *
 * A setting is called `logLevel` in the code, `log_level` in the file, `NEXUS_LOG_LEVEL` as a variable.
 */
import { stringify } from "smol-toml";
import type { LogLevel } from "../ledger/ports.ts";
import { LIMITS } from "../limits.ts";
import { DRIVER_SETTINGS, type DriverSetting } from "../transport/bulk/choose.ts";
import type { NamedPeer } from "../transport/options.ts";
import type { SocketAddress } from "./address.ts";

export type NodeConfig = {
  readonly name: string;
  /** Absolute. Holds keys/ and db/ (folder.ts). */
  readonly folder: string;
  /** Where QUIC listens. */
  readonly listen: SocketAddress;
  /** Where the HTTP API listens. */
  readonly api: SocketAddress;
  /** Whether other validators can dial this node, and whether it passes packets between others. */
  readonly reachable: boolean;
  readonly relay: boolean;
  /** Absolute path of the genesis file. */
  readonly genesis: string;
  /** Absolute path of a file whose first line unlocks the keys; undefined for keys without one. */
  readonly passphraseFile: string | undefined;
  readonly logLevel: LogLevel;
  /** QUIC of the connections for bulk; sessions run on quiche (adr/0016). */
  readonly driver: DriverSetting;
  /** Where the bulk worker listens; undefined: the host of `listen`, and ports that are free. */
  readonly bulkListen: SocketAddress | undefined;
  /** Connections for bulk with one member: 1, 2 or 4. */
  readonly bulkConnections: number;
  /** PEM files of the API's certificate chain and key; both or none. */
  readonly apiTlsCertificate: string | undefined;
  readonly apiTlsKey: string | undefined;
  /** Off loopback the API has TLS, unless a proxy that has it is before it: that must be said by name. */
  readonly apiInsecureBind: boolean;
  /** Percent of a core that the timekeeper may take, on a chain that asks for elapsed time. */
  readonly timeDuty: number;
  /** Validators for whom this node's runs are made too: names of the genesis, or ids. */
  readonly timeMembers: readonly string[];
  /** The validator whose runs this node shares instead of runs of its own: a name of the genesis, or an id. */
  readonly timeSharedWith: string | undefined;
  /** Threads of the search for shares of work, and percent of the time in which each computes. */
  readonly workThreads: number;
  readonly workDuty: number;
  /** Members to reach the network by, besides those of the genesis and of the log. */
  readonly peers: readonly NamedPeer[];
  /** Sectors that the node keeps going, and percent of a core for making one. */
  readonly spaceSectors: number;
  readonly spaceDuty: number;
  /** Units of work to show in every epoch; undefined: as many as the own stake can use. */
  readonly workUnits: number | undefined;
  /** Whether the node asks witnesses how far it is, on a chain that asks for that. */
  readonly location: boolean;
  /** What objects may take on the disk, MiB (objects/store.ts). */
  readonly objectCacheMib: number;
  /** Percent of the main thread's time above which the traffic class bulk slows down. */
  readonly bulkDuty: number;
};

export type ConfigKey = keyof NodeConfig;

type Spec = {
  readonly env: string;
  /** Flag of `nexus start`, where there is one. */
  readonly flag?: string;
  /** What holds when nothing is said; undefined: the key must be given, or there is no such thing. */
  readonly initial: string | boolean | number | undefined;
  readonly kind:
    | "text"
    | "names"
    | "path"
    | "peers"
    | "address"
    | "level"
    | "boolean"
    | "count"
    | "driver";
  /** Of a count: the least and the greatest. */
  readonly range?: readonly [number, number];
  /** For people, in lines of the file. */
  readonly about: readonly string[];
  /** Shown in the comment of a key that is not set and has no default. */
  readonly example?: string;
};

/** Every key with its variable and default; a key without a default must be given. */
export const CONFIG_KEYS = {
  name: {
    env: "NEXUS_NAME",
    initial: undefined,
    kind: "text",
    about: ["Name of this validator in the genesis. It must be given."],
    example: "a",
  },
  folder: {
    env: "NEXUS_FOLDER",
    initial: ".",
    kind: "path",
    about: ["Folder of the node: keys/ (which is backed up apart) and db/ (which peers have too)."],
  },
  listen: {
    env: "NEXUS_LISTEN",
    flag: "--listen",
    initial: "[::1]:4440",
    kind: "address",
    about: ["Where QUIC listens for the other validators, [ipv6]:port. IPv4 is refused."],
  },
  reachable: {
    env: "NEXUS_REACHABLE",
    initial: true,
    kind: "boolean",
    about: [
      "false: the other validators cannot dial this node (it is behind a NAT or a firewall) and are",
      "told not to try. It dials them, and is reached through relays by those that it cannot dial.",
    ],
  },
  relay: {
    env: "NEXUS_RELAY",
    initial: false,
    kind: "boolean",
    about: [
      "true: this node passes packets between validators that cannot reach each other. It sees who",
      "talks to whom and how much, never what. Costs at most 32 MiB/s of its network.",
    ],
  },
  api: {
    env: "NEXUS_API_LISTEN",
    flag: "--api-listen",
    initial: "[::1]:8440",
    kind: "address",
    about: ["Where the HTTP API listens, [ipv6]:port; port 0 takes a free one."],
  },
  genesis: {
    env: "NEXUS_GENESIS",
    initial: "genesis.json",
    kind: "path",
    about: ["The genesis file: the same bytes on every node."],
  },
  passphraseFile: {
    env: "NEXUS_PASSPHRASE_FILE",
    flag: "--passphrase-file",
    initial: undefined,
    kind: "path",
    about: [
      "File with the passphrase of the keys, mode 0600, best on another volume than they are.",
      "NEXUS_PASSPHRASE wins over it, and a systemd credential named tetrad-passphrase is next;",
      "without any of them the file keys/passphrase is used.",
    ],
    example: "/run/secrets/tetrad-passphrase",
  },
  logLevel: {
    env: "NEXUS_LOG_LEVEL",
    flag: "--log-level",
    initial: "info",
    kind: "level",
    about: ["Least level that is logged: debug, info, warn or error."],
  },
  driver: {
    env: "NEXUS_DRIVER",
    initial: "auto",
    kind: "driver",
    about: [
      "QUIC library of the connections that objects go over, in a process of its own: auto, quiche or",
      "reactor. auto takes the reactor where it works, which is faster, else quiche; the log says why.",
      "Sessions run on quiche, and objects go over them while there are no such connections. Where",
      "quiche fails twice, the reactor carries the sessions for ten minutes, unless this is quiche.",
    ],
  },
  bulkListen: {
    env: "NEXUS_BULK_LISTEN",
    initial: undefined,
    kind: "address",
    about: [
      "Where these connections are listened for, [ipv6]:port: one address that members reach, and the",
      "first of bulk_connections ports. Without it, the address of `listen`, and ports that are free.",
    ],
    example: "[2001:db8::1]:4450",
  },
  bulkConnections: {
    env: "NEXUS_BULK_CONNECTIONS",
    initial: 2,
    kind: "count",
    range: [1, LIMITS.bulkConnectionsMax],
    about: ["Connections for objects to one member, 1, 2 or 4: each has a thread of its own."],
  },
  apiTlsCertificate: {
    env: "NEXUS_API_TLS_CERTIFICATE",
    flag: "--api-tls-certificate",
    initial: undefined,
    kind: "path",
    about: ["PEM file with the certificate chain of the API, which off loopback speaks TLS 1.3."],
    example: "/etc/tetrad/api.crt",
  },
  apiTlsKey: {
    env: "NEXUS_API_TLS_KEY",
    flag: "--api-tls-key",
    initial: undefined,
    kind: "path",
    about: ["PEM file with the key of that certificate, mode 0600."],
    example: "/etc/tetrad/api.key",
  },
  apiInsecureBind: {
    env: "NEXUS_API_INSECURE_BIND",
    flag: "--api-insecure-bind",
    initial: false,
    kind: "boolean",
    about: [
      "Allows `api` off loopback without TLS: for a proxy before it that has TLS, on a network",
      "where nobody else reaches the port.",
    ],
  },
  timeDuty: {
    env: "NEXUS_TIME_DUTY",
    initial: 25,
    kind: "count",
    range: [1, 100],
    about: [
      "Percent of a core that the proof of elapsed time may take, on a chain that asks for one. A run",
      "of an epoch takes a sixteenth of it on the reference machine: `nexus time bench` compares.",
    ],
  },
  timeMembers: {
    env: "NEXUS_TIME_MEMBERS",
    initial: undefined,
    kind: "names",
    about: [
      "Validators, with commas between, who share the runs of this node: it computes, and each of them says",
      "time_shared_with. Those of the genesis by name or by id, those that joined later by id, 64 hex digits",
      "(`nexus validator status`). Without it the runs are its own.",
    ],
    example: "b,c",
  },
  timeSharedWith: {
    env: "NEXUS_TIME_SHARED_WITH",
    initial: undefined,
    kind: "text",
    about: [
      "The validator whose runs this node shares instead of computing its own, named as in time_members:",
      "when that one does not prove one in an epoch, this node has none either.",
    ],
    example: "a",
  },
  peers: {
    env: "NEXUS_PEERS",
    initial: undefined,
    kind: "peers",
    about: [
      "Members to reach the network by, with commas between: ID@ADDRESS#PIN, as `nexus validator peers`",
      "prints them. A node finds the network at the addresses of the genesis and of its log; this is",
      "for one that finds nobody there. #PIN may be left out of who is in the genesis or the log.",
    ],
    example: `${"0".repeat(64)}@[2001:db8::1]:4440#${"0".repeat(64)}`,
  },
  spaceSectors: {
    env: "NEXUS_SPACE_SECTORS",
    initial: 1,
    kind: "count",
    range: [0, LIMITS.spaceValidatorSectorsMax],
    about: [
      "Sectors that are to go on, on a chain that asks for space: in the place of one that has lapsed,",
      "is near its end, was given back or is lost the node makes another, in its folder space/. More",
      "that are there already count as well. 0: it makes none.",
    ],
  },
  spaceDuty: {
    env: "NEXUS_SPACE_DUTY",
    initial: 25,
    kind: "count",
    range: [1, 100],
    about: ["Percent of a core that making a sector may take."],
  },
  workThreads: {
    env: "NEXUS_WORK_THREADS",
    initial: 1,
    kind: "count",
    range: [1, LIMITS.workThreadsMax],
    about: [
      "Threads that search for the shares of work of an epoch, on a chain that asks for them.",
    ],
  },
  workDuty: {
    env: "NEXUS_WORK_DUTY",
    initial: 25,
    kind: "count",
    range: [1, 100],
    about: ["Percent of the time in which each of these threads may compute."],
  },
  workUnits: {
    env: "NEXUS_WORK_UNITS",
    initial: undefined,
    kind: "count",
    range: [1, LIMITS.workSharesMax],
    about: [
      "Units of work to show in every epoch. Without it, as many as the node's own stake can use:",
      "more give no more power.",
    ],
    example: "1",
  },
  location: {
    env: "NEXUS_LOCATION",
    initial: true,
    kind: "boolean",
    about: [
      "Whether the node has its distance to others measured and shows it on the log, once an epoch, on a",
      "chain that asks for it. With false nobody learns it from this node; it measures others all the same.",
    ],
  },
  objectCacheMib: {
    env: "NEXUS_OBJECT_CACHE_MIB",
    initial: LIMITS.objectCacheMiB,
    kind: "count",
    range: [0, LIMITS.objectCacheMiBMax],
    about: [
      "MiB of disk for objects: those that clients of this node asked for, which go when others need",
      "the room, and those that an actor has it keep, which stay. With 0 there are none.",
    ],
  },
  bulkDuty: {
    env: "NEXUS_BULK_DUTY",
    initial: 50,
    kind: "count",
    range: [1, 100],
    about: [
      "Percent of the main thread's time above which moving objects between nodes slows down, so that",
      "votes do not wait for it; 100: it takes what it can get.",
    ],
  },
} as const satisfies Record<ConfigKey, Spec>;

export const KEYS = Object.keys(CONFIG_KEYS) as readonly ConfigKey[];
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Name of a key in the file: logLevel is log_level there. */
export const fileKey = (key: ConfigKey): string =>
  key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export const keyOfFile = (name: string): ConfigKey | undefined =>
  KEYS.find((key) => fileKey(key) === name);

const HEAD = `# Configuration of one node. A variable of the environment wins over this file, a flag of
# \`nexus start\` over both; \`nexus config explain --config FILE\` shows what holds and why.
# A key that is not known is an error. Relative paths are relative to this file's folder.
`;

type Values = Partial<Readonly<Record<ConfigKey, string | boolean | number>>>;

/** The file, with every key explained; those without a value are there as comments with their default. */
export const formatNodeConfig = (values: Values): string => {
  const parts = KEYS.map((key) => {
    const spec: Spec = CONFIG_KEYS[key];
    const given = values[key];
    const shown = given ?? spec.initial ?? spec.example ?? "";
    const line = stringify({ [fileKey(key)]: shown }).trim();
    const names = spec.flag === undefined ? spec.env : `${spec.env}, ${spec.flag}`;
    const about = [...spec.about, `(${names})`].map((text) => `# ${text}\n`).join("");
    return `${about}${given === undefined ? "# " : ""}${line}\n`;
  });
  return [HEAD, ...parts].join("\n");
};

const SCHEMA_TYPES: Readonly<Record<Spec["kind"], Readonly<Record<string, unknown>>>> = {
  text: {
    type: "string",
    pattern: "^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$",
    maxLength: LIMITS.nameBytesMax,
  },
  names: {
    type: "string",
    pattern: "^[a-z0-9](?:[a-z0-9.,-]*[a-z0-9])?$",
    maxLength: LIMITS.timeMembersMax * (LIMITS.nameBytesMax + 1),
  },
  path: { type: "string", minLength: 1 },
  peers: { type: "string", pattern: "^[0-9a-f]{64}@", minLength: 1 },
  address: { type: "string", pattern: "^\\[[0-9A-Fa-f:.]+\\]:[0-9]{1,5}$" },
  level: { type: "string", enum: LOG_LEVELS },
  boolean: { type: "boolean" },
  count: { type: "integer" },
  driver: { type: "string", enum: DRIVER_SETTINGS },
};

/** JSON Schema (2020-12) of the file as editors and linters for TOML read it. */
export const configSchema = (): unknown => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Configuration of a Tetrad node (node.toml)",
  type: "object",
  additionalProperties: false,
  properties: Object.fromEntries(
    KEYS.map((key) => {
      const spec: Spec = CONFIG_KEYS[key];
      return [
        fileKey(key),
        {
          description: `${spec.about.join(" ")} Variable: ${spec.env}.`,
          ...SCHEMA_TYPES[spec.kind],
          ...(spec.range === undefined ? {} : { minimum: spec.range[0], maximum: spec.range[1] }),
          ...(spec.initial === undefined ? {} : { default: spec.initial }),
        },
      ];
    }),
  ),
});
