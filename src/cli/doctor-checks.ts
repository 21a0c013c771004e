/** What `nexus doctor` looks at. Every check says what it found and, where something is wrong, what to do. */
import { existsSync, statfsSync } from "node:fs";
import type { StatusJson } from "../client/api.ts";
import { toHex } from "../crypto/bytes.ts";
import { TetradError } from "../errors.ts";
import type { ParsedGenesis } from "../ledger/genesis.ts";
import type { Logger } from "../ledger/ports.ts";
import { type FolderLock, lockFolder } from "../ledger/store/level.ts";
import type { Validator } from "../ledger/types.ts";
import { formatAddress } from "../node/address.ts";
import { openIssuerKeys } from "../node/ca/open-issuer.ts";
import type { NodeConfig } from "../node/config.ts";
import { nodePaths } from "../node/folder.ts";
import { deriveCheckpointKeys } from "../node/keys/checkpoint-keys.ts";
import { readGenesis } from "../node/node.ts";
import { realClock } from "../node/real-ports.ts";
import { isHalfRotated } from "../node/sealed-keys.ts";
import { selectVerifier } from "../node/signing/select-verifier.ts";
import {
  checkCheckpointKeys,
  findSelf,
  inspectVotes,
  readTlsIdentity,
  unlockKey,
} from "../node/unlock.ts";
import { askStatus } from "./ask.ts";
import { describePort, portProblems } from "./dev/ports.ts";
import { checkBulk } from "./doctor-bulk.ts";
import { checkSessionDriver } from "./doctor-driver.ts";
import {
  checkCertificateFile,
  checkDrivers,
  checkModes,
  checkQuic,
  checkSync,
} from "./doctor-host.ts";
import { checkMembers } from "./doctor-members.ts";
import { checkSpace } from "./doctor-space.ts";
import type { Finding } from "./finding.ts";

const ok = (check: string, found: string): Finding => ({ check, state: "ok", found });
const warn = (check: string, found: string, todo: string): Finding => ({
  check,
  state: "warn",
  found,
  todo,
});
const bad = (check: string, found: string, todo: string): Finding => ({
  check,
  state: "fail",
  found,
  todo,
});

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export const checkProgram = async (): Promise<Finding[]> => {
  const major = Number.parseInt(process.versions.node, 10);
  const node =
    major >= 24
      ? ok("node", process.version)
      : bad("node", process.version, "install Node 24 or newer");
  const { verifier, reason } = await selectVerifier();
  const verification =
    verifier.name === "noble"
      ? warn(
          "verification",
          `JavaScript: ${reason}`,
          "verification is eight times slower like this",
        )
      : ok("verification", `WebAssembly: ${reason}`);
  return [node, await checkDrivers(), await checkQuic(), verification];
};

const GIB = 1024 ** 3;
const ROOM_WARN_BYTES = 2 * GIB;
const ROOM_FAIL_BYTES = GIB / 8;

export const checkRoom = (folder: string): Finding => {
  const { bavail, bsize } = statfsSync(folder);
  const bytes = bavail * bsize;
  const found = `${(bytes / GIB).toFixed(1)} GiB free`;
  if (bytes < ROOM_FAIL_BYTES) {
    return bad("disk", found, "make room: a node stops itself when the disk is full");
  }
  return bytes < ROOM_WARN_BYTES ? warn("disk", found, "make room soon") : ok("disk", found);
};

type Env = Readonly<Record<string, string | undefined>>;

/** What one part of a start finds wrong, with the code that the start would end with. */
const failed = (check: string, error: unknown, todo: string): Finding => {
  if (!(error instanceof TetradError)) return bad(check, messageOf(error), todo);
  return { ...bad(check, `${error.code}: ${error.message}`, todo), code: error.code };
};

const RESTORE = "restore the file from where the keys are backed up, as the node's user, mode 600";

const todoOf = (error: unknown): string => {
  const modes = error instanceof TetradError && error.code === "key.modes";
  if (modes) return "chmod 700 the keys folder and 600 the files in it";
  return isHalfRotated(error) ? "run `nexus key rotate` again, to its end" : RESTORE;
};

