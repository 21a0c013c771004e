/** What `nexus doctor` looks at. Every check says what it found and, where something is wrong, what to do. */
import { existsSync, statfsSync } from "node:fs";
import { ApiClient, type StatusJson } from "../client/api.ts";
import { toHex } from "../crypto/bytes.ts";
import { TetradError } from "../errors.ts";
import { formatAddress } from "../node/address.ts";
import type { NodeConfig } from "../node/config.ts";
import { foreignModeBits, nodePaths } from "../node/folder.ts";
import { readPublicKey } from "../node/keys/key-file.ts";
import { passphrasePath } from "../node/keys/passphrase.ts";
import { checkSecrets, readGenesis } from "../node/node.ts";
import { realClock } from "../node/real-ports.ts";
import { selectVerifier } from "../node/signing/select-verifier.ts";
import { describePort, portProblems } from "./dev/ports.ts";

export type Finding = {
  readonly check: string;
  readonly state: "ok" | "warn" | "fail";
  readonly found: string;
  readonly todo?: string;
};

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
  return [node, verification];
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

const checkModes = (config: NodeConfig): Finding => {
  const paths = nodePaths(config.folder);
  const files = [paths.keys, paths.nodeKey, paths.tlsKey, passphrasePath(paths.keys)];
  const open = files.filter((path) => existsSync(path) && foreignModeBits(path) !== 0);
  return open.length === 0
    ? ok("key modes", "private")
    : bad("key modes", open.join(", "), "chmod 700 the keys folder and 600 the files in it");
};

/** The key must be one of the genesis, and its vote store must be beside it. */
const checkKeys = async (config: NodeConfig): Promise<Finding[]> => {
  const paths = nodePaths(config.folder);
  const findings: Finding[] = [];
  try {
    const chain = readGenesis(config.genesis);
    findings.push(ok("genesis", `${chain.genesis.chainId} ${toHex(chain.hash).slice(0, 16)}`));
    const id = toHex(chain.hasher.ht("id", await readPublicKey(paths.nodeKey)));
    const validator = chain.genesis.validators.find((known) => toHex(known.id) === id);
    findings.push(
      validator === undefined
        ? bad("key", "not of a validator of this genesis", "check genesis and keys folder")
        : ok("key", `validator ${validator.name}`),
    );
    if (validator !== undefined) {
      await checkSecrets(config, validator, process.env);
      findings.push(ok("secrets", "key, passphrase and certificate fit the genesis"));
    }
    if (validator !== undefined && validator.address !== formatAddress(config.listen)) {
      findings.push(
        warn(
          "address",
          `listens at ${formatAddress(config.listen)}, peers dial ${validator.address}`,
          "right only if the network translates the one to the other",
        ),
      );
    }
  } catch (error) {
    const todo = "restore the file, or make the node anew with `nexus init`";
    findings.push(bad(error instanceof TetradError ? error.code : "keys", messageOf(error), todo));
  }
  const voted = existsSync(paths.votes) || existsSync(paths.unused);
  findings.push(
    voted
      ? ok("vote store", existsSync(paths.unused) ? "new: has signed nothing" : "beside the key")
      : bad(
          "vote store",
          "missing",
          "restore keys/votes from where the key came; see docs/operating.md",
        ),
  );
  return findings;
};

const CLOCK_WARN_MS = 2_000;
/** A node that takes longer to say how it is hangs. */
const ANSWER_MS = 3_000;

/** Who answers at the node's address where it is not the node; undefined where it is. */
const strangerAt = async (config: NodeConfig, status: StatusJson): Promise<string | undefined> => {
  let chain: ReturnType<typeof readGenesis>;
  let key: Uint8Array;
  try {
    chain = readGenesis(config.genesis);
    key = await readPublicKey(nodePaths(config.folder).nodeKey);
  } catch {
    // The checks of the files say what is wrong with them.
    return undefined;
  }
  if (status.genesisHash !== toHex(chain.hash)) return `chain ${status.chainId} answers there`;
  const own = toHex(chain.hasher.ht("id", key));
  return status.nodeId === own ? undefined : `node ${status.name} answers there`;
};

/** How the running node sees itself and its peers; undefined when it does not answer. */
const checkRunning = async (
  config: NodeConfig,
  signal: AbortSignal,
): Promise<Finding[] | undefined> => {
  const client = new ApiClient(`http://${formatAddress(config.api)}`);
  let status: StatusJson;
  try {
    status = await client.statusWithin(ANSWER_MS, signal);
  } catch (error) {
    if (error instanceof TetradError && error.code === "cli.unreachable") return undefined;
    throw error;
  }
  const stranger = await strangerAt(config, status);
  if (stranger !== undefined) {
    return [bad("running", stranger, "start this node, or give it an API address of its own")];
  }
  const findings = [ok("running", `height ${status.finalHeight}, view ${status.view}`)];
  for (const problem of status.problems) {
    findings.push(bad(problem.code, problem.detail, "see docs/operating.md"));
  }
  findings.push(
    status.voting === "yes"
      ? ok("voting", "yes")
      : warn("voting", status.voting, "it waits for a quorum of peers, or says above why not"),
  );
  const validators = readGenesis(config.genesis).genesis.validators.length;
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

/** All checks of one node. */
export const checkNode = async (config: NodeConfig, signal: AbortSignal): Promise<Finding[]> => {
  if (!existsSync(config.folder)) {
    return [
      bad("folder", `${config.folder} is not there`, "make it with `nexus init` or `nexus dev`"),
    ];
  }
  const findings = [
    ok("folder", config.folder),
    checkRoom(config.folder),
    checkModes(config),
    ...(await checkKeys(config)),
  ];
  const running = await checkRunning(config, signal);
  if (running !== undefined) return [...findings, ...running];
  const addresses = {
    name: config.name,
    folder: config.folder,
    listen: formatAddress(config.listen),
    api: formatAddress(config.api),
  };
  const taken = await portProblems([addresses]);
  return [
    ...findings,
    warn("running", "no", "start it with `nexus start`, or all with `npm start`"),
    ...taken.map((port) =>
      bad(
        "port",
        `${describePort(port)}: ${port.code}`,
        "stop what uses it, or change the address in node.json",
      ),
    ),
    ...(taken.length === 0 ? [ok("ports", "free")] : []),
  ];
};
