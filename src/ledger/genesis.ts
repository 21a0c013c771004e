/**
 * The genesis: what a chain starts from. A JSON file for people; its hash is taken over a canonical
 * binary encoding of the content, so neither formatting nor the order of lists matters.
 *
 *     u16 format = 1   u32 length || chainId   u64 timeMs   u8 insecure
 *     u64 epochMs   u64 idleMs   u64 t0Ms   u64 precisionMs   u64 messageDelayMs
 *     u16 n × (id(32)  u32 length || name  u32 length || publicKey  u64 weight  tlsPin(32)
 *              u32 length || address  ed25519Key(32)  mlDsa44Key(1312))   ascending id
 *     u16 n × (id(32)  u32 length || name  u32 length || publicKey
 *              u16 n × (u32 length || permission), ascending)             ascending id
 *
 * Format 2 has, behind that, the four proofs and then what each validator has ready for them, in the order
 * of the validators (genesis-proofs.ts). Format 1 is a chain that asks for no proofs.
 *
 * The hash is Ht("genesis", …). The reader is strict: unknown, missing and repeated keys are refused, so
 * that two people who read one file cannot see two chains.
 */
import { compareBytes, toHex } from "../crypto/bytes.ts";
import { Writer } from "../crypto/codec.ts";
import { createHasher, type Hasher } from "../crypto/hash.ts";
import { fail, ok, type Result } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { parseNodeAddress } from "./address.ts";
import { actorId } from "./batch.ts";
import {
  encodeEpochKeys,
  encodeLocation,
  encodeProofs,
  encodeProver,
  type GenesisProofs,
  type GenesisProver,
  NO_PROOFS,
  NO_PROVER,
  proofsJson,
  readProofs,
  readProver,
  weakParts,
} from "./genesis-proofs.ts";
import {
  hexAt,
  integerAt,
  listAt,
  objectAt,
  parseStrictJson,
  textAt,
  Wrong,
} from "./strict-json.ts";
import type { CheckpointKeys, Hash, Validator } from "./types.ts";
import { TOTAL_WEIGHT_MAX } from "./validator-set.ts";
import { checkpointPolicyOf } from "./verify/checkpoint.ts";
import { noteKeyId } from "./verify/note.ts";

/** Times that every validator must agree on, milliseconds. Ranges: LIMITS.genesisMs. */
export type GenesisParameters = {
  /** An epoch ends with the first block at least this much after its start. */
  readonly epochMs: number;
  /** A leader with nothing to propose waits this long before an empty block. */
  readonly idleMs: number;
  /** D0: the base of the view timers (R5). */
  readonly t0Ms: number;
  /** PBTS: how far honest wall clocks may be apart. */
  readonly precisionMs: number;
  /** PBTS: how long a proposal may travel. */
  readonly messageDelayMs: number;
};

export type GenesisValidator = Validator & CheckpointKeys;

export type GenesisActor = {
  /** Ht("id", publicKey). */
  readonly id: Hash;
  readonly name: string;
  readonly publicKey: Uint8Array;
  /** Event types the actor may write: "record.put", "record.*" or "*". Ascending. */
  readonly permissions: readonly string[];
};

export type Genesis = {
  readonly format: 1 | 2;
  readonly chainId: string;
  /** Ledger time of height 0. */
  readonly timeMs: number;
  /**
   * True for development chains, whose keys lie unprotected on one machine, and for every chain with parameters
   * that show nothing (`weakParts`).
   */
  readonly insecure: boolean;
  readonly parameters: GenesisParameters;
  /** In ascending order of id. */
  readonly validators: readonly GenesisValidator[];
  /** In ascending order of id. */
  readonly actors: readonly GenesisActor[];
  /** Which proofs the chain asks for; none of them in format 1. */
  readonly proofs: GenesisProofs;
  /** What each validator has ready for them, in the order of the validators; empty in format 1. */
  readonly provers: readonly GenesisProver[];
};

export type ParsedGenesis = {
  readonly genesis: Genesis;
  readonly hasher: Hasher;
  readonly hash: Hash;
};

