/**
 * What a genesis of format 2 says about the four proofs: which of them a chain asks for, and with which
 * parameters. The code is the same for every choice; only these numbers make a proof weak. A part that is
 * null is not asked for. Space, work and time need the beacon, because their challenges come from it, and
 * voting power follows proofs only where stake is there.
 *
 *     proofs:    part × (beacon, work, space, time, stake), each u8 0, or u8 1 and its fields
 *     beacon:    u8 depth
 *     work:      u8 puzzle (1 equihash-96-5, 2 argon2id)   u32 memoryKiB (0 for the first)
 *                u64 priceMin  priceMax  priceStart  pricedUnits  targetUnits
 *                u32 scryptN   u32 difficulty   u64 triesPerUnit
 *     space:     u8 lgNodes   u8 layers   u32 × (admissionChallenges  sectorOpenings  epochOpenings
 *                blockOpenings  eventOpenings)   u64 responseMs
 *     time:      u32 tailBlocks   u8 leavesLog2Max   u32 challenges   u32 selfChallenges
 *     stake:     u64 × the fields of StakeParameters in their order
 *     validator: ivrfRoot(32), zero where there is no beacon   u16 n × (u64 number  commC(32)  commRl(32))
 *     epoch keys: behind all validators, and only where they are asked for: u8 1   n × publicKey(1793), the key
 *                that each validator, in the same order, signs with from epoch 0 on
 *     location:  behind them, and only where it is asked for: u8 2   u8 rounds   u8 labels
 *                u8 n × (u32 length || name   u32 rttMaxUs)
 */
import { isZero } from "../crypto/bytes.ts";
import type { Writer } from "../crypto/codec.ts";
import { LIMITS } from "../limits.ts";
import {
  checkLocationParameters,
  type LocationParameters,
  ZONE_NAME,
} from "../proofs/location/parameters.ts";
import {
  type BlockTimes,
  checkSpaceParameters,
  type SpaceParameters,
  spaceWeakness,
} from "../proofs/space/parameters.ts";
import { type StakeParameters, stakeParameterFault } from "../proofs/stake/parameters.ts";
import {
  checkTimeParameters,
  type TimeParameters,
  timeWeakness,
} from "../proofs/time/parameters.ts";
import {
  type WorkParameters,
  workParameterFault,
  workWeakness,
} from "../proofs/work/parameters.ts";
import { hexAt, integerAt, listAt, objectAt, textAt, Wrong } from "./strict-json.ts";
import type { Hash } from "./types.ts";

export type BeaconParameters = {
  /** An iVRF key gives the values of 2^depth heights. */
  readonly depth: number;
};

export type GenesisProofs = {
  readonly beacon: BeaconParameters | null;
  readonly work: WorkParameters | null;
  readonly space: SpaceParameters | null;
  readonly time: TimeParameters | null;
  readonly stake: StakeParameters | null;
  /** Validators sign with keys of epochs, which they erase (docs/stake.md). Only together with stake. */
  readonly epochKeys?: true;
  /** Validators measure how far they are from each other. Only together with space. */
  readonly location?: LocationParameters;
};

/** A sector that a chain begins with. Its source is Ht("space/genesis", u64 timeMs of the genesis). */
export type GenesisSector = {
  readonly number: number;
  readonly commC: Hash;
  readonly commRl: Hash;
};

/** What a validator of the genesis has ready for the proofs. */
export type GenesisProver = {
  /** Root of its iVRF key, whose index 0 is height 1; zero where the chain has no beacon. */
  readonly ivrfRoot: Hash;
  /** In ascending order of number; none where the chain asks for no space. */
  readonly sectors: readonly GenesisSector[];
  /** What it signs with from epoch 0 on; there exactly where the chain asks for keys of epochs. */
  readonly epochKey?: Uint8Array;
};

/** A chain that asks for none of the proofs: what format 1 means. */
export const NO_PROOFS: GenesisProofs = {
  beacon: null,
  work: null,
  space: null,
  time: null,
  stake: null,
};

/** The two fields of a genesis of format 1. */
export const WITHOUT_PROOFS: {
  readonly proofs: GenesisProofs;
  readonly provers: readonly GenesisProver[];
} = { proofs: NO_PROOFS, provers: [] };

export const NO_PROVER: GenesisProver = { ivrfRoot: new Uint8Array(32), sectors: [] };

const PARTS = ["beacon", "work", "space", "time", "stake"] as const;
const EPOCH_KEYS = "epochKeys";
const LOCATION = "location";

const hasKey = (json: unknown, key: string): boolean =>
  typeof json === "object" && json !== null && key in json;
