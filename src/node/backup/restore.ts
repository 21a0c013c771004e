/**
 * From a backup to a new folder. It is made beside its place and moved there when everything was checked:
 * the checksum, that the tip's finalization certificate is by a quorum of the genesis' validators, and that
 * what the certified header states of the log and the state is what the rows say.
 *
 * No keys and no vote store are made, so that a restored folder by itself cannot sign anything.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { type ParsedGenesis, parseGenesis } from "../../ledger/genesis.ts";
import { nodePrefix } from "../../ledger/keys.ts";
import { logRoot } from "../../ledger/log-tree.ts";
import type { Logger, StoreEntry } from "../../ledger/ports.ts";
import type { VerifySignature } from "../../ledger/projection.ts";
import { type ExecutionRecord, type ReadStore, readExecution } from "../../ledger/records.ts";
import { BlockStore, STORE_FORMAT } from "../../ledger/replica/block-store.ts";
import { stateRoot } from "../../ledger/state-tree.ts";
import { type LevelStore, openLevelStore } from "../../ledger/store/level.ts";
import type { ValidatorSet } from "../../ledger/types.ts";
import { certificateJobs, checkCertificateShape } from "../../ledger/verify/certificate.ts";
import { formatNodeConfig } from "../config-keys.ts";
import { makeFolder, nodePaths, writeFileAtomic } from "../folder.ts";
import { randomHex } from "../real-ports.ts";
import type { BackupHead, BackupTail } from "./format.ts";
import { type OpenBackup, openBackup } from "./read.ts";

export type RestoreOptions = {
  readonly file: string;
  /** The new folder; may be there if it is empty. */
  readonly folder: string;
  /** The genesis that the backup must be of; the backup's own where none is given. */
  readonly trusted: ParsedGenesis | undefined;
  readonly verify: VerifySignature;
  readonly logger: Logger;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
};

export type Restored = {
  readonly chain: ParsedGenesis;
  readonly head: BackupHead;
  readonly tail: BackupTail;
};

const invalid = (detail: string): TetradError => new TetradError("backup.invalid", detail);

/** Throws backup.invalid, folder.foreign for another chain or a folder in use, folder.format, store.*. */
export const restoreBackup = async (options: RestoreOptions): Promise<Restored> => {
  const { folder, file } = options;
  refuseTaken(folder);
  const backup = await openBackup(file);
  const draft = join(dirname(folder), `.${basename(folder)}.restoring-${randomHex(8)}`);
  try {
    const chain = chainOf(backup, options.trusted);
    if (backup.head.storeFormat !== STORE_FORMAT) {
      const { storeFormat } = backup.head;
      throw new TetradError(
        "folder.format",
        `the backup is in storage format ${storeFormat}, this version reads ${STORE_FORMAT}`,
      );
    }
    makeFolder(draft, 0o700);
    const tail = await fill(draft, backup, chain, options);
    moveInto(draft, folder);
    return { chain, head: backup.head, tail };
  } finally {
    await backup.close();
    rmSync(draft, { recursive: true, force: true });
  }
};

const isEmpty = (folder: string): boolean =>
  !existsSync(folder) || (statSync(folder).isDirectory() && readdirSync(folder).length === 0);

const refuseTaken = (folder: string): void => {
  if (isEmpty(folder)) return;
  throw new TetradError("folder.foreign", `${folder} is not empty: a restore makes a new folder`, {
    next: "name a new folder with --to",
  });
};

const moveInto = (draft: string, folder: string): void => {
  try {
    renameSync(draft, folder);
  } catch (error) {
    refuseTaken(folder);
    throw error;
  }
};

const chainOf = (backup: OpenBackup, trusted: ParsedGenesis | undefined): ParsedGenesis => {
  const parsed = parseGenesis(new TextDecoder().decode(backup.genesis));
  if (!parsed.ok) throw invalid(`its genesis: ${parsed.detail}`);
  if (trusted !== undefined && !equalBytes(trusted.hash, parsed.value.hash)) {
    const hash = toHex(parsed.value.hash).slice(0, 16);
    throw new TetradError("folder.foreign", `the backup is of another chain, genesis ${hash}`, {
      next: "name a backup of the chain that you trust, or with --genesis the genesis of this one",
    });
  }
  return parsed.value;
};

const fill = async (
  draft: string,
  backup: OpenBackup,
  chain: ParsedGenesis,
  options: RestoreOptions,
): Promise<BackupTail> => {
  const paths = nodePaths(draft);
  const store = await openLevelStore(paths.db, { logger: options.logger });
  try {
    const tail = await writeRows(store, backup, options.onProgress);
    try {
      checkRestored((key) => store.get(key), chain, tail, options.verify);
    } catch (error) {
      // What was just written cannot be damaged: it came so.
      if (error instanceof TetradError && error.code === "store.corrupt") {
        throw invalid(error.message);
      }
      throw error;
    }
    const { name, listen, api } = backup.head;
    writeFileAtomic(paths.genesis, backup.genesis);
    writeFileAtomic(paths.config, formatNodeConfig({ name, listen, api }));
    return tail;
  } finally {
    await new Promise<void>((resolve) => {
      store.close(resolve);
    });
  }
};