/** What a genesis is made of: ids follow from the keys. */
export type GenesisInput = {
  /** 1 when it is not given: a chain that asks for no proofs. */
  readonly format?: Genesis["format"];
  /** For format 2; `provers` in the order of the validators here. */
  readonly proofs?: GenesisProofs;
  readonly provers?: readonly GenesisProver[];
  readonly chainId: string;
  readonly timeMs: number;
  readonly insecure: boolean;
  readonly parameters: GenesisParameters;
  readonly validators: readonly Omit<GenesisValidator, "id">[];
  readonly actors: readonly Omit<GenesisActor, "id">[];
};

/** What may name a chain. */
export const CHAIN_ID: RegExp = /^[a-z0-9]+([.-][a-z0-9]+)*$/;
const NAME = /^[a-z0-9]+([.-][a-z0-9]+)*$/;
const PERMISSION = /^(\*|[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*){0,3}(\.\*)?)$/;
const WEIGHT = /^[1-9][0-9]{0,18}$/;

const PARAMETERS: readonly (keyof GenesisParameters)[] = [
  "epochMs",
  "idleMs",
  "t0Ms",
  "precisionMs",
  "messageDelayMs",
];

/** Parses and checks a genesis file. Code: config.genesis; data.path says where. */
export const parseGenesis = (text: string): Result<ParsedGenesis> => {
  // A UTF-16 unit is at least one byte of UTF-8, so this never refuses a file within the limit.
  if (text.length > LIMITS.genesisBytesMax) {
    return fail("config.genesis", `the file is over ${LIMITS.genesisBytesMax} bytes`);
  }
  try {
    const genesis = readGenesis(parseStrictJson(text));
    const hasher = createHasher(genesis.chainId);
    return ok({ genesis, hasher, hash: genesisHash(hasher, genesis) });
  } catch (error) {
    if (error instanceof Wrong) {
      return fail("config.genesis", `${error.path || "genesis"}: ${error.message}`, {
        path: error.path,
      });
    }
    if (error instanceof SyntaxError) return fail("config.genesis", `not JSON: ${error.message}`);
    throw error;
  }
};

/**
 * The file of a genesis: two-space JSON with a newline at the end. Does not check; parse the result,
 * which gives the ids and the hash, before it is written anywhere.
 */
export const formatGenesis = (input: GenesisInput): string => {
  const { chainId, timeMs, insecure, parameters } = input;
  const { format = 1, proofs = NO_PROOFS, provers = [] } = input;
  const validators = input.validators.map((one, i) => ({
    name: one.name,
    publicKey: toHex(one.publicKey),
    weight: one.weight.toString(),
    tlsPin: toHex(one.tlsPin),
    address: one.address,
    ed25519Key: toHex(one.ed25519Key),
    mlDsa44Key: toHex(one.mlDsa44Key),
    ...(format === 1 ? {} : proverJson(provers[i] ?? NO_PROVER)),
  }));
  const actors = input.actors.map((one) => ({
    name: one.name,
    publicKey: toHex(one.publicKey),
    permissions: [...one.permissions],
  }));
  const times = Object.fromEntries(PARAMETERS.map((name) => [name, parameters[name]]));
  const body = { chainId, timeMs, insecure, parameters: times, validators, actors };
  const file = format === 1 ? { format, ...body } : { format, ...body, proofs: proofsJson(proofs) };
  return `${JSON.stringify(file, undefined, 2)}\n`;
};

const proverJson = ({ ivrfRoot, sectors, epochKey }: GenesisProver) => ({
  ivrfRoot: toHex(ivrfRoot),
  sectors: sectors.map(({ number, commC, commRl }) => ({
    number,
    commC: toHex(commC),
    commRl: toHex(commRl),
  })),
  ...(epochKey === undefined ? {} : { epochKey: toHex(epochKey) }),
});

