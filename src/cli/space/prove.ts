/** `nexus space prove`: answers a challenge. */
import { resolve } from "node:path";
import { equalBytes, fromHex, toHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { writeFileAtomic } from "../../node/folder.ts";
import { readGenesis } from "../../node/read-genesis.ts";
import { realClock } from "../../node/real-ports.ts";
import { type OpenSector, openSector } from "../../node/space/open-sector.ts";
import { parametersOf, proveSpace } from "../../node/space/prove.ts";
import { openingBytes, type SpaceParameters } from "../../proofs/space/parameters.ts";
import {
  encodeSpaceProof,
  type SpaceChallenge,
  type SpaceProof,
} from "../../proofs/space/proof.ts";
import { type SectorStatement, sectorId } from "../../proofs/space/statement.ts";
import type { CliContext } from "../context.ts";
import { createProgress } from "../progress.ts";

export type ProveOptions = {
  readonly out: string;
  readonly admission?: string;
  readonly epoch?: string;
  readonly block?: string;
  readonly event?: string;
  readonly lane?: string;
  readonly laneSeq: number;
  readonly genesis?: string;
};

const challengeOf = (options: ProveOptions): SpaceChallenge => {
  const given = (["admission", "epoch", "block", "event"] as const).flatMap((kind) => {
    const seed = options[kind];
    return seed === undefined ? [] : [{ kind, seed: fromHex(seed) }];
  });
  const [challenge, ...others] = given;
  if (challenge === undefined || others.length > 0) {
    throw new TetradError(
      "cli.usage",
      "give one challenge: --admission, --epoch, --block or --event",
    );
  }
  const { kind, seed } = challenge;
  if (kind !== "event") return { kind, seed };
  if (options.lane === undefined) {
    throw new TetradError("cli.usage", "the challenge of a batch also needs --lane");
  }
  return { kind, seed, laneId: fromHex(options.lane), laneSeq: options.laneSeq };
};

/** Nodes that a proof has opened, of those that it was asked for. */
const openedNodes = (
  { challenge, sectors, openings }: SpaceProof,
  chain: SpaceParameters | null | undefined,
): number => {
  const [first] = sectors;
  if (first === undefined) return 0;
  if (challenge.kind !== "admission") return openings.length / openingBytes(first.lgNodes);
  return parametersOf(first, chain).admissionChallenges;
};

/** What a sector or a proof says of its chain. A proof has no hash of the genesis. */
export type OfChain = {
  readonly what: string;
  readonly chainId: string;
  readonly genesisHash?: Uint8Array;
};

/**
 * What the genesis in a file asks for; undefined where none is named. It is refused where it is not that of what is
 * proven. Codes: space.proof-foreign, and those of reading a genesis.
 */
export const chainSpace = (
  context: CliContext,
  file: string | undefined,
  of: readonly OfChain[],
): SpaceParameters | null | undefined => {
  if (file === undefined) return undefined;
  const { genesis, hash } = readGenesis(resolve(context.cwd, file));
  for (const { what, chainId, genesisHash = hash } of of) {
    const detail =
      chainId === genesis.chainId
        ? `${what} is of another genesis of the chain id ${chainId}`
        : `${what} is of the chain id ${chainId}, the genesis of ${genesis.chainId}`;
    if (chainId !== genesis.chainId || !equalBytes(genesisHash, hash)) {
      throw new TetradError("space.proof-foreign", detail);
    }
  }
  return genesis.proofs.space;
};

/** A sector of a proof, as it is printed. */
export const provenSector = (
  chainId: string,
  statement: SectorStatement,
): { readonly sector: number; readonly sectorId: string } => ({
  sector: statement.sectorNo,
  sectorId: toHex(sectorId(createHasher(chainId), statement)),
});

const printProof = (
  context: CliContext,
  out: string,
  proof: SpaceProof,
  { nodes, bytes, genesis }: { nodes: number; bytes: number; genesis: string | undefined },
): void => {
  const { chainId, challenge, sectors } = proof;
  const [first] = sectors;
  const validator = toHex(first?.validatorId ?? new Uint8Array(0));
  const proven = sectors.map((statement) => provenSector(chainId, statement));
  const seed = toHex(challenge.seed);
  context.print(
    { out, kind: challenge.kind, chainId, validator, sectors: proven, nodes, bytes, seed },
    [
      ["proof", out],
      ["of", `${challenge.kind}, on ${chainId}`],
      ["validator", validator],
      ["sectors", proven.map(({ sector }) => sector).join(", ")],
      ["nodes opened", nodes],
      ["bytes", bytes],
    ],
  );
  const held = genesis === undefined ? "" : ` --genesis ${genesis}`;
  context.suggest(`nexus space verify ${out} --seed ${seed}${held}`);
};

export const prove = async (
  context: CliContext,
  options: ProveOptions,
  ...paths: readonly string[]
): Promise<void> => {
  const challenge = challengeOf(options);
  const sectors: OpenSector[] = [];
  try {
    for (const path of paths) sectors.push(openSector(resolve(context.cwd, path)));
    const progress = createProgress(context.terminal, "proving", "nodes", realClock.monotonicMs);
    const of = sectors.map(({ file, header }) => ({ ...header, what: file }));
    const chain = chainSpace(context, options.genesis, of);
    const proof = proveSpace(sectors, challenge, progress.update, chain);
    progress.end();
    const bytes = encodeSpaceProof(proof);
    const out = resolve(context.cwd, options.out);
    writeFileAtomic(out, bytes);
    const { genesis } = options;
    const nodes = openedNodes(proof, chain);
    printProof(context, out, proof, { nodes, bytes: bytes.length, genesis });
  } finally {
    for (const sector of sectors) sector.close();
  }
};
