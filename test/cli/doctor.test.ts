import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createNetwork } from "../../src/cli/dev/create.ts";
import { checkNode } from "../../src/cli/doctor-checks.ts";
import type { Finding } from "../../src/cli/finding.ts";
import { doctor } from "../../src/cli/verbs/doctor.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { initVoteStore } from "../../src/ledger/replica/vote-store.ts";
import { lockFolder, openLevelStore } from "../../src/ledger/store/level.ts";
import { loadConfig, type NodeConfig } from "../../src/node/config.ts";
import { type NodePaths, nodePaths } from "../../src/node/folder.ts";
import { readIdentity } from "../../src/node/identity.ts";
import { readGenesis, startNode } from "../../src/node/node.ts";
import { freePorts } from "../e2e/support.ts";
import { fakeContext } from "./fake-context.ts";

const logger = { log: () => {} };
const signal = new AbortController().signal;
let parent: string;
let made: string;
let dir: string;
let config: NodeConfig;
let paths: NodePaths;

beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), "tetrad-doctor-"));
  made = join(parent, "made");
  // Whoever answers at a port that is written here would be what the doctor finds.
  const ports = await freePorts(4);
  await createNetwork(made, {
    kind: "tetrad-dev",
    chainId: "dev-1",
    nodes: ["a", "b"].map((name, i) => ({
      name,
      listen: `[::1]:${ports + i}`,
      api: `[::1]:${ports + 2 + i}`,
    })),
  });
  // As the first start leaves it: the vote store is made, and the mark of a new key is gone.
  const a = nodePaths(join(made, "a"));
  const { publicKey } = readIdentity(a.identity);
  const chain = readGenesis(join(made, "genesis.json"));
  const store = await openLevelStore(a.votes, { logger });
  await new Promise((done) => {
    initVoteStore(store, chain.hasher.ht("id", publicKey), done);
  });
  await new Promise<void>((done) => {
    store.close(() => done());
  });
  rmSync(a.unused);
});
beforeEach(() => {
  dir = join(parent, "net");
  cpSync(made, dir, { recursive: true, preserveTimestamps: true });
  paths = nodePaths(join(dir, "a"));
  // A copy of a folder has the modes of any new folder.
  for (const name of ["a", "b"]) chmodSync(join(dir, name, "keys"), 0o700);
  config = loadConfig(paths.config, {}, {}, dir).config;
});
afterEach(() => rmSync(dir, { recursive: true }));
afterAll(() => rmSync(parent, { recursive: true }));

const failures = async (): Promise<Finding[]> =>
  (await checkNode(config, {}, signal, "start it")).filter(({ state }) => state === "fail");

const start = () => startNode(config, { logger, version: "0", env: {} });

describe("doctor, of a node that does not run", () => {
  it("finds nothing wrong with one that would start", async () => {
    const all = await checkNode(config, {}, signal, "start it");
    expect(all.filter(({ state }) => state === "fail")).toEqual([]);
    const checks = all.map(({ check }) => check);
    for (const check of ["genesis", "key", "certificate", "vote store", "ports"]) {
      expect(checks).toContain(check);
    }
  });

  const votesOf = (path: NodePaths): void => {
    rmSync(path.votes, { recursive: true });
    mkdirSync(path.votes, { mode: 0o700 });
  };
  const otherTls = (path: NodePaths): void => {
    const b = nodePaths(join(dir, "b"));
    copyFileSync(b.tlsKey, path.tlsKey);
    copyFileSync(b.tlsCertificate, path.tlsCertificate);
  };
  const passphrase = (path: NodePaths): string => join(path.keys, "passphrase");

  it.each<[string, (paths: NodePaths) => void, string, string]>([
    ["without its TLS key", (at) => rmSync(at.tlsKey), "certificate", "key.invalid"],
    ["with another node's TLS pair", otherTls, "certificate", "folder.foreign"],
    ["without its passphrase", (at) => rmSync(passphrase(at)), "key", "key.invalid"],
    ["with an open passphrase", (at) => chmodSync(passphrase(at), 0o644), "key", "key.modes"],
    ["with an open key", (at) => chmodSync(at.nodeKey, 0o644), "key", "key.modes"],
  ])("fails one %s, with the code of the start", async (_, damage, check, code) => {
    damage(paths);
    expect(await failures()).toMatchObject([{ check, code }]);
    await expect(start()).rejects.toMatchObject({ code });
  });

  it.each<[string, (paths: NodePaths) => void]>([
    ["without its vote store", (at) => rmSync(at.votes, { recursive: true })],
    ["with an empty vote store", votesOf],
  ])("fails one %s, which would start and not vote", async (_, damage) => {
    damage(paths);
    expect(await failures()).toMatchObject([{ check: "vote store", code: "votes.missing" }]);
  });

  it("makes nothing where a vote store should be", async () => {
    votesOf(paths);
    await failures();
    expect(readdirSync(paths.votes)).toEqual([]);
  });

  it("says how it is started: by the `nexus dev` that runs, where one does, else by its file", async () => {
    const told = async (options: { config?: string } = {}): Promise<string> => {
      const { context, said } = fakeContext({ dir });
      // Two nodes that are down fail no check.
      await doctor(context, options);
      return said.err;
    };
    expect(await told()).toMatch(/b running: start (it|all) with `nexus .*`/);
    const file = join(dir, "b", "node.toml");
    expect(await told({ config: file })).toContain(
      `b running: start it with \`nexus start --config ${file}\``,
    );
    mkdirSync(join(dir, "control"), { mode: 0o700 });
    const running = await told();
    expect(running).toContain("b running: start it with `nexus dev start b`");
    expect(running).not.toContain("nexus start");
  });

  it("says which process has the folder when that does not answer", async () => {
    const lock = await lockFolder(paths.folder);
    const [found] = await failures();
    await lock.release();
    expect(found).toMatchObject({ check: "running" });
    expect(found?.found).toContain(`in use by process ${process.pid}; its API: down`);
  });
});

describe("doctor, where somebody else answers", () => {
  const answers = async (status: Record<string, unknown>): Promise<Finding[]> => {
    const server = createServer((_, response) => {
      const whole = { executedHeight: 1, problems: [], peers: [], voting: "yes", ...status };
      response.end(JSON.stringify(whole));
    });
    await new Promise<void>((done) => {
      server.listen({ ...config.api, ipv6Only: true }, done);
    });
    const found = await failures();
    server.closeAllConnections();
    await new Promise((done) => {
      server.close(done);
    });
    return found;
  };

  it("fails for another network, another node, and not for the node itself", async () => {
    const chain = readGenesis(config.genesis);
    const genesisHash = toHex(chain.hash);
    const idOf = (name: string): string => {
      const { publicKey } = readIdentity(nodePaths(join(dir, name)).identity);
      return toHex(chain.hasher.ht("id", publicKey));
    };
    const foreign = { check: "running", code: "folder.foreign" };
    const other = { chainId: "dev-2", genesisHash: "00", nodeId: idOf("a") };
    expect(await answers(other)).toMatchObject([foreign]);
    const sibling = { chainId: "dev-1", genesisHash, nodeId: idOf("b"), name: "b" };
    expect(await answers(sibling)).toMatchObject([foreign]);
    const itself = await answers({ chainId: "dev-1", genesisHash, nodeId: idOf("a") });
    expect(itself.map(({ check }) => check)).toEqual(["peers"]);
  });
});