/** The canonical encoding at the head of this module. */
export const encodeGenesis = (genesis: Genesis): Uint8Array => {
  const { parameters, validators, actors } = genesis;
  const writer = new Writer(4096);
  writer.u16(genesis.format).string(genesis.chainId).u64(genesis.timeMs);
  writer.u8(genesis.insecure ? 1 : 0);
  for (const name of PARAMETERS) writer.u64(parameters[name]);
  writer.u16(validators.length);
  for (const one of validators) {
    writer.hash(one.id).string(one.name).bytes(one.publicKey).u64big(one.weight);
    writer.hash(one.tlsPin).string(one.address);
    writer.fixed(one.ed25519Key, LIMITS.ed25519PublicKeyBytes);
    writer.fixed(one.mlDsa44Key, LIMITS.mlDsa44PublicKeyBytes);
  }
  writer.u16(actors.length);
  for (const one of actors) {
    writer.hash(one.id).string(one.name).bytes(one.publicKey).u16(one.permissions.length);
    for (const permission of one.permissions) writer.string(permission);
  }
  if (genesis.format === 2) {
    encodeProofs(writer, genesis.proofs);
    for (const prover of genesis.provers) encodeProver(writer, prover);
    encodeEpochKeys(writer, genesis.proofs, genesis.provers);
    encodeLocation(writer, genesis.proofs);
  }
  return writer.finish();
};

/** Ht("genesis", canonical encoding): the hash of height 0. */
export const genesisHash = (hasher: Hasher, genesis: Genesis): Hash =>
  hasher.ht("genesis", encodeGenesis(genesis));

/**
 * The validators with what they sign votes with from epoch 0 on: their keys of that epoch where the chain asks
 * for keys of epochs, else their long-lived ones.
 */
export const firstValidators = ({
  validators,
  provers,
}: Pick<Genesis, "validators" | "provers">): readonly GenesisValidator[] =>
  validators.map((validator, i) => {
    const epochKey = provers[i]?.epochKey;
    return epochKey === undefined ? validator : { ...validator, publicKey: epochKey };
  });

const ROOT = ["format", "chainId", "timeMs", "insecure", "parameters", "validators", "actors"];

function readGenesis(json: unknown): Genesis {
  // The format says which keys there are, so it is looked at before them.
  const format = typeof json === "object" && json !== null && "format" in json ? json.format : 1;
  if (format !== 1 && format !== 2) throw new Wrong("format", "only formats 1 and 2 are known");
  const isSecond = format === 2;
  const root = objectAt("", json, isSecond ? [...ROOT, "proofs"] : ROOT);
  const proofs = isSecond ? readProofs("proofs", root["proofs"]) : NO_PROOFS;
  const chainId = textAt("chainId", root["chainId"], CHAIN_ID, LIMITS.chainIdBytesMax);
  const hasher = createHasher(chainId);
  const timeMs = integerAt("timeMs", root["timeMs"], 0, Number.MAX_SAFE_INTEGER);
  const insecure = root["insecure"];
  if (typeof insecure !== "boolean") throw new Wrong("insecure", "expected true or false");
  const parameters = readParameters(root["parameters"]);
  const weak = insecure ? [] : weakParts(proofs, parameters);
  if (weak.length > 0) {
    throw new Wrong("insecure", `must be true, because of ${weak.join("; ")}`);
  }
  const read = listAt("validators", root["validators"], 1, LIMITS.validatorsMax)
    .map((value, i) => readValidator(hasher, `validators[${i}]`, value, isSecond ? proofs : null))
    .sort(byId);
  const validators = read.map(({ prover: _, ...validator }) => validator);
  const provers = isSecond ? read.map(({ prover }) => prover) : [];
  unique("validators", validators, (one) => toHex(one.publicKey), "publicKey");
  unique("validators", validators, (one) => one.name, "name");
  unique("validators", validators, (one) => toHex(one.tlsPin), "tlsPin");
  unique("validators", validators, (one) => one.address, "address");
  unique("validators", validators, (one) => toHex(one.ed25519Key), "ed25519Key");
  unique("validators", validators, (one) => toHex(one.mlDsa44Key), "mlDsa44Key");
  // One that is long-lived somewhere would not be erased.
  const falcon = [...validators.map((one) => one.publicKey), ...provers.flatMap(epochKeyOf)];
  unique("validators", falcon, toHex, "key");
  // Notes name keys by 32 bits, which can be made to collide: one would then stand for the other.
  const noteKeys = checkpointPolicyOf({
    chainId,
    validators: firstValidators({ validators, provers }),
  }).members.flatMap(({ keys }) => Object.values(keys));
  unique("validators", noteKeys, (key) => `${noteKeyId(key)} of ${key.name}`, "note key id");
  if (validators.reduce((sum, one) => sum + one.weight, 0n) > TOTAL_WEIGHT_MAX) {
    throw new Wrong("validators", "the weights sum to 2^63 or more");
  }
  const actors = listAt("actors", root["actors"], 0, LIMITS.genesisActorsMax)
    .map((value, i) => readActor(hasher, `actors[${i}]`, value))
    .sort(byId);
  unique("actors", actors, (one) => toHex(one.publicKey), "publicKey");
  unique("actors", actors, (one) => one.name, "name");
  return { format, chainId, timeMs, insecure, parameters, validators, actors, proofs, provers };
}

