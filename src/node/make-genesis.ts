/** Assembles a genesis from identities: what the members of a new network agree on before it starts. */
import { TetradError } from "../errors.ts";
import {
  formatGenesis,
  type GenesisInput,
  type GenesisParameters,
  type ParsedGenesis,
  parseGenesis,
} from "../ledger/genesis.ts";
import {
  type GenesisProofs,
  type GenesisProver,
  NO_PROOFS,
  NO_PROVER,
} from "../ledger/genesis-proofs.ts";
import type { LocationParameters } from "../proofs/location/parameters.ts";
import type { SpaceParameters } from "../proofs/space/parameters.ts";
import type { StakeParameters } from "../proofs/stake/parameters.ts";
import type { TimeParameters } from "../proofs/time/parameters.ts";
import {
  PUZZLES,
  type PuzzleName,
  WORK_PROFILES,
  type WorkParameters,
  type WorkProfile,
} from "../proofs/work/index.ts";
import type { Identity } from "./identity.ts";

/** Fits members across a continent; see docs/operating.md before changing one. */
export const DEFAULT_PARAMETERS: GenesisParameters = {
  epochMs: 3_600_000,
  idleMs: 1_000,
  t0Ms: 200,
  precisionMs: 500,
  messageDelayMs: 2_000,
};

/** Of a chain with stake: as much as a unit of space, or of work, carries by the profiles. */
const FIRST_BOND = 1_000n;

export type GenesisActorInput = GenesisInput["actors"][number];

export type NewGenesis = {
  readonly chainId: string;
  readonly timeMs: number;
  readonly insecure: boolean;
  readonly identities: readonly Identity[];
  readonly actors: readonly GenesisActorInput[];
  readonly parameters?: Partial<GenesisParameters>;
  /** Which proofs the chain asks for: a genesis of format 2. Absent: of format 1, which asks for none. */
  readonly proofs?: GenesisProofs;
  /** What the validators have ready for them, in the order of the identities. */
  readonly provers?: readonly GenesisProver[];
};

/** What somebody wants of a new chain beside its beacon; left out is not asked for. */
export type WantedParts = {
  readonly stake?: StakeParameters | undefined;
  /** Keys of epochs (docs/stake.md); only with stake. Undefined: where all identities have one. */
  readonly epochKeys?: boolean | undefined;
  /** Of every batch. */
  readonly work?: WorkProfile | undefined;
  /** Instead of that of the profile. */
  readonly puzzle?: PuzzleName | undefined;
  /** Of every validator, once an epoch. */
  readonly time?: TimeParameters | undefined;
  /** Sectors of every validator; the genesis has none of them unless somebody has made them before it. */
  readonly space?: SpaceParameters | undefined;
  /** Whether validators measure each other; only with space. */
  readonly location?: LocationParameters | undefined;
};

const workOf = (profile: WorkProfile, puzzle: PuzzleName | undefined): WorkParameters => {
  const parameters = WORK_PROFILES[profile];
  return puzzle === undefined ? parameters : { ...parameters, puzzle: PUZZLES[puzzle] };
};

/**
 * What a new chain asks for: a beacon where every validator has an iVRF key of one depth for this chain, and
 * what is wanted besides; stake bounds power alone. Undefined where that is nothing. Throws config.genesis
 * where only some of the identities are for this chain, and where work, time or space is wanted without a beacon.
 */
export const partsOf = (
  chainId: string,
  identities: readonly Identity[],
  { stake, epochKeys, work, puzzle, time, space, location }: WantedParts,
): Required<Pick<NewGenesis, "proofs" | "provers">> | undefined => {
  const keys = identities.map(({ ivrf }) => (ivrf?.chainId === chainId ? ivrf : undefined));
  const [first] = keys;
  const isReady = first !== undefined && keys.every((key) => key?.depth === first.depth);
  if (!isReady && keys.some((key) => key !== undefined)) {
    const without = identities[keys.indexOf(undefined)]?.name ?? "one of them";
    const detail = `some identities have an iVRF key for the beacon of ${chainId}, and ${without} has none`;
    throw new TetradError("config.genesis", detail);
  }
  if (!isReady && [work, time, space].some((part) => part !== undefined)) {
    const detail = `work, time and space need a beacon, and no identity has an iVRF key for that of ${chainId}`;
    throw new TetradError("config.genesis", detail);
  }
  if (!isReady && stake === undefined) return undefined;
  const rotates = stake !== undefined && wantsEpochKeys(identities, epochKeys);
  return {
    proofs: {
      ...NO_PROOFS,
      ...(rotates ? { epochKeys: true } : {}),
      beacon: isReady ? { depth: first.depth } : null,
      work: work === undefined ? null : workOf(work, puzzle),
      space: space ?? null,
      time: time ?? null,
      stake: stake ?? null,
      ...(location === undefined ? {} : { location }),
    },
    provers: keys.map((key, i): GenesisProver => {
      const epochKey = identities[i]?.epochKey;
      return {
        ...NO_PROVER,
        ...(isReady && key !== undefined ? { ivrfRoot: key.root } : {}),
        ...(rotates && epochKey !== undefined ? { epochKey } : {}),
      };
    }),
  };
};

/** Throws config.genesis where they are asked for and one of the identities has none. */
const wantsEpochKeys = (identities: readonly Identity[], asked: boolean | undefined): boolean => {
  const without = identities.find(({ epochKey }) => epochKey === undefined);
  if (asked === true && without !== undefined) {
    const detail = `${without.name} has no key of epoch 0: that takes an identity made with --chain-id`;
    throw new TetradError("config.genesis", detail);
  }
  return asked !== false && without === undefined;
};

/** The file and what it means. Throws config.genesis where the parts do not make a genesis. */
export const makeGenesis = (
  input: NewGenesis,
): { readonly text: string; readonly parsed: ParsedGenesis } => {
  const names = input.identities.map((identity) => identity.name);
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new TetradError("config.genesis", `two identities have the name "${repeated}"`);
  }
  const weight = input.proofs?.stake == null ? 1n : FIRST_BOND;
  const text = formatGenesis({
    chainId: input.chainId,
    timeMs: input.timeMs,
    insecure: input.insecure,
    parameters: { ...DEFAULT_PARAMETERS, ...input.parameters },
    validators: input.identities.map(
      ({ name, publicKey, tlsPin, address, ed25519Key, mlDsa44Key }) => ({
        name,
        publicKey,
        weight,
        tlsPin,
        address,
        ed25519Key,
        mlDsa44Key,
      }),
    ),
    actors: input.actors,
    ...(input.proofs === undefined
      ? {}
      : { format: 2, proofs: input.proofs, provers: input.provers ?? [] }),
  });
  const parsed = parseGenesis(text);
  if (!parsed.ok) throw TetradError.from(parsed);
  return { text, parsed: parsed.value };
};
