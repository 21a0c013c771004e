/**
 * `nexus init`: makes what a network on real hosts needs. Each member makes keys on its own host and sends
 * the identity file, which is public, to the others; one of them joins the identities to a genesis, and
 * everybody gets the same file. A secret key never leaves the host on which it was made.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { CHAIN_ID, type Genesis, type GenesisParameters } from "../../ledger/genesis.ts";
import { weakParts } from "../../ledger/genesis-proofs.ts";
import { LIMITS } from "../../limits.ts";
import { formatAddress, parseBindAddress, parsePeerAddress } from "../../node/address.ts";
import { createIssuerKeys, ISSUER_PERMISSIONS } from "../../node/ca/open-issuer.ts";
import { checkName } from "../../node/config.ts";
import { CONFIG_KEYS, formatNodeConfig } from "../../node/config-keys.ts";
import { nodePaths, writeFileAtomic } from "../../node/folder.ts";
import {
  createActorKey,
  createIdentity,
  type Identity,
  parseIdentity,
} from "../../node/identity.ts";
import {
  DEFAULT_PARAMETERS,
  type GenesisActorInput,
  makeGenesis,
  partsOf,
} from "../../node/make-genesis.ts";
import { readGenesis } from "../../node/read-genesis.ts";
import { randomHex, realClock } from "../../node/real-ports.ts";
import { LOCATION_DEFAULT } from "../../proofs/location/parameters.ts";
import {
  SPACE_PROFILES,
  type SpaceParameters,
  type SpaceProfile,
  sectorBytes,
} from "../../proofs/space/parameters.ts";
import { STAKE_PROFILES } from "../../proofs/stake/parameters.ts";
import {
  TIME_PROFILES,
  type TimeParameters,
  type TimeProfile,
} from "../../proofs/time/parameters.ts";
import type { PuzzleName, WorkProfile } from "../../proofs/work/index.ts";
import type { CliContext } from "../context.ts";
import { createNetwork, fastKeygen, formatJsonFile } from "../dev/create.ts";
import type { DevNode } from "../dev/record.ts";
import { notePassphrase } from "../key.ts";
import { sizeText } from "../space/facts.ts";

type InitOptions = {
  readonly name?: string;
  readonly listen?: string;
  readonly apiListen?: string;
  readonly actor?: boolean;
  readonly join?: readonly string[];
  readonly out?: string;
  readonly chainId?: string;
  readonly passphraseFile?: string;
  readonly network?: boolean;
  readonly node?: readonly string[];
  readonly issuer?: boolean;
  readonly epochMs?: number;
  /** True where no profile is named. */
  readonly space?: SpaceProfile | true;
  readonly location?: boolean;
  readonly stake?: boolean;
  readonly epochKeys?: boolean;
  readonly work?: WorkProfile;
  readonly puzzle?: PuzzleName;
  readonly time?: TimeProfile;
};

const usage = (detail: string): TetradError => new TetradError("cli.usage", detail);

export const init = async (context: CliContext, options: InitOptions): Promise<void> => {
  const ways = [options.name, options.join, options.network].filter((way) => way !== undefined);
  if (ways.length !== 1) throw usage("give one of --name, --join or --network");
  checkGenesisOptions(options);
  if (options.join !== undefined) return joinIdentities(context, options, options.join);
  if (context.options.dir === undefined) throw usage("say where with --dir");
  if (options.network === true) return initNetwork(context, options);
  const name = checkName(options.name ?? "");
  return options.actor === true
    ? initActor(context, options, name)
    : initNode(context, options, name);
};

/** What is decided for a whole chain, with the flag that decides it. */
const OF_GENESIS = [
  ["epochMs", "--epoch-ms"],
  ["work", "--work"],
  ["time", "--time"],
  ["space", "--space"],
  ["stake", "--stake"],
  ["location", "--location"],
] as const satisfies readonly (readonly [keyof InitOptions, string])[];

const checkGenesisOptions = (options: InitOptions): void => {
  const flag = OF_GENESIS.find(([name]) => options[name] !== undefined)?.[1];
  if (flag !== undefined && options.name !== undefined) {
    throw usage(`${flag} belongs to the genesis: give it with --join or --network`);
  }
  if (options.puzzle !== undefined && options.work === undefined) {
    throw usage("--puzzle is of the work that --work asks for");
  }
  if (options.location === true && options.space === undefined) {
    throw usage("--location is shown by sectors: give it with --space");
  }
  if (options.join !== undefined && options.space === true) {
    throw usage(
      "--space of --join names a profile: default, production or, for trying out, test or dev",
    );
  }
};

