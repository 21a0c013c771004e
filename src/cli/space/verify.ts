/** `nexus space verify`: checks a proof of space, and says what of it was held against what. */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { parametersOf } from "../../node/space/prove.ts";
import { decodeSpaceProof, type SpaceProof, verifySpaceProof } from "../../proofs/space/proof.ts";
import { STATEMENT_BYTES } from "../../proofs/space/statement.ts";
import type { CliContext } from "../context.ts";
import { chainSpace, provenSector } from "./prove.ts";

export type VerifyOptions = {
  readonly seed?: string;
  readonly sector?: readonly string[];
  readonly genesis?: string;
};

/** What stands before the openings, at most. */
const HEAD_BYTES_MAX = 1024 + STATEMENT_BYTES * LIMITS.spaceSectorsMax;

const readProofFile = (path: string): SpaceProof => {
  let bytes: Uint8Array;
  try {
    const { size } = statSync(path);
    if (size > LIMITS.spaceProofBytesMax + HEAD_BYTES_MAX) {
      throw new TetradError("space.proof-shape", `${path} has ${size} bytes, more than any proof`);
    }
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof TetradError) throw error;
    throw new TetradError("cli.usage", `${path} cannot be read: ${(error as Error).message}`);
  }
  const proof = decodeSpaceProof(bytes);
  if (!proof.ok) throw TetradError.from(proof);
  return proof.value;
};

type Comparison = { readonly what: string; readonly isGiven: boolean; readonly isSame: boolean };

const comparisons = (
  options: VerifyOptions,
  { challenge }: SpaceProof,
  ids: readonly string[],
): readonly Comparison[] => {
  const { seed, sector, genesis } = options;
  const wanted = sector?.map((id) => id.toLowerCase()).sort();
  return [
    // Another one was refused before anything else.
    { what: "chain id", isGiven: genesis !== undefined, isSame: true },
    { what: "seed", isGiven: seed !== undefined, isSame: seed === toHex(challenge.seed) },
    {
      what: "sectors",
      isGiven: wanted !== undefined,
      isSame: wanted?.join() === ids.toSorted().join(),
    },
  ];
};

export const verify = async (
  context: CliContext,
  options: VerifyOptions,
  path: string,
): Promise<void> => {
  const proof = readProofFile(resolve(context.cwd, path));
  const { chainId, challenge, sectors } = proof;
  const [first] = sectors;
  if (first === undefined) throw new TetradError("space.proof-shape", "no sector");
  const proven = sectors.map((statement) => provenSector(chainId, statement));
  const ids = proven.map(({ sectorId }) => sectorId);
  const chain = chainSpace(context, options.genesis, [{ what: "the proof", chainId }]);
  const compared = comparisons(options, proof, ids);
  const foreign = compared.find(({ isGiven, isSame }) => isGiven && !isSame);
  if (foreign !== undefined) {
    throw new TetradError("space.proof-foreign", `the proof is of another ${foreign.what}`);
  }
  const verified = verifySpaceProof(parametersOf(first, chain), proof);
  if (!verified.ok) throw TetradError.from(verified);
  const named = (isGiven: boolean): string[] =>
    compared.filter((one) => one.isGiven === isGiven).map(({ what }) => what);
  const { kind } = challenge;
  const validator = toHex(first.validatorId);
  const nodes = verified.value;
  const seed = toHex(challenge.seed);
  const said = { compared: named(true), taken: named(false) };
  context.print({ kind, chainId, validator, sectors: proven, nodes, seed, ...said }, [
    ["proof of", `${kind}, on ${chainId}: right`],
    ["validator", validator],
    ["sectors", proven.map(({ sector }) => sector).join(", ")],
    ["nodes opened", nodes],
    ["held against what you gave", said.compared.join(", ") || "nothing"],
    ["taken from the proof", said.taken.join(", ") || "nothing"],
  ]);
};
