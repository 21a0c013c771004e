/** What a simulated chain asks for of the four proofs: the same code as everywhere, with small numbers. */
import { toHex } from "../src/crypto/bytes.ts";
import type { Hasher } from "../src/crypto/hash.ts";
import type { Genesis } from "../src/ledger/genesis.ts";
import {
  type GenesisSector,
  NO_PROOFS,
  NO_PROVER,
  WITHOUT_PROOFS,
} from "../src/ledger/genesis-proofs.ts";
import { genesisSectorBeacon } from "../src/ledger/projections/space/index.ts";
import type { Hash, ValidatorSet } from "../src/ledger/types.ts";
import type { LocationParameters } from "../src/proofs/location/parameters.ts";
import { admissionBytes } from "../src/proofs/space/parameters.ts";
import { sectorId } from "../src/proofs/space/statement.ts";
import { STAKE_PROFILES, type StakeParameters } from "../src/proofs/stake/parameters.ts";
import type { TimeParameters } from "../src/proofs/time/parameters.ts";
import { PRICE_ONE, WORK_PROFILES, type WorkParameters } from "../src/proofs/work/index.ts";
import type {
  ClaimTerms,
  LocationTerms,
  SpaceTerms,
  StakeTerms,
  WorkTerms,
} from "./checkers/types.ts";
import { SIM_BEACON_DEPTH } from "./ivrf-keys.ts";
import type { ProofPart } from "./scenario.ts";
import { SIM_SPACE } from "./space.ts";

/**
 * Argon2id of 8 KiB: a try costs microseconds. A batch of the usual clients has some 1,200 units, so that it
 * costs an effort of 3 to begin with, and two of them in a block make the next ones dearer.
 */
export const SIM_WORK: WorkParameters = {
  ...WORK_PROFILES.test,
  price: {
    priceMin: PRICE_ONE,
    priceMax: 64n * PRICE_ONE,
    priceStart: 2n * PRICE_ONE,
    pricedUnits: 1024n,
    targetUnits: 1500n,
  },
};

/** Runs of 64 leaves, of which 8 are opened: who computes half of them gets through once in 256 times. */
export const SIM_TIME: TimeParameters = {
  tailBlocks: 1,
  leavesLog2Max: 6,
  challenges: 8,
  selfChallenges: 8,
};

/** A calm round trip is some 2 ms. */
export const SIM_LOCATION: LocationParameters = {
  ...{ rounds: 4, labels: 4 },
  zones: [
    { name: "near", rttMaxUs: 20_000 },
    { name: "far", rttMaxUs: 400_000 },
  ],
};

/** Turns are judged over so few that a run of half a minute can see who is down, and who is back. */
export const SIM_STAKE: StakeParameters = { ...STAKE_PROFILES.dev, windowBlocks: 4 };

/** What a genesis says of proofs. A scenario that asks for none is of format 1, as ever. */
export const genesisParts = (
  { validators }: ValidatorSet,
  asked: {
    readonly parts?: readonly ProofPart[] | undefined;
    readonly withStake: boolean;
    rootOf(id: Hash): Hash;
    sectorsOf(id: Hash): readonly GenesisSector[];
    epochKeyOf(id: Hash): Uint8Array | undefined;
  },
): Pick<Genesis, "format" | "proofs" | "provers"> => {
  const { parts = [], withStake } = asked;
  if (parts.length === 0 && !withStake) return { format: 1, ...WITHOUT_PROOFS };
  const isOfStake = (part: ProofPart): boolean => part === "stake" || part === "epoch-keys";
  const beacon = parts.every(isOfStake) ? null : { depth: SIM_BEACON_DEPTH };
  // A chain that asks for shares asks for work: both are one part of its genesis.
  const work = parts.includes("work") || parts.includes("shares") ? SIM_WORK : null;
  const time = parts.includes("time") ? SIM_TIME : null;
  const space = parts.includes("space") ? SIM_SPACE : null;
  const stake = withStake ? SIM_STAKE : null;
  return {
    format: 2,
    proofs: {
      ...{ ...NO_PROOFS, beacon, work, space, time, stake },
      ...(parts.includes("epoch-keys") ? { epochKeys: true } : {}),
      ...(parts.includes("location") ? { location: SIM_LOCATION } : {}),
    },
    provers: validators.map(({ id }) => {
      const epochKey = asked.epochKeyOf(id);
      return {
        ...(beacon === null
          ? NO_PROVER
          : { ivrfRoot: asked.rootOf(id), sectors: space === null ? [] : asked.sectorsOf(id) }),
        ...(epochKey === undefined ? {} : { epochKey }),
      };
    }),
  };
};

/** For the checkers, which take nothing from the code that they judge. */
export const workTermsOf = ({ proofs }: Genesis): WorkTerms | undefined => {
  const { work } = proofs;
  if (work === null || work.puzzle.kind !== "argon2id") return undefined;
  return { memoryKiB: work.puzzle.memoryKiB, ...work.price };
};

/** Of the proofs of an epoch; undefined where the chain asks for neither. */
export const claimTermsOf = ({ proofs }: Genesis): ClaimTerms | undefined => {
  const { time, work } = proofs;
  if (time === null && work === null) return undefined;
  return {
    ...(time === null
      ? {}
      : { time: { tailBlocks: time.tailBlocks, leavesLog2: time.leavesLog2Max } }),
    ...(work === null ? {} : { shares: work.shares }),
  };
};

/** What the oracle's own account of stake goes by; undefined where the validators are those of the genesis. */
export const stakeTermsOf = (genesis: Genesis): StakeTerms | undefined => {
  const { stake } = genesis.proofs;
  if (stake === null) return undefined;
  return {
    windowTurns: stake.windowBlocks,
    votedBpsMin: Number(stake.votedBpsMin),
    stakePerUnit: stake.stakePerWorkUnit,
    claims: claimTermsOf(genesis),
  };
};

/** What bounds are held against; undefined where nobody is asked where it is. */
export const locationTermsOf = ({ proofs }: Genesis): LocationTerms | undefined => {
  const { location } = proofs;
  if (location === undefined) return undefined;
  const zones = new Map(location.zones.map(({ name, rttMaxUs }) => [name, rttMaxUs]));
  return { rounds: location.rounds, zones };
};

/** As for work: what the oracle's own judgement of space begins with. */
export const spaceTermsOf = (genesis: Genesis, hasher: Hasher): SpaceTerms | undefined => {
  const { space } = genesis.proofs;
  if (space === null) return undefined;
  const beacon = genesisSectorBeacon(hasher, genesis.timeMs);
  const roots = new Map<string, string>();
  const columns = new Map<string, string>();
  const sectorIds = new Map<string, Uint8Array>();
  for (const [i, { id }] of genesis.validators.entries()) {
    const sector = genesis.provers[i]?.sectors[0];
    if (sector === undefined) continue;
    const { number: sectorNo, commC, commRl } = sector;
    const { lgNodes, layers } = space;
    roots.set(toHex(id), toHex(commRl));
    columns.set(toHex(id), toHex(commC));
    const statement = { validatorId: id, sectorNo, beacon, lgNodes, layers, commC, commRl };
    sectorIds.set(toHex(id), sectorId(hasher, statement));
  }
  const each = admissionBytes(space.lgNodes, space.layers, 1);
  return { ...space, roots, columns, sectorIds, admissionBytes: each };
};