/** The keys of an issuer, where the folder has one: a start opens them too. */
const checkIssuer = async (
  config: NodeConfig,
  env: Env,
  chain: ParsedGenesis,
): Promise<Finding[]> => {
  const { folder, passphraseFile } = config;
  const { insecure } = chain.genesis;
  try {
    const keys = await openIssuerKeys({ paths: nodePaths(folder), env, passphraseFile, insecure });
    keys?.actor.secretKey.fill(0);
    return keys === undefined ? [] : [ok("issuer", "both keys open: issues certificates")];
  } catch (error) {
    return [failed("issuer", error, todoOf(error))];
  }
};

/** Unlocks what a start unlocks: passphrase, keys, certificate. Undefined without genesis or key. */
const checkKeys = async (config: NodeConfig, env: Env): Promise<[Finding[], Own | undefined]> => {
  const findings: Finding[] = [];
  let chain: ParsedGenesis;
  try {
    chain = readGenesis(config.genesis);
  } catch (error) {
    return [[failed("genesis", error, "copy it from a member and compare the hash")], undefined];
  }
  findings.push(ok("genesis", `${chain.genesis.chainId} ${toHex(chain.hash).slice(0, 16)}`));
  let self: Own["self"];
  let member: Validator | undefined;
  try {
    const keys = await unlockKey(config, env, chain);
    const checkpointKeys = deriveCheckpointKeys(keys.secretKey);
    keys.secretKey.fill(0);
    const validator = findSelf(config, chain, keys.publicKey);
    checkCheckpointKeys(validator, checkpointKeys);
    member = validator;
    self = validator ?? newcomer(config, chain, keys.publicKey);
    const inGenesis = validator === undefined ? ", not of the genesis" : "";
    findings.push(ok("key", `opens: validator ${self.name}${inGenesis}`));
  } catch (error) {
    return [[...findings, failed("key", error, todoOf(error))], undefined];
  }
  findings.push(...(await checkIssuer(config, env, chain)));
  try {
    await readTlsIdentity(nodePaths(config.folder), member);
    const pinned = member === undefined ? "fits its key" : "as the genesis pins it";
    findings.push(ok("certificate", pinned));
  } catch (error) {
    findings.push(failed("certificate", error, RESTORE));
  }
  if (self.address !== formatAddress(config.listen)) {
    findings.push(
      warn(
        "address",
        `listens at ${formatAddress(config.listen)}, peers dial ${self.address}`,
        "right only if the network translates the one to the other",
      ),
    );
  }
  return [findings, { chain, self }];
};

type Own = {
  readonly chain: ParsedGenesis;
  readonly self: Pick<Validator, "id" | "name" | "address">;
};

/** A node that joins, or has joined, a chain with stake. */
const newcomer = (
  { name, listen }: NodeConfig,
  { hasher }: ParsedGenesis,
  publicKey: Uint8Array,
): Own["self"] => ({ id: hasher.ht("id", publicKey), name, address: formatAddress(listen) });

const SILENT: Logger = { log: () => {} };

/** Reads the vote store of a node that does not run, under the lock that keeps it from starting. */
const checkVotes = async (config: NodeConfig, self: Own["self"]): Promise<Finding> => {
  const todo =
    "bring the newest keys/votes from where the key came, never a backup; see docs/operating.md";
  try {
    const votes = await inspectVotes(nodePaths(config.folder), self, SILENT);
    if (!votes.ok) throw TetradError.from(votes);
    const { unused, votes: count } = votes.value;
    return ok("vote store", unused ? "new: has signed nothing" : `sound: ${count} open votes`);
  } catch (error) {
    return failed("vote store", error, todo);
  }
};

const CLOCK_WARN_MS = 2_000;

/** Whether the node that answers is this one: ports are taken over by other networks and nodes. */
const checkAnswer = (config: NodeConfig, own: Own, status: StatusJson): Finding | undefined => {
  const at = formatAddress(config.api);
  const todo = "stop what answers there, or change the address in node.toml";
  const foreign = (found: string): Finding => ({
    ...bad("running", `folder.foreign: ${found}`, todo),
    code: "folder.foreign",
  });
  if (status.genesisHash !== toHex(own.chain.hash)) {
    return foreign(`another network answers at ${at}: chain ${status.chainId}`);
  }
  if (status.nodeId !== toHex(own.self.id)) {
    return foreign(`another node of the network answers at ${at}: ${status.name}`);
  }
  return undefined;
};