const writePage = (store: LevelStore, page: readonly StoreEntry[], sync: boolean): Promise<void> =>
  new Promise((resolve, reject) => {
    const ops = page.map(([key, value]) => ({ type: "put", key, value }) as const);
    store.write(ops, { sync }, (failure) => {
      if (failure === undefined) return resolve();
      const code = failure.code === "full" ? "store.full" : "store.io";
      reject(new TetradError(code, `the restored rows cannot be written: ${failure.detail}`));
    });
  });

const writeRows = async (
  store: LevelStore,
  backup: OpenBackup,
  onProgress: RestoreOptions["onProgress"],
): Promise<BackupTail> => {
  const pages = backup.rows();
  let done = 0;
  // One page is held back: the last one is written synced, and makes all before it durable.
  let held: readonly StoreEntry[] = [];
  for (;;) {
    const step = await pages.next();
    await writePage(store, held, step.done === true);
    if (step.done === true) return step.value;
    held = step.value;
    for (const [key, value] of held) done += 9 + key.length + value.length;
    onProgress(done, backup.bytes);
  }
};

/** Throws backup.invalid where the rows are not what a quorum of the genesis' validators has made final. */
const checkRestored = (
  read: ReadStore,
  chain: ParsedGenesis,
  tail: BackupTail,
  verify: VerifySignature,
): void => {
  const store = new BlockStore(read, chain.hasher);
  const stored = store.genesisHash();
  if (stored === undefined || !equalBytes(stored, chain.hash)) {
    throw invalid("its rows are of another chain than its genesis");
  }
  const tip = store.tip();
  if (tip?.height !== tail.height || !equalBytes(tip.hash, tail.hash)) {
    throw invalid("its rows end at another block than it says");
  }
  const record = recordAt(read, tail.executedHeight);
  checkRoots(record, tail);
  if (tip.height > 0) {
    checkCertificate(store, chain, verify);
    const block = store.block(tip.hash);
    if (block === undefined || !equalBytes(block.hash, tip.hash)) {
      throw invalid("its final block is another one than was certified");
    }
    checkRoots(recordAt(read, block.header.executedHeight), block.header);
  }
  checkTrees(read, chain, record);
};

const recordAt = (read: ReadStore, height: number): ExecutionRecord => {
  const record = readExecution(read, height);
  if (record !== undefined) return record;
  throw invalid(`it has no execution record of height ${height}`);
};

type Roots = Pick<ExecutionRecord, "logSize" | "logRoot" | "stateRoot">;

const checkRoots = (record: ExecutionRecord, stated: Roots): void => {
  const same =
    record.logSize === stated.logSize &&
    equalBytes(record.logRoot, stated.logRoot) &&
    equalBytes(record.stateRoot, stated.stateRoot);
  if (!same) throw invalid(`its roots at height ${record.height} are not those that were stated`);
};

const checkCertificate = (
  store: BlockStore,
  chain: ParsedGenesis,
  verify: VerifySignature,
): void => {
  const { epoch = 0, view = 0, hash, height } = store.tip() ?? {};
  const certificate = store.certificate(epoch, view, "finalize");
  const set = store.validatorSet(epoch);
  const what = `the certificate of height ${height}`;
  if (certificate === undefined || set === undefined || hash === undefined) {
    throw invalid(`${what} is missing`);
  }
  // In this version the set of every epoch is the one of the genesis.
  if (!isGenesisSet(set, chain)) throw invalid("its validators are not those of the genesis");
  const shape = checkCertificateShape(set, certificate);
  if (shape !== undefined) throw invalid(`${what}: ${shape.detail}`);
  if (!equalBytes(certificate.statement.hash, hash)) throw invalid(`${what} is of another block`);
  const jobs = certificateJobs(chain.hasher, set, certificate);
  const valid = jobs.every((job) => verify(job.signature, job.message, job.publicKey));
  if (!valid) throw invalid(`${what}: a signature does not verify`);
};

const isGenesisSet = (set: ValidatorSet, chain: ParsedGenesis): boolean => {
  const { validators } = chain.genesis;
  return (
    set.validators.length === validators.length &&
    set.validators.every((member) => {
      const known = validators.find((one) => equalBytes(one.id, member.id));
      return (
        known !== undefined &&
        equalBytes(member.publicKey, known.publicKey) &&
        member.weight === known.weight
      );
    })
  );
};

/** The stored trees of log and state end in the roots of the last execution. */
const checkTrees = (read: ReadStore, chain: ParsedGenesis, record: ExecutionRecord): void => {
  if (!equalBytes(logRoot(read, record.logSize), record.logRoot)) {
    throw invalid("its log tree has another root than was recorded");
  }
  for (const { name, root } of record.projections) {
    if (!equalBytes(stateRoot(chain.hasher, nodePrefix(name), read), root)) {
      throw invalid(`the tree of ${name} has another root than was recorded`);
    }
  }
};
