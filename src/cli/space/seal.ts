/** `nexus space seal`: makes a sector. */
import { join, resolve } from "node:path";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import { readGenesis } from "../../node/read-genesis.ts";
import { realClock } from "../../node/real-ports.ts";
import { sealSector } from "../../node/space/seal.ts";
import { deadline, type SpaceProfile } from "../../proofs/space/parameters.ts";
import type { CliContext } from "../context.ts";
import { createProgress, type Progress } from "../progress.ts";
import { firstBeacon } from "./begin.ts";
import { type Chosen, chosenParameters } from "./chosen.ts";
import { sectorFacts, sizeText } from "./facts.ts";

export type SealVerbOptions = {
  readonly node?: string;
  readonly sector: number;
  readonly profile?: SpaceProfile;
  readonly beacon?: string;
  readonly genesis?: string;
};

const MIB = 2 ** 20;

/** The genesis that is named, or that of the folder. */
const genesisOf = (context: CliContext, file: string | undefined): ParsedGenesis => {
  if (file !== undefined) return readGenesis(resolve(context.cwd, file));
  return readGenesis(join(context.dir, "genesis.json"));
};

type Owner = { readonly name: string; readonly id: Uint8Array };

const ownerOf = ({ genesis }: ParsedGenesis, node: string | undefined, first?: string): Owner => {
  const wanted = node ?? first ?? genesis.validators[0]?.name;
  const found = genesis.validators.find(({ name, id }) => name === wanted || toHex(id) === wanted);
  if (found !== undefined) return found;
  throw new TetradError("cli.usage", `no validator ${String(wanted)} in the genesis`, {
    next: `one of ${genesis.validators.map(({ name }) => name).join(", ")}`,
  });
};

const noteChosen = (context: CliContext, { parameters, sector, foreign }: Chosen): void => {
  if (foreign !== undefined) context.note(foreign);
  const { regenerationMs, isKept } = deadline(parameters);
  if (isKept) return;
  context.note(
    `${sector} is made again in ${regenerationMs} ms by who is fast: it is for trying out and proves no space`,
  );
};

export const seal = async (
  context: CliContext,
  options: SealVerbOptions,
  path?: string,
): Promise<void> => {
  const parsed = genesisOf(context, options.genesis);
  const owner = ownerOf(parsed, options.node, context.dev()?.nodes[0]?.name);
  const { genesis, hash } = parsed;
  const chosen = chosenParameters(genesis.proofs.space, options.profile);
  const file =
    path === undefined
      ? join(context.dir, "space", `${owner.name}-${options.sector}.sector`)
      : resolve(context.cwd, path);
  const { lgNodes, layers } = chosen.parameters;
  const beacon =
    options.beacon === undefined
      ? await firstBeacon(context.client(), parsed, context.signal)
      : fromHex(options.beacon);
  noteChosen(context, chosen);
  let progress: Progress | undefined;
  const header = await sealSector({
    ...{ file, chainId: genesis.chainId, genesisHash: hash, signal: context.signal },
    source: { validatorId: owner.id, sectorNo: options.sector, beacon, lgNodes, layers },
    onProgress({ done, total, found }) {
      // What was there is looked through first; it counts in no rate.
      if (done === found && done < total) return;
      if (progress === undefined) {
        if (found > 0) context.note(`${sizeText(found)} of labels are there: going on from them`);
        const { monotonicMs } = realClock;
        const from = Math.round(found / MIB);
        progress = createProgress(context.terminal, "sealing", "MiB of labels", monotonicMs, from);
      }
      progress.update(Math.round(done / MIB), Math.round(total / MIB));
    },
  });
  progress?.end(true);
  const facts = sectorFacts(file, header, parsed);
  context.print(facts, [
    ["file", facts.file],
    ["sector", `${facts.sector} of ${owner.name} on ${facts.chainId}`],
    ["size", `${sizeText(facts.bytes)} (${chosen.name})`],
    ["sector id", facts.sectorId],
    ["layers", facts.layers ?? "not kept: its admission cannot be proven"],
    ["proves space", facts.deadlineKept ? "yes" : "no: too small for the deadline"],
  ]);
  context.suggest(`nexus space check ${file}`);
};
