/** `nexus space ls`: the sectors of a folder, those that are being made among them, and what the chain says. */
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { TetradError } from "../../errors.ts";
import type { ParsedGenesis } from "../../ledger/genesis.ts";
import { readGenesis } from "../../node/read-genesis.ts";
import { LAYERS_SUFFIX, layerPaths, readSectorHeader } from "../../node/space/files.ts";
import { recordedParts } from "../../node/space/journal.ts";
import { partsOf } from "../../node/space/make-sector.ts";
import { sectorBytes } from "../../proofs/space/parameters.ts";
import type { CliContext } from "../context.ts";
import { pathsOf } from "../dev/create.ts";
import { byMeaning, type Row, short } from "../output.ts";
import { type SectorFacts, sectorFacts, sizeText } from "./facts.ts";
import { type OnChain, onChain, onChainText } from "./on-chain.ts";

type Listed =
  | (SectorFacts & { readonly onChain: OnChain | null })
  | {
      readonly file: string;
      readonly state: "sealing";
      readonly chainId: string;
      readonly sector: number;
      readonly bytes: number;
      /** How much of it is made. */
      readonly percent: number;
    }
  | { readonly file: string; readonly state: "unreadable"; readonly reason: string };

const SUFFIX = ".sector";

const namesIn = (folder: string): string[] => {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder);
  const making = names
    .filter((name) => name.endsWith(SUFFIX + LAYERS_SUFFIX))
    .map((name) => name.slice(0, -LAYERS_SUFFIX.length));
  return [...new Set([...names.filter((name) => name.endsWith(SUFFIX)), ...making])].sort();
};

const listed = async (
  context: CliContext,
  file: string,
  parsed: ParsedGenesis | undefined,
): Promise<Listed> => {
  try {
    if (existsSync(file)) {
      const facts = sectorFacts(file, readSectorHeader(file), parsed);
      return { ...facts, onChain: await onChain(context.client(), facts, context.signal) };
    }
    const { chainId, statement } = readSectorHeader(layerPaths(file).job);
    const { lgNodes, layers, sectorNo: sector } = statement;
    const parts = recordedParts(layerPaths(file).journal) / partsOf(lgNodes, layers);
    const percent = Math.min(100, Math.floor(100 * parts));
    return { file, state: "sealing", chainId, sector, bytes: sectorBytes(lgNodes), percent };
  } catch (error) {
    if (!(error instanceof TetradError)) throw error;
    return { file, state: "unreadable", reason: error.message };
  }
};

const rowOf = (one: Listed): Row => {
  if (one.state === "unreadable") return { file: one.file, state: one.state, id: one.reason };
  const base = { file: one.file, state: one.state, sector: one.sector, size: sizeText(one.bytes) };
  if (one.state === "sealing") {
    return { ...base, state: `sealing, ${one.percent} %`, chain: one.chainId };
  }
  const { chainId, validator, profile, layers, sectorId } = one;
  return {
    ...base,
    chain: chainId,
    says: onChainText(one.onChain),
    validator: short(validator),
    profile: profile ?? "none",
    layers: layers === null ? "no" : "kept",
    id: short(sectorId),
  };
};

const COLUMNS = [
  ...["file", "state", "sector", "size", "profile", "validator", "chain", "says", "layers", "id"],
];

/** The folder that is named; else that of --dir, and those of the nodes of a development network. */
const foldersOf = (context: CliContext, folder: string | undefined): readonly string[] => {
  if (folder !== undefined) return [resolve(context.cwd, folder)];
  const nodes = context.dev()?.nodes ?? [];
  return [join(context.dir, "space"), ...nodes.map((node) => pathsOf(context.dir, node).space)];
};

/** That of --dir, where there is one that can be read: sectors are listed without it too. */
const genesisIn = (context: CliContext): ParsedGenesis | undefined => {
  const file = join(context.dir, "genesis.json");
  if (!existsSync(file)) return undefined;
  try {
    return readGenesis(file);
  } catch (error) {
    if (!(error instanceof TetradError)) throw error;
    context.note(error.message);
    return undefined;
  }
};

export const list = async (
  context: CliContext,
  _options: Readonly<Record<string, never>>,
  folder?: string,
): Promise<void> => {
  const items: Listed[] = [];
  const parsed = genesisIn(context);
  for (const path of foldersOf(context, folder)) {
    for (const name of namesIn(path)) items.push(await listed(context, join(path, name), parsed));
  }
  context.printList(items, COLUMNS, items.map(rowOf), byMeaning("state"));
  if (items.length > 0) return;
  // A chain that asks for no space names no sector to make.
  const isAsked = parsed?.genesis.proofs.space !== null;
  context.suggest(isAsked ? "nexus space seal" : "nexus space seal --profile test");
};