const U32_MAX = 0xffff_ffff;
const COUNT = /^(0|[1-9][0-9]{0,15})$/;

const STAKE_BIG = [
  "stakePerSpaceUnit",
  "stakePerWorkUnit",
  "equivocationBps",
  "correlationFactor",
  "downtimeBps",
  "forgeryBps",
  "votedBpsMin",
] as const satisfies readonly (keyof StakeParameters)[];
const STAKE_NUMBER = [
  "windowBlocks",
  "downtimeJailMs",
  "unbondingMs",
  "evidenceMs",
  "trustingMs",
] as const satisfies readonly (keyof StakeParameters)[];
const SPACE = [
  "lgNodes",
  "layers",
  "admissionChallenges",
  "sectorOpenings",
  "epochOpenings",
  "blockOpenings",
  "eventOpenings",
  "responseMs",
] as const satisfies readonly (keyof SpaceParameters)[];
const TIME = [
  "tailBlocks",
  "leavesLog2Max",
  "challenges",
  "selfChallenges",
] as const satisfies readonly (keyof TimeParameters)[];
const PRICE = ["priceMin", "priceMax", "priceStart", "pricedUnits", "targetUnits"] as const;
const SHARES = ["scryptN", "difficulty", "triesPerUnit"] as const;

/** Reads the part of a genesis. Throws `Wrong`. */
export function readProofs(path: string, json: unknown): GenesisProofs {
  const rotates = hasKey(json, EPOCH_KEYS);
  const further = [EPOCH_KEYS, LOCATION].filter((key) => hasKey(json, key));
  const from: Record<string, unknown> = objectAt(path, json, [...PARTS, ...further]);
  if (rotates && from[EPOCH_KEYS] !== true) {
    throw new Wrong(`${path}.${EPOCH_KEYS}`, "expected true, or to be left out");
  }
  const read = <T>(part: (typeof PARTS)[number], reader: (where: string, value: unknown) => T) =>
    from[part] === null ? null : reader(`${path}.${part}`, from[part]);
  const proofs: GenesisProofs = {
    beacon: read("beacon", readBeacon),
    work: read("work", readWork),
    space: read("space", readSpace),
    time: read("time", readTime),
    stake: read("stake", readStake),
    ...(rotates ? { epochKeys: true } : {}),
    ...(further.includes(LOCATION)
      ? { location: readLocation(`${path}.${LOCATION}`, from[LOCATION]) }
      : {}),
  };
  if (proofs.location !== undefined && proofs.space === null) {
    throw new Wrong(`${path}.space`, "location is shown by sectors: it needs space");
  }
  if (rotates && proofs.stake === null) {
    throw new Wrong(`${path}.stake`, "keys of epochs need stake, with which sets change");
  }
  for (const part of ["work", "space", "time"] as const) {
    if (proofs[part] !== null && proofs.beacon === null) {
      throw new Wrong(`${path}.beacon`, `${part} needs a beacon`);
    }
  }
  return proofs;
}

/** Reads what a validator has ready. Throws `Wrong`. */
export function readProver(
  path: string,
  json: Readonly<Record<"ivrfRoot" | "sectors", unknown> & { readonly epochKey?: unknown }>,
  proofs: GenesisProofs,
): GenesisProver {
  const ivrfRoot = hexAt(`${path}.ivrfRoot`, json.ivrfRoot, 32);
  if (isZero(ivrfRoot) !== (proofs.beacon === null)) {
    throw new Wrong(`${path}.ivrfRoot`, "a root is there exactly where the chain has a beacon");
  }
  const most = proofs.space === null ? 0 : LIMITS.genesisSectorsMax;
  const sectors = listAt(`${path}.sectors`, json.sectors, 0, most)
    .map((value, i) => readSector(`${path}.sectors[${i}]`, value))
    .sort((a, b) => a.number - b.number);
  for (const [i, sector] of sectors.entries()) {
    if (sectors[i - 1]?.number === sector.number) {
      throw new Wrong(`${path}.sectors`, `sector ${sector.number} is listed twice`);
    }
  }
  if (proofs.epochKeys !== true) return { ivrfRoot, sectors };
  const epochKey = hexAt(`${path}.epochKey`, json.epochKey, LIMITS.falconPublicKeyBytes);
  return { ivrfRoot, sectors, epochKey };
}

function readSector(path: string, json: unknown): GenesisSector {
  const from = objectAt(path, json, ["number", "commC", "commRl"]);
  return {
    number: integerAt(`${path}.number`, from.number, 0, Number.MAX_SAFE_INTEGER),
    commC: hexAt(`${path}.commC`, from.commC, 32),
    commRl: hexAt(`${path}.commRl`, from.commRl, 32),
  };
}

