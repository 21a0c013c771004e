/**
 * Making a network on this machine: folders, keys, genesis, configuration files and the operator's key.
 * It is made beside its place and then moved there, so that a folder is whole or not there at all.
 */
import { existsSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { FalconKeyPair } from "../../crypto/falcon.ts";
import { loadFalconWasm } from "../../crypto/falcon-wasm.ts";
import { TetradError } from "../../errors.ts";
import type { GenesisParameters } from "../../ledger/genesis.ts";
import { createIssuerKeys, ISSUER_PERMISSIONS } from "../../node/ca/open-issuer.ts";
import { formatNodeConfig } from "../../node/config-keys.ts";
import { makeFolder, type NodePaths, nodePaths, writeFileAtomic } from "../../node/folder.ts";
import type { Identity } from "../../node/identity.ts";
import { createActorKey, createIdentity } from "../../node/identity.ts";
import { makeGenesis, type NewGenesis, partsOf } from "../../node/make-genesis.ts";
import { randomHex, realClock } from "../../node/real-ports.ts";
import type { LocationParameters } from "../../proofs/location/parameters.ts";
import type { SpaceParameters } from "../../proofs/space/parameters.ts";
import type { StakeParameters } from "../../proofs/stake/parameters.ts";
import type { TimeParameters } from "../../proofs/time/parameters.ts";
import type { PuzzleName, WorkProfile } from "../../proofs/work/index.ts";
import {
  type DevNode,
  type DevRecord,
  devRecordPath,
  operatorFolder,
  operatorKeyPath,
} from "./record.ts";
import { isQuicklySealed, sealGenesisSectors } from "./sectors.ts";

export type NetworkPlan = {
  readonly kind: DevRecord["kind"];
  readonly chainId: string;
  readonly nodes: readonly Omit<DevNode, "folder">[];
  readonly parameters?: Partial<GenesisParameters>;
  /** Whether the first node issues certificates. */
  readonly issuer?: boolean;
  /** Whether validators join and leave, by stake. */
  readonly stake?: StakeParameters | undefined;
  /** Whether they sign with keys of epochs; only with stake. */
  readonly epochKeys?: boolean;
  /** What every batch has to show of work; absent: nothing. */
  readonly work?: WorkProfile | undefined;
  /** Instead of the puzzle of that profile. */
  readonly puzzle?: PuzzleName | undefined;
  /** What validators show of elapsed time once an epoch; absent: nothing. */
  readonly time?: TimeParameters | undefined;
  /** Sectors that the chain asks for: each node gets one of this size, now if it is small and else by itself. */
  readonly space?: SpaceParameters | undefined;
  /** Whether validators measure each other; only with space. */
  readonly location?: LocationParameters | undefined;
};

/** WebAssembly makes a key in 50 ms where JavaScript takes a second; undefined where it does not load. */
export const fastKeygen = async (): Promise<(() => FalconKeyPair) | undefined> => {
  try {
    const wasm = await loadFalconWasm();
    return () => wasm.keygen();
  } catch {
    return undefined;
  }
};

/** Records and public files of this command, which are JSON. */
export const formatJsonFile = (fields: Readonly<Record<string, unknown>>): string =>
  `${JSON.stringify(fields, null, 2)}\n`;

const isEmpty = (dir: string): boolean =>
  !existsSync(dir) || (statSync(dir).isDirectory() && readdirSync(dir).length === 0);

/** What a link leads to is renamed and deleted, not the link. */
export const realFolder = (dir: string): string => (existsSync(dir) ? realpathSync(dir) : dir);

/** Throws folder.foreign when something else is in the folder. */
export const createNetwork = async (path: string, plan: NetworkPlan): Promise<DevRecord> => {
  const dir = realFolder(path);
  if (!isEmpty(dir)) {
    throw new TetradError(
      "folder.foreign",
      `${dir} holds files that no network of this command made`,
    );
  }
  const draft = join(dirname(dir), `.${basename(dir)}.new-${randomHex(8)}`);
  makeFolder(draft, 0o700);
  try {
    const record = await fill(draft, plan);
    moveInto(draft, dir);
    return record;
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
};

/**
 * The keys took a second to make, and another command may have filled the folder in that time. A rename
 * takes the place of a folder that is empty and of no other, and nothing is deleted to make room for it.
 */
const moveInto = (draft: string, dir: string): void => {
  try {
    renameSync(draft, dir);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (!["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(code)) throw error;
    throw new TetradError("folder.foreign", `another command has filled ${dir} meanwhile`);
  }
};

const fill = async (dir: string, plan: NetworkPlan): Promise<DevRecord> => {
  const nowMs = realClock.wallMs();
  const keygen = await fastKeygen();
  const nodes: readonly DevNode[] = plan.nodes.map((node) => ({ ...node, folder: node.name }));
  // Trees of beacons are made in threads: side by side they take one's time.
  const identitiesDone = Promise.all(
    nodes.map((node) =>
      createIdentity({
        paths: pathsOf(dir, node),
        name: node.name,
        address: node.listen,
        nowMs,
        env: {},
        development: true,
        chainId: plan.chainId,
        epochKey: plan.epochKeys === true,
        ...(keygen === undefined ? {} : { keygen }),
      }),
    ),
  );
  const operatorDone = createActorKey(operatorFolder(dir), operatorKeyPath(dir), {}, keygen, {
    development: true,
  });
  const [identities, operator] = await Promise.all([identitiesDone, operatorDone]);
  const actors = [{ name: "operator", publicKey: operator, permissions: ["*"] }];
  const [first] = nodes;
  if (plan.issuer === true && first !== undefined) {
    const publicKey = await createIssuerKeys(pathsOf(dir, first), {}, keygen, {
      development: true,
    });
    actors.push({ name: "issuer", publicKey, permissions: [...ISSUER_PERMISSIONS] });
  }
  const parts = partsOf(plan.chainId, identities, {
    stake: plan.stake,
    epochKeys: plan.epochKeys === true,
    work: plan.work,
    puzzle: plan.puzzle,
    time: plan.time,
    space: plan.space,
    location: plan.location,
  });
  const { text } = makeGenesis({
    chainId: plan.chainId,
    timeMs: nowMs,
    // All keys lie on one machine, each with its passphrase beside it.
    insecure: true,
    identities,
    actors,
    ...(plan.parameters === undefined ? {} : { parameters: plan.parameters }),
    ...(parts === undefined ? {} : withSectors(dir, { ...plan, nodes }, nowMs, identities, parts)),
  });
  writeFileAtomic(join(dir, "genesis.json"), text);
  for (const node of nodes) writeNodeConfig(dir, node);
  const record: DevRecord = { format: 1, kind: plan.kind, chainId: plan.chainId, nodes };
  writeFileAtomic(devRecordPath(dir), formatJsonFile(record));
  return record;
};

type Parts = Required<Pick<NewGenesis, "proofs" | "provers">>;

/** The same with a sector for each node, where the plan asks for them. */
const withSectors = (
  dir: string,
  {
    chainId,
    space,
    nodes,
  }: Pick<NetworkPlan, "chainId" | "space"> & {
    readonly nodes: readonly DevNode[];
  },
  timeMs: number,
  identities: readonly Identity[],
  { proofs, provers }: Parts,
): Parts => {
  if (space === undefined || !isQuicklySealed(space)) return { proofs, provers };
  const owners = nodes.map((node, i) => ({
    publicKey: identities[i]?.publicKey ?? new Uint8Array(0),
    space: pathsOf(dir, node).space,
  }));
  const made = sealGenesisSectors(chainId, timeMs, space, owners);
  return {
    proofs,
    provers: provers.map((prover, i) => ({ ...prover, sectors: made[i] ?? [] })),
  };
};

export const pathsOf = (dir: string, node: DevNode): NodePaths => nodePaths(join(dir, node.folder));

export const writeNodeConfig = (dir: string, node: DevNode): void => {
  const { name, listen, api } = node;
  // Paths are relative to the file, so that the folder can be moved.
  const text = formatNodeConfig({ name, listen, api, genesis: "../genesis.json" });
  writeFileAtomic(pathsOf(dir, node).config, text);
};