/** How the running node sees itself and its peers. */
const checkRunning = (own: Own, status: StatusJson): Finding[] => {
  const findings = [ok("running", `height ${status.finalHeight}, view ${status.view}`)];
  for (const problem of status.problems) {
    findings.push(bad(problem.code, problem.detail, "see docs/operating.md"));
  }
  findings.push(...checkSessionDriver(status.driver));
  findings.push(
    status.voting === "yes"
      ? ok("voting", "yes")
      : warn("voting", status.voting, "it waits for a quorum of peers, or says above why not"),
  );
  const validators = own.chain.genesis.validators.length;
  const others = validators - 1;
  const quorumOthers = Math.floor((2 * validators) / 3);
  const peers = `${status.peers.length} of ${others}`;
  findings.push(
    status.peers.length >= others
      ? ok("peers", peers)
      : status.peers.length >= quorumOthers
        ? warn("peers", peers, "some members cannot be reached")
        : bad("peers", peers, "too few for a quorum: check addresses, firewalls (UDP) and IPv6"),
  );
  const behindMs = realClock.wallMs() - (status.finalTimeMs ?? 0);
  findings.push(
    Math.abs(behindMs) <= CLOCK_WARN_MS
      ? ok("clock", `ledger time is ${behindMs} ms behind this clock`)
      : warn(
          "clock",
          `ledger time is ${Math.round(behindMs / 1000)} s behind this clock`,
          "the network stands still, or this clock is wrong: check NTP",
        ),
  );
  return findings;
};

/** A node that does not answer: does it hang, and would it start? */
const checkStopped = async (
  config: NodeConfig,
  own: Own | undefined,
  asked: "down" | "no answer",
  startBy: string,
): Promise<Finding[]> => {
  let lock: FolderLock;
  try {
    lock = await lockFolder(config.folder);
  } catch (error) {
    if (!(error instanceof TetradError) || error.code !== "folder.locked") throw error;
    const found = `${error.message}; its API: ${asked}`;
    return [bad("running", found, "wait if it is starting; else see its log, and end the process")];
  }
  try {
    const votes = own === undefined ? [] : [await checkVotes(config, own.self)];
    const [listen, api] = [formatAddress(config.listen), formatAddress(config.api)];
    const taken = await portProblems([{ listen, api }]);
    return [
      ...votes,
      warn("running", "no", startBy),
      ...taken.map((port) =>
        bad(
          "port",
          `${describePort(port)}: ${port.code}`,
          "stop what uses it, or change the address in node.toml",
        ),
      ),
      ...(taken.length === 0 ? [ok("ports", "free")] : []),
    ];
  } finally {
    await lock.release();
  }
};

/** All checks of one node; `startBy` says how it is started where it does not run. */
export const checkNode = async (
  config: NodeConfig,
  env: Env,
  signal: AbortSignal,
  startBy: string,
): Promise<Finding[]> => {
  if (!existsSync(config.folder)) {
    return [
      bad("folder", `${config.folder} is not there`, "make it with `nexus init` or `nexus dev`"),
    ];
  }
  const [keys, own] = await checkKeys(config, env);
  const paths = nodePaths(config.folder);
  const nowMs = realClock.wallMs();
  const findings = [
    ok("folder", config.folder),
    checkRoom(config.folder),
    checkSync(config.folder),
    await checkBulk(config),
    ...keys,
    // What a start would end with has been told already.
    ...(keys.some(({ code }) => code === "key.modes") ? [] : [checkModes(paths.keys)]),
    ...checkCertificateFile("certificate lifetime", paths.tlsCertificate, nowMs),
    ...(config.apiTlsCertificate === undefined
      ? []
      : checkCertificateFile("API certificate lifetime", config.apiTlsCertificate, nowMs)),
  ];
  const api = `http://${formatAddress(config.api)}`;
  const asked = await askStatus(api, signal);
  if (typeof asked === "string") {
    return [...findings, ...(await checkStopped(config, own, asked, startBy))];
  }
  if (own === undefined) return findings;
  const foreign = checkAnswer(config, own, asked);
  if (foreign !== undefined) return [...findings, foreign];
  return [
    ...findings,
    ok("vote store", "in use by the node"),
    ...checkRunning(own, asked),
    ...(await checkMembers(api, signal)),
    ...(await checkSpace(config, own.chain, asked, signal)),
  ];
};