function readBeacon(path: string, json: unknown): BeaconParameters {
  const [min, max] = LIMITS.beaconDepth;
  return { depth: integerAt(`${path}.depth`, objectAt(path, json, ["depth"]).depth, min, max) };
}

/**
 * Which parts have parameters that show nothing, and why: a chain with one of them must be marked insecure
 * (docs/proofs.md, "Chains that are marked insecure").
 */
export const weakParts = (
  { work, space, time }: Pick<GenesisProofs, "work" | "space" | "time">,
  times: BlockTimes,
): readonly string[] =>
  [
    ["work", work === null ? undefined : workWeakness(work)],
    ["space", space === null ? undefined : spaceWeakness(space, times)],
    ["time", time === null ? undefined : timeWeakness(time)],
  ].flatMap(([part, why]) => (why === undefined ? [] : [`proofs.${part}: ${why}`]));

/** Whole numbers by name, of which a check of their own area says whether they fit each other. */
function numbersAt<K extends string>(
  path: string,
  json: unknown,
  names: readonly K[],
  max: number,
): Record<K, number> {
  const from = objectAt(path, json, names);
  const pairs = names.map((name) => [name, integerAt(`${path}.${name}`, from[name], 0, max)]);
  return Object.fromEntries(pairs) as Record<K, number>;
}

/** Amounts are decimal text, as weights are, so that no reader of JSON rounds them. */
const amountAt = (path: string, value: unknown): bigint => BigInt(textAt(path, value, COUNT, 16));

function readSpace(path: string, json: unknown): SpaceParameters {
  const checked = checkSpaceParameters(numbersAt(path, json, SPACE, U32_MAX));
  if (!checked.ok) throw new Wrong(path, checked.detail);
  return checked.value;
}

function readTime(path: string, json: unknown): TimeParameters {
  const checked = checkTimeParameters(numbersAt(path, json, TIME, U32_MAX));
  if (!checked.ok) throw new Wrong(path, checked.detail);
  return checked.value;
}

function readLocation(path: string, json: unknown): LocationParameters {
  const from = objectAt(path, json, ["rounds", "labels", "zones"]);
  const count = (name: "rounds" | "labels"): number =>
    integerAt(`${path}.${name}`, from[name], 0, U32_MAX);
  const zones = listAt(`${path}.zones`, from.zones, ...LIMITS.locationZones).map((value, i) => {
    const where = `${path}.zones[${i}]`;
    const zone = objectAt(where, value, ["name", "rttMaxUs"]);
    return {
      name: textAt(`${where}.name`, zone.name, ZONE_NAME, LIMITS.nameBytesMax),
      rttMaxUs: integerAt(`${where}.rttMaxUs`, zone.rttMaxUs, 0, U32_MAX),
    };
  });
  const checked = checkLocationParameters({
    rounds: count("rounds"),
    labels: count("labels"),
    zones,
  });
  if (!checked.ok) throw new Wrong(path, checked.detail);
  return checked.value;
}

function readStake(path: string, json: unknown): StakeParameters {
  const from = objectAt(path, json, [...STAKE_BIG, ...STAKE_NUMBER]);
  const big = STAKE_BIG.map((name) => [name, amountAt(`${path}.${name}`, from[name])]);
  const max = Number.MAX_SAFE_INTEGER;
  const small = STAKE_NUMBER.map((n) => [n, integerAt(`${path}.${n}`, from[n], 0, max)]);
  const parameters = Object.fromEntries([...big, ...small]) as StakeParameters;
  const fault = stakeParameterFault(parameters);
  if (fault !== undefined) throw new Wrong(path, fault);
  return parameters;
}

function readWork(path: string, json: unknown): WorkParameters {
  const from = objectAt(path, json, ["puzzle", "price", "shares"]);
  const where = `${path}.price`;
  const prices = objectAt(where, from.price, PRICE);
  const price = PRICE.map((name) => [name, amountAt(`${where}.${name}`, prices[name])]);
  const parameters: WorkParameters = {
    puzzle: readPuzzle(`${path}.puzzle`, from.puzzle),
    price: Object.fromEntries(price) as WorkParameters["price"],
    shares: numbersAt(`${path}.shares`, from.shares, SHARES, Number.MAX_SAFE_INTEGER),
  };
  const fault = workParameterFault(parameters);
  if (fault !== undefined) throw new Wrong(path, fault);
  return parameters;
}

