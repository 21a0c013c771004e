/**
 * A proof of space as it is handed over: whose, on which chain, an answer to which challenge, and the
 * openings.
 *
 *     "tetrad-space-proof\n"   u16 version = 1   u32 length || chain id   u8 kind   seed(32)
 *     of an event: laneId(32)  u64 laneSeq
 *     u16 n × statement(138)   u32 length || openings
 *
 * kind is 1 admission, 2 epoch, 3 block, 4 event. Admissions and events are of one sector; the sectors of an
 * epoch or a block are all those of one validator, in ascending order of their number. That the list is
 * complete, that the statements are those that were admitted, and that the seed is the beacon's is for who
 * knows the chain.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { DecodeError, Reader, utf8, Writer } from "../../crypto/codec.ts";
import { createHasher, type Hasher } from "../../crypto/hash.ts";
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { graphOf, verifyAdmission } from "./admission.ts";
import {
  blockChallenges,
  type Challenge,
  epochChallenges,
  eventChallenges,
  type LanePlace,
} from "./challenges.ts";
import { verifyOpenings } from "./openings.ts";
import { checkSpaceParameters, type SpaceParameters } from "./parameters.ts";
import {
  readStatement,
  type SectorStatement,
  STATEMENT_BYTES,
  writeStatement,
} from "./statement.ts";
import { createSpaceHashes } from "./tree.ts";

export type SpaceChallenge =
  | { readonly kind: "admission"; readonly seed: Uint8Array }
  | { readonly kind: "epoch" | "block"; readonly seed: Uint8Array }
  | ({ readonly kind: "event"; readonly seed: Uint8Array } & LanePlace);

export type SpaceProofKind = SpaceChallenge["kind"];

export type SpaceProof = {
  readonly chainId: string;
  readonly challenge: SpaceChallenge;
  readonly sectors: readonly SectorStatement[];
  readonly openings: Uint8Array;
};

const MAGIC = utf8("tetrad-space-proof\n");
const VERSION = 1;
const KINDS: readonly SpaceProofKind[] = ["admission", "epoch", "block", "event"];

export const encodeSpaceProof = ({
  chainId,
  challenge,
  sectors,
  openings,
}: SpaceProof): Uint8Array => {
  const writer = new Writer(openings.length + STATEMENT_BYTES * sectors.length + 256);
  writer.raw(MAGIC).u16(VERSION).string(chainId);
  writer.u8(KINDS.indexOf(challenge.kind) + 1).hash(challenge.seed);
  if (challenge.kind === "event") writer.hash(challenge.laneId).u64(challenge.laneSeq);
  writer.u16(sectors.length);
  for (const statement of sectors) writeStatement(writer, statement);
  return writer.bytes(openings).finish();
};

/** Reads a proof; nothing in it is checked but its form. Code: space.proof-shape. */
export const decodeSpaceProof = (bytes: Uint8Array): Result<SpaceProof> => {
  try {
    return readProof(new Reader(bytes));
  } catch (error) {
    if (error instanceof DecodeError) return fail("space.proof-shape", error.message);
    throw error;
  }
};

const readProof = (reader: Reader): Result<SpaceProof> => {
  const shape = (detail: string): Result<never> => fail("space.proof-shape", detail);
  if (!equalBytes(reader.fixed(MAGIC.length), MAGIC)) return shape("not a proof of space");
  const version = reader.u16();
  if (version !== VERSION) return shape(`version ${version} is not known`);
  const chainId = reader.string(LIMITS.chainIdBytesMax);
  const kind = KINDS[reader.u8() - 1];
  if (kind === undefined) return shape("an unknown kind of challenge");
  const seed = reader.hash().slice();
  const challenge: SpaceChallenge =
    kind === "event"
      ? { kind, seed, laneId: reader.hash().slice(), laneSeq: reader.u64() }
      : { kind, seed };
  const count = reader.u16();
  if (count < 1 || count > LIMITS.spaceSectorsMax) return shape(`${count} sectors`);
  if (count * STATEMENT_BYTES > reader.remaining) return shape(`${count} sectors do not fit`);
  const sectors = Array.from({ length: count }, () => readStatement(reader));
  const openings = reader.bytes(LIMITS.spaceProofBytesMax);
  reader.end();
  return ok({ chainId, challenge, sectors, openings });
};

/** One validator's sectors, of the shape of the parameters, in order. */
const checkSectors = (
  parameters: SpaceParameters,
  { kind }: SpaceChallenge,
  sectors: readonly SectorStatement[],
): Result<SectorStatement> => {
  const [first] = sectors;
  if (first === undefined) return fail("space.proof-shape", "no sector");
  if (sectors.length > 1 && kind !== "epoch" && kind !== "block") {
    return fail("space.proof-shape", `a proof of ${kind} is of one sector`);
  }
  let before = -1;
  for (const one of sectors) {
    if (one.lgNodes !== parameters.lgNodes || one.layers !== parameters.layers) {
      return fail(
        "space.proof-shape",
        `a sector of 2^${one.lgNodes} nodes and ${one.layers} layers, not the parameters'`,
      );
    }
    if (!equalBytes(one.validatorId, first.validatorId)) {
      return fail("space.proof-shape", "the sectors are of two validators");
    }
    if (one.sectorNo <= before) return fail("space.proof-shape", "the sectors are not in order");
    before = one.sectorNo;
  }
  return ok(first);
};

/** A challenge that is answered with nodes as they are stored. */
export type OpeningChallenge = Exclude<SpaceChallenge, { readonly kind: "admission" }>;

/** The nodes that a challenge of an epoch, a block or an event asks for. */
export const challengesOf = (
  hasher: Hasher,
  parameters: SpaceParameters,
  challenge: OpeningChallenge,
  sectors: readonly SectorStatement[],
): readonly Challenge[] => {
  const [first] = sectors;
  if (first === undefined) return [];
  const { seed } = challenge;
  const { validatorId } = first;
  switch (challenge.kind) {
    case "epoch":
      return epochChallenges(hasher, parameters, validatorId, sectors.length, seed);
    case "block":
      return blockChallenges(hasher, parameters, validatorId, sectors.length, seed);
    case "event":
      return eventChallenges(hasher, parameters, first, challenge, seed);
  }
};

/**
 * Checks a proof that was read, against the parameters of its chain. Gives the number of nodes that were
 * opened. Codes: space.parameters, space.proof-shape, space.proof-path, space.proof-label.
 */
export const verifySpaceProof = (
  parameters: SpaceParameters,
  { chainId, challenge, sectors, openings }: SpaceProof,
): Result<number> => {
  const checked = checkSpaceParameters(parameters);
  if (!checked.ok) return checked;
  const first = checkSectors(parameters, challenge, sectors);
  if (!first.ok) return first;
  const hasher = createHasher(chainId);
  const hashes = createSpaceHashes(hasher);
  const { lgNodes, layers } = parameters;
  if (challenge.kind === "admission") {
    const graph = graphOf(lgNodes, layers);
    const { seed } = challenge;
    return verifyAdmission(hasher, hashes, graph, parameters, first.value, seed, openings);
  }
  const challenges = challengesOf(hasher, parameters, challenge, sectors);
  return verifyOpenings(hashes, lgNodes, sectors, challenges, openings);
};