const initNode = async (context: CliContext, options: InitOptions, name: string): Promise<void> => {
  if (options.listen === undefined)
    throw usage("--listen says where the other members reach the node");
  const paths = nodePaths(context.dir);
  if (existsSync(paths.nodeKey)) {
    throw new TetradError(
      "key.exists",
      `${paths.nodeKey} is already there; keys are never replaced`,
    );
  }
  const { chainId } = options;
  if (chainId !== undefined && !CHAIN_ID.test(chainId))
    throw usage(`--chain-id "${chainId}" names no chain`);
  const api = formatAddress(parseBindAddress(options.apiListen ?? "[::1]:8440", "--api-listen"));
  const keygen = await fastKeygen();
  const identity = await createIdentity({
    paths,
    name,
    address: options.listen,
    nowMs: realClock.wallMs(),
    env: context.env,
    passphraseFile: passphraseFileOf(context, options),
    chainId,
    epochKey: chainId !== undefined,
    ...(keygen === undefined ? {} : { keygen }),
  });
  writeFileAtomic(paths.config, formatNodeConfig({ name, listen: identity.address, api }));
  const issuer = options.issuer === true ? join(context.dir, ISSUER_FILE) : undefined;
  if (issuer !== undefined) {
    const publicKey = await createIssuerKeys(paths, context.env, keygen, {
      development: false,
      passphraseFile: passphraseFileOf(context, options),
    });
    writeFileAtomic(issuer, actorFile("issuer", `${name}-issuer`, publicKey));
  }
  context.print(
    { name, identity: paths.identity, issuer, config: paths.config, address: identity.address },
    [
      ["identity", paths.identity],
      ...(issuer === undefined ? [] : [["issuer", issuer] as const]),
      ["config", paths.config],
      ["address", identity.address],
    ],
  );
  notePassphrase(context, paths.keys);
  context.note(
    "send the identity file to the other members; the keys folder stays here, and is backed up with keys/votes",
  );
};

/** The flag, or the variable that a start of the node reads too: it must open what is sealed here. */
const passphraseFileOf = (context: CliContext, options: InitOptions): string | undefined => {
  const file = options.passphraseFile ?? context.env[CONFIG_KEYS.passphraseFile.env];
  return file === undefined || file === "" ? undefined : resolve(context.cwd, file);
};

const ISSUER_FILE = "issuer.json";

/** An actor's public half, as it goes into a genesis: an issuer's may write what issuers write. */
const actorFile = (kind: "actor" | "issuer", name: string, publicKey: Uint8Array): string =>
  formatJsonFile({ format: 1, kind, name, publicKey: toHex(publicKey) });

const initActor = async (
  context: CliContext,
  options: InitOptions,
  name: string,
): Promise<void> => {
  const keyFile = join(context.dir, "keys", `${name}.key`);
  const publicKey = await createActorKey(
    join(context.dir, "keys"),
    keyFile,
    context.env,
    await fastKeygen(),
    { passphraseFile: passphraseFileOf(context, options) },
  );
  const file = join(context.dir, `${name}.json`);
  writeFileAtomic(file, actorFile("actor", name, publicKey));
  context.print({ name, identity: file, key: keyFile }, [
    ["identity", file],
    ["key", keyFile],
  ]);
  notePassphrase(context, join(context.dir, "keys"));
};

type Member =
  | { readonly kind: "validator"; readonly identity: Identity }
  | { readonly kind: "actor"; readonly actor: GenesisActorInput };

const developmentKey = (path: string): TetradError =>
  new TetradError(
    "key.development",
    `the key of ${path} was made for development; a network of several hosts needs keys of its own`,
  );