function readPuzzle(path: string, json: unknown): WorkParameters["puzzle"] {
  const kind = typeof json === "object" && json !== null && "kind" in json ? json.kind : undefined;
  if (kind === "equihash-96-5") {
    objectAt(path, json, ["kind"]);
    return { kind };
  }
  if (kind !== "argon2id") throw new Wrong(`${path}.kind`, "expected equihash-96-5 or argon2id");
  const { memoryKiB } = objectAt(path, json, ["kind", "memoryKiB"]);
  return { kind, memoryKiB: integerAt(`${path}.memoryKiB`, memoryKiB, 0, U32_MAX) };
}

const amounts = (of: Readonly<Record<string, bigint | number>>): Record<string, string | number> =>
  Object.fromEntries(
    Object.entries(of).map(([name, value]) => [
      name,
      typeof value === "bigint" ? value.toString() : value,
    ]),
  );

/** The part of a genesis file, as `readProofs` reads it. */
export const proofsJson = (proofs: GenesisProofs): unknown => ({
  ...partsJson(proofs),
  ...(proofs.epochKeys === true ? { epochKeys: true } : {}),
  ...(proofs.location === undefined ? {} : { location: proofs.location }),
});

const partsJson = ({ beacon, work, space, time, stake }: GenesisProofs): object => ({
  beacon,
  work: work && { puzzle: work.puzzle, price: amounts(work.price), shares: work.shares },
  space,
  time,
  stake: stake && amounts(stake),
});

/** The encoding at the head of this module. */
export const encodeProofs = (writer: Writer, proofs: GenesisProofs): void => {
  const { beacon, work, space, time, stake } = proofs;
  writer.u8(beacon === null ? 0 : 1);
  if (beacon !== null) writer.u8(beacon.depth);
  writer.u8(work === null ? 0 : 1);
  if (work !== null) encodeWork(writer, work);
  writer.u8(space === null ? 0 : 1);
  if (space !== null) {
    writer.u8(space.lgNodes).u8(space.layers);
    writer.u32(space.admissionChallenges).u32(space.sectorOpenings).u32(space.epochOpenings);
    writer.u32(space.blockOpenings).u32(space.eventOpenings).u64(space.responseMs);
  }
  writer.u8(time === null ? 0 : 1);
  if (time !== null) {
    writer.u32(time.tailBlocks).u8(time.leavesLog2Max);
    writer.u32(time.challenges).u32(time.selfChallenges);
  }
  writer.u8(stake === null ? 0 : 1);
  if (stake === null) return;
  for (const name of STAKE_FIELDS) writer.u64big(BigInt(stake[name]));
};

/** In the order of the type, which is that of the encoding. */
const STAKE_FIELDS: readonly (keyof StakeParameters)[] = [
  "stakePerSpaceUnit",
  "stakePerWorkUnit",
  "equivocationBps",
  "correlationFactor",
  "downtimeBps",
  "forgeryBps",
  "windowBlocks",
  "votedBpsMin",
  "downtimeJailMs",
  "unbondingMs",
  "evidenceMs",
  "trustingMs",
];

function encodeWork(writer: Writer, { puzzle, price, shares }: WorkParameters): void {
  const argon = puzzle.kind === "argon2id";
  writer.u8(argon ? 2 : 1).u32(argon ? puzzle.memoryKiB : 0);
  for (const name of PRICE) writer.u64big(price[name]);
  writer.u32(shares.scryptN).u32(shares.difficulty).u64(shares.triesPerUnit);
}

/** A validator's own part of the encoding. */
export const encodeProver = (writer: Writer, { ivrfRoot, sectors }: GenesisProver): void => {
  writer.hash(ivrfRoot).u16(sectors.length);
  for (const { number, commC, commRl } of sectors) writer.u64(number).hash(commC).hash(commRl);
};

/** The end of the encoding: nothing where keys of epochs are not asked for. */
export const encodeEpochKeys = (
  writer: Writer,
  { epochKeys }: GenesisProofs,
  provers: readonly GenesisProver[],
): void => {
  if (epochKeys !== true) return;
  writer.u8(1);
  for (const { epochKey } of provers) {
    if (epochKey === undefined) throw new RangeError("a validator of the genesis has no epoch key");
    writer.fixed(epochKey, LIMITS.falconPublicKeyBytes);
  }
};

/** The very end of the encoding: nothing where location is not asked for. */
export const encodeLocation = (writer: Writer, { location }: GenesisProofs): void => {
  if (location === undefined) return;
  writer.u8(2).u8(location.rounds).u8(location.labels).u8(location.zones.length);
  for (const { name, rttMaxUs } of location.zones) writer.string(name).u32(rttMaxUs);
};