function readParameters(json: unknown): GenesisParameters {
  const from = objectAt("parameters", json, PARAMETERS);
  const time = (name: keyof GenesisParameters): number => {
    const [min, max] = LIMITS.genesisMs[name];
    return integerAt(`parameters.${name}`, from[name], min, max);
  };
  return {
    epochMs: time("epochMs"),
    idleMs: time("idleMs"),
    t0Ms: time("t0Ms"),
    precisionMs: time("precisionMs"),
    messageDelayMs: time("messageDelayMs"),
  };
}

const VALIDATOR = [
  "name",
  "publicKey",
  "weight",
  "tlsPin",
  "address",
  "ed25519Key",
  "mlDsa44Key",
] as const;
const PROVER = ["ivrfRoot", "sectors"] as const;

/** `proofs` is null in format 1, where nothing is said about them. */
function readValidator(
  hasher: Hasher,
  path: string,
  json: unknown,
  proofs: GenesisProofs | null,
): GenesisValidator & { readonly prover: GenesisProver } {
  const ready = proofs?.epochKeys === true ? [...PROVER, "epochKey" as const] : PROVER;
  const from = objectAt(path, json, proofs === null ? VALIDATOR : [...VALIDATOR, ...ready]);
  const prover =
    proofs === null
      ? NO_PROVER
      : readProver(path, objectAt(path, json, [...VALIDATOR, ...ready]), proofs);
  const publicKey = hexAt(`${path}.publicKey`, from.publicKey, LIMITS.falconPublicKeyBytes);
  const weight = textAt(`${path}.weight`, from.weight, WEIGHT, 19);
  const address = parseNodeAddress(from.address);
  if (!address.ok) throw new Wrong(`${path}.address`, address.detail);
  return {
    id: actorId(hasher, publicKey),
    name: textAt(`${path}.name`, from.name, NAME, LIMITS.nameBytesMax),
    publicKey,
    weight: BigInt(weight),
    tlsPin: hexAt(`${path}.tlsPin`, from.tlsPin, 32),
    address: address.value,
    ed25519Key: hexAt(`${path}.ed25519Key`, from.ed25519Key, LIMITS.ed25519PublicKeyBytes),
    mlDsa44Key: hexAt(`${path}.mlDsa44Key`, from.mlDsa44Key, LIMITS.mlDsa44PublicKeyBytes),
    prover,
  };
}

function readActor(hasher: Hasher, path: string, json: unknown): GenesisActor {
  const from = objectAt(path, json, ["name", "publicKey", "permissions"]);
  const publicKey = hexAt(`${path}.publicKey`, from.publicKey, LIMITS.falconPublicKeyBytes);
  const where = `${path}.permissions`;
  const permissions = listAt(where, from.permissions, 0, LIMITS.permissionsMax)
    .map((value, i) => textAt(`${where}[${i}]`, value, PERMISSION, LIMITS.eventTypeBytesMax))
    .sort();
  unique(where, permissions, (one) => one, "permission");
  return {
    id: actorId(hasher, publicKey),
    name: textAt(`${path}.name`, from.name, NAME, LIMITS.nameBytesMax),
    publicKey,
    permissions,
  };
}

const epochKeyOf = ({ epochKey }: GenesisProver): Uint8Array[] =>
  epochKey === undefined ? [] : [epochKey];

const byId = (a: { readonly id: Hash }, b: { readonly id: Hash }): number =>
  compareBytes(a.id, b.id);

function unique<T>(
  path: string,
  list: readonly T[],
  keyOf: (one: T) => string,
  what: string,
): void {
  const seen = new Set<string>();
  for (const one of list) {
    const key = keyOf(one);
    if (seen.has(key)) throw new Wrong(path, `${what} ${key.slice(0, 64)} is listed twice`);
    seen.add(key);
  }
}
