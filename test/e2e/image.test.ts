/**
 * packaging/Dockerfile without Docker: what its COPY and RUN lines leave is laid out in a folder, and a node
 * runs in it by the image's own entrypoint, command, environment and health check. What the base image brings
 * (its system, its user, its Node) and what Docker does (networks, volumes) is not tried here.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePorts, root, until } from "./support.ts";

type Image = {
  readonly folder: string;
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly stopsignal: NodeJS.Signals;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly healthcheck: readonly string[];
};

const dest = mkdtempSync(join(tmpdir(), "tetrad-image-"));
let image: Image;
let api: number;

/** A path of the image, and words in which there are such paths. */
const at = (path: string): string => join(image.folder, path);
const rebased = (word: string): string =>
  word.replace(/^\/(var|run|opt|usr)\//, `${image.folder}/$1/`);

const settings = (): NodeJS.ProcessEnv => ({
  PATH: `${dirname(process.execPath)}:${at("usr/local/bin")}:${process.env["PATH"]}`,
  ...Object.fromEntries(Object.entries(image.env).map(([name, value]) => [name, rebased(value)])),
});

/** Runs a command as `docker run` does: the entrypoint before it. */
const command = (words: readonly string[]) => {
  const [program = "", ...args] = [...image.entrypoint, ...words].map(rebased);
  return { program: at(`usr/local/bin/${program}`), args };
};

const runIn = (...words: readonly string[]) => {
  const { program, args } = command(words);
  return spawnSync(program, args, { cwd: at(image.workdir), env: settings(), encoding: "utf8" });
};

beforeAll(() => {
  const script = join(root, "scripts/image-folder.mjs");
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_ENV|VITEST)/i.test(name)),
  );
  const made = spawnSync(process.execPath, [script, dest], {
    encoding: "utf8",
    env: {
      ...env,
      PATH: `${dirname(process.execPath)}:${env["PATH"]}`,
      npm_config_prefer_offline: "true",
    },
    timeout: 500_000,
  });
  expect(made.status, made.stderr).toBe(0);
  image = JSON.parse(made.stdout.slice(made.stdout.indexOf("{\n"))) as Image;
}, 600_000);
afterAll(() => rmSync(dest, { recursive: true, force: true }));

describe("the image", () => {
  it("has what runs, and neither source nor tools of the build", () => {
    for (const path of ["dist/src/cli/main.js", "bin/nexus.js", "package.json", "LICENSE"]) {
      expect(statSync(at(`opt/tetrad/${path}`)).isFile(), path).toBe(true);
    }
    for (const path of ["src", "test", "node_modules/typescript", "node_modules/vitest", ".git"]) {
      expect(existsSync(at(`opt/tetrad/${path}`)), path).toBe(false);
    }
    expect(lstatSync(at("usr/local/bin/nexus")).isSymbolicLink()).toBe(true);
    expect(readlinkSync(at("usr/local/bin/nexus"))).toBe(at("opt/tetrad/bin/nexus.js"));
    expect(statSync(at("var/lib/tetrad")).mode & 0o777).toBe(0o700);
  });

  it("runs a node by its own command, which its health check sees, and ends on its stop signal", async () => {
    api = await freePorts(2);
    const home = "/var/lib/tetrad";
    const passphrase = rebased(image.env["NEXUS_PASSPHRASE_FILE"] ?? "");
    spawnSync("mkdir", ["-p", dirname(passphrase)]);
    writeFileSync(passphrase, "a passphrase of this test\n", { mode: 0o600 });
    const listen = ["--listen", `[::1]:${api + 1}`, "--api-listen", `[::1]:${api}`];
    const made = runIn("--dir", home, "init", "--name", "a", ...listen);
    expect(made.status, made.stderr).toBe(0);
    const genesis = ["--chain-id", "image-1", "--out", `${home}/genesis.json`];
    const joined = runIn("init", "--join", `${home}/identity.json`, ...genesis);
    expect(joined.status, joined.stderr).toBe(0);

    const { program, args } = command(image.cmd);
    const node = spawn(program, args, { cwd: at(image.workdir), env: settings() });
    let said = "";
    for (const stream of [node.stdout, node.stderr]) stream.on("data", (piece) => (said += piece));
    const ended = new Promise<number | null>((done) => node.once("close", done));
    try {
      const [check = "", ...words] = image.healthcheck;
      const health = (): number | null =>
        spawnSync(
          check,
          words.map((word) => word.replace("8440", String(api))),
          { env: settings() },
        ).status;
      await until("the health check is content", () => {
        expect(node.exitCode, said).toBe(null);
        return health() === 0;
      });
      const status = runIn("--api", `http://[::1]:${api}`, "status", "-o", "json");
      expect(JSON.parse(status.stdout)).toMatchObject([{ name: "a", chainId: "image-1" }]);
      node.kill(image.stopsignal);
      expect(await ended, said).toBe(0);
      expect(health()).toBe(1);
    } finally {
      node.kill("SIGKILL");
    }
    // What the node keeps lies where the volume is.
    expect(readFileSync(at("var/lib/tetrad/node.toml"), "utf8")).toContain("listen");
    expect(existsSync(at("var/lib/tetrad/db"))).toBe(true);
  });
});