const readMember = (path: string): Member => {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw usage(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? "?"})`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new TetradError("config.invalid", `${path} is not JSON`);
  }
  const fields = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
  const kind = fields["kind"];
  if (kind !== "actor" && kind !== "issuer") {
    const identity = parseIdentity(text, path);
    if (identity.development === true) throw developmentKey(path);
    return { kind: "validator", identity };
  }
  if (fields["development"] === true) throw developmentKey(path);
  const { name, publicKey } = fields;
  const digits = LIMITS.falconPublicKeyBytes * 2;
  if (typeof name !== "string" || typeof publicKey !== "string" || publicKey.length !== digits) {
    throw new TetradError("config.invalid", `${path} is not an actor file`);
  }
  if (!/^[0-9a-f]+$/.test(publicKey)) {
    throw new TetradError("config.invalid", `${path} has a public key that is not lower-case hex`);
  }
  const actor = {
    name: checkName(name, `the name in ${path}`),
    publicKey: fromHex(publicKey),
    permissions: kind === "issuer" ? ISSUER_PERMISSIONS : ["*"],
  };
  return { kind: "actor", actor };
};

const parametersOf = ({ epochMs }: InitOptions): Partial<GenesisParameters> =>
  epochMs === undefined ? {} : { epochMs };

const timeOf = ({ time }: InitOptions): TimeParameters | undefined =>
  time === undefined ? undefined : TIME_PROFILES[time];

/** A network of one host that names no profile tries things out. */
const spaceOf = ({ space }: InitOptions): SpaceParameters | undefined =>
  space === undefined ? undefined : SPACE_PROFILES[space === true ? "dev" : space];

/** What everybody should know who is about to start this chain: what it does not show, and what comes first. */
const noteProofs = (context: CliContext, genesis: Genesis): void => {
  const { insecure, proofs, provers, parameters } = genesis;
  const weak = weakParts(proofs, parameters);
  if (insecure && weak.length > 0) {
    context.note(`the chain is marked insecure, because of ${weak.join("; ")}`);
  }
  if (proofs.space !== null && provers.every(({ sectors }) => sectors.length === 0)) {
    const size = sizeText(sectorBytes(proofs.space.lgNodes));
    context.note(
      `no sector is in this genesis: each node makes one of ${size} once it runs; ` +
        "`nexus space seal` makes one before that",
    );
  }
};

const joinIdentities = async (
  context: CliContext,
  options: InitOptions,
  files: readonly string[],
): Promise<void> => {
  if (options.chainId === undefined)
    throw usage("--chain-id names the new chain, for example acme-1");
  const members = files.map((file) => readMember(resolve(context.cwd, file)));
  const identities = members.flatMap((one) => (one.kind === "validator" ? [one.identity] : []));
  const actors = members.flatMap((one) => (one.kind === "actor" ? [one.actor] : []));
  const out = resolve(context.cwd, options.out ?? "genesis.json");
  if (existsSync(out)) throw usage(`${out} is already there; a genesis is never replaced`);
  const parts = partsOf(options.chainId, identities, {
    stake: options.stake === true ? STAKE_PROFILES.production : undefined,
    // Where all identities have one, unless somebody says no.
    ...(options.epochKeys === false ? { epochKeys: false } : {}),
    work: options.work,
    time: timeOf(options),
    puzzle: options.puzzle,
    space: spaceOf(options),
    location: options.location === true ? LOCATION_DEFAULT : undefined,
  });
  const parameters = parametersOf(options);
  const { text, parsed } = makeGenesis({
    chainId: options.chainId,
    timeMs: realClock.wallMs(),
    // No key of development is among them: only what the chain asks for may be too weak.
    insecure:
      parts !== undefined &&
      weakParts(parts.proofs, { ...DEFAULT_PARAMETERS, ...parameters }).length > 0,
    identities,
    actors,
    parameters,
    ...parts,
  });
  writeFileAtomic(out, text);
  const hash = toHex(parsed.hash);
  context.print(
    {
      genesis: out,
      hash,
      chainId: options.chainId,
      validators: identities.length,
      actors: actors.length,
    },
    [
      ["genesis", out],
      ["hash", hash],
      ["validators", identities.map((identity) => identity.name).join(", ")],
      ["actors", actors.map((actor) => actor.name).join(", ") || "none"],
    ],
  );
  if (identities.length < 4) {
    context.note(
      `${identities.length} validators cannot outvote a bad one; four are the least that can`,
    );
  }
  if (actors.length === 0) {
    context.note("no actor is in this genesis: nobody will be able to write; see init --actor");
  }
  noteProofs(context, parsed.genesis);
  if (parsed.genesis.proofs.beacon === null) {
    context.note(
      "the chain has no beacon: that takes identities made with --chain-id, before the genesis",
    );
  }
  context.note("every member compares the hash with the others before it starts");
};

const parseNode = (text: string, index: number): Omit<DevNode, "folder"> => {
  const match = /^([^=]+)=([^,]+)(?:,(.+))?$/.exec(text);
  if (match === null) throw usage(`--node "${text}" is not name=[ipv6]:port`);
  const [, name = "", listen = "", api = `[::1]:${8440 + index}`] = match;
  return {
    name: checkName(name, "the name in --node"),
    listen: formatAddress(parsePeerAddress(listen, `--node ${name}`)),
    api: formatAddress(parseBindAddress(api, `--node ${name}`)),
  };
};

const initNetwork = async (context: CliContext, options: InitOptions): Promise<void> => {
  const nodes = (options.node ?? []).map(parseNode);
  if (nodes.length === 0) throw usage("--network needs at least one --node name=[ipv6]:port");
  const chainId = options.chainId ?? `net-${randomHex(8)}`;
  const record = await createNetwork(context.dir, {
    kind: "tetrad-network",
    chainId,
    nodes,
    issuer: options.issuer === true,
    stake: options.stake === true ? STAKE_PROFILES.dev : undefined,
    epochKeys: options.stake === true && options.epochKeys !== false,
    work: options.work,
    time: timeOf(options),
    puzzle: options.puzzle,
    space: spaceOf(options),
    location: options.location === true ? LOCATION_DEFAULT : undefined,
    parameters: parametersOf(options),
  });
  const configs = record.nodes.map((node) => nodePaths(join(context.dir, node.folder)).config);
  const genesis = join(context.dir, "genesis.json");
  const parsed = readGenesis(genesis);
  const hash = toHex(parsed.hash);
  const apis = record.nodes.map(({ api }) => `http://${api}`);
  context.print({ chainId, genesis, hash, configs, apis }, [
    ["chain", chainId],
    ["genesis", genesis],
    ["hash", hash],
    ...configs.map((config): [string, string] => ["config", config]),
    ...apis.map((api): [string, string] => ["API", api]),
  ]);
  context.note(
    "all keys lie in this folder with their passphrases: for tests and hosts of one owner",
  );
  noteProofs(context, parsed.genesis);
  for (const config of configs) {
    context.suggest(`nexus start --config ${relative(context.cwd, config)}`);
  }
};
