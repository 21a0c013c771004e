/** Answers challenges from the sectors that are there. What a damaged sector gives is not handed out. */
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { graphOf, makeAdmission } from "../../proofs/space/admission.ts";
import { admissionNodes } from "../../proofs/space/challenges.ts";
import { makeOpenings } from "../../proofs/space/openings.ts";
import { profileOf, SPACE_PROFILES, type SpaceParameters } from "../../proofs/space/parameters.ts";
import {
  challengesOf,
  type SpaceChallenge,
  type SpaceProof,
  verifySpaceProof,
} from "../../proofs/space/proof.ts";
import type { SectorStatement } from "../../proofs/space/statement.ts";
import { createSpaceHashes } from "../../proofs/space/tree.ts";
import { type OpenSector, openLayers } from "./open-sector.ts";

/**
 * The parameters that a sector is held to: what its chain asks for, and where that is nothing or not known those
 * of the profile with its shape. Code: space.parameters.
 */
export const parametersOf = (
  { lgNodes, layers }: SectorStatement,
  chain?: SpaceParameters | null,
): SpaceParameters => {
  const name = profileOf(lgNodes, layers);
  const held = chain ?? (name === undefined ? undefined : SPACE_PROFILES[name]);
  if (held?.lgNodes === lgNodes && held.layers === layers) return held;
  const shape = `sectors of 2^${lgNodes} nodes and ${layers} layers`;
  if (held !== undefined) {
    throw new TetradError("space.parameters", `the genesis does not ask for ${shape}`);
  }
  if (chain === null) {
    const detail = `the genesis asks for no space, and no profile has ${shape}`;
    throw new TetradError("space.parameters", detail);
  }
  throw new TetradError("space.parameters", `no profile has ${shape}`, {
    next: "--genesis FILE names what the sector's chain asks for",
  });
};

const openingsOf = (
  sectors: readonly OpenSector[],
  first: OpenSector,
  parameters: SpaceParameters,
  challenge: SpaceChallenge,
  onNode: (done: number, total: number) => void,
): Uint8Array => {
  const { chainId, statement } = first.header;
  const hasher = createHasher(chainId);
  const hashes = createSpaceHashes(hasher);
  const { lgNodes, layers } = parameters;
  if (challenge.kind === "admission") {
    const reader = openLayers(first);
    try {
      const nodes = admissionNodes(hasher, parameters, statement, challenge.seed);
      const graph = graphOf(lgNodes, layers);
      return makeAdmission(hashes, graph, reader, layers, nodes, (done) => {
        onNode(done, nodes.length);
      });
    } finally {
      reader.close();
    }
  }
  const statements = sectors.map(({ header }) => header.statement);
  const trees = sectors.map(({ tree }) => tree);
  return makeOpenings(hashes, trees, challengesOf(hasher, parameters, challenge, statements));
};

/**
 * Makes a proof of sectors of one validator on one chain, and checks it as anybody would; `chain` is what the
 * genesis asks for, where it is known. Codes:
 * space.parameters, space.layers, space.proof-shape (sectors that do not belong together), space.damaged.
 */
export const proveSpace = (
  opened: readonly OpenSector[],
  challenge: SpaceChallenge,
  onNode: (done: number, total: number) => void = () => {},
  chain?: SpaceParameters | null,
): SpaceProof => {
  const sectors = opened.toSorted(
    (a, b) => a.header.statement.sectorNo - b.header.statement.sectorNo,
  );
  const [first] = sectors;
  if (first === undefined) throw new TetradError("cli.usage", "no sector to prove");
  const { chainId, statement } = first.header;
  const other = sectors.find(({ header }) => header.chainId !== chainId);
  if (other !== undefined) {
    throw new TetradError(
      "space.proof-shape",
      `${other.file} is of the chain ${other.header.chainId}`,
    );
  }
  const parameters = parametersOf(statement, chain);
  const openings = openingsOf(sectors, first, parameters, challenge, onNode);
  const statements = sectors.map(({ header }) => header.statement);
  const proof: SpaceProof = { chainId, challenge, sectors: statements, openings };
  const checked = verifySpaceProof(parameters, proof);
  if (checked.ok) return proof;
  if (checked.code === "space.proof-shape") throw TetradError.from(checked);
  throw new TetradError("space.damaged", `a node that is asked for is damaged: ${checked.detail}`, {
    next: "`nexus space check` names the nodes; what is lost cannot be made again but by sealing",
  });
};
