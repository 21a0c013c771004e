/** What is shipped to run a node: checked by the tools that read it where they are installed, and by hand. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ERRORS } from "../src/errors.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const has = (command: string): boolean => spawnSync(command, ["--version"]).error === undefined;

describe("packaging/tetrad.service", () => {
  const unit = read("packaging/tetrad.service");

  /** What systemd-analyze says of the unit, with a program that is there: ours is not where tests run. */
  const analyze = (...args: readonly string[]) => {
    const folder = mkdtempSync(join(tmpdir(), "tetrad-unit-"));
    try {
      const path = join(folder, "tetrad.service");
      writeFileSync(path, unit.replace(/^ExecStart=\S+/m, "ExecStart=/bin/true"));
      return spawnSync("systemd-analyze", [...args, path], { encoding: "utf8" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it.skipIf(!has("systemd-analyze"))("is a unit that systemd takes without a word", () => {
    const { status, stdout, stderr } = analyze("verify");
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
  });

  it.skipIf(!has("systemd-analyze"))("exposes no more than docs/operating.md says", () => {
    const [, rated = ""] = /exposure (\d+\.\d)/.exec(read("docs/operating.md")) ?? [];
    const most = `--threshold=${Math.round(Number(rated) * 10)}`;
    const { status, stdout } = analyze("security", "--offline=true", "--no-pager", most);
    expect(status, stdout).toBe(0);
    expect(stdout).toContain(`: ${rated} OK`);
  });

  it.skipIf(!has("systemd-sysusers"))("has a user that systemd-sysusers would make", () => {
    const args = ["--dry-run", join(root, "packaging/tetrad.sysusers")];
    const { status, stderr } = spawnSync("systemd-sysusers", args, { encoding: "utf8" });
    expect(status, stderr).toBe(0);
    expect(/^User=(.*)$/m.exec(unit)?.[1]).toBe("tetrad");
    expect(read("packaging/tetrad.sysusers")).toMatch(/^u tetrad - .* \/var\/lib\/tetrad$/m);
  });

  it("starts a node again after every exit code that another start may mend, and after no other", () => {
    const kept = new Set(
      /^RestartPreventExitStatus=(.*)$/m.exec(unit)?.[1]?.split(" ").map(Number),
    );
    // 10 to 12 are of the simulator, 70 is a fault of the program: after that it is tried.
    const codes = Object.values(ERRORS).map(({ exitCode }) => exitCode);
    const ends = new Set(codes.filter((code) => code < 10 && code !== 0 && code !== 4));
    expect([...ends].sort()).toEqual([...kept].sort());
  });

  it("runs as nobody's root, reads the passphrase as a credential, and opens no IPv4 socket", () => {
    for (const line of [
      "User=tetrad",
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "StateDirectory=tetrad",
      "CapabilityBoundingSet=",
      "LoadCredential=tetrad-passphrase:/etc/tetrad/passphrase",
    ]) {
      expect(unit.split("\n")).toContain(line);
    }
    const families = /^RestrictAddressFamilies=(.*)$/m.exec(unit)?.[1]?.split(" ");
    expect(families).toEqual(["AF_INET6", "AF_UNIX", "AF_NETLINK"]);
    // The name that the node looks for (passphrase.ts).
    expect(read("src/node/keys/passphrase.ts")).toContain('"tetrad-passphrase"');
  });
});

describe("packaging/Dockerfile", () => {
  const file = read("packaging/Dockerfile");
  const stages = file.split(/^FROM /m).slice(1);
  const last = stages.at(-1) ?? "";

  it("runs only commands that there are, and copies only what there is", () => {
    const scripts = Object.keys(JSON.parse(read("package.json")).scripts);
    const runs = [...file.matchAll(/^RUN npm (.*)$/gm)].map(([, command = ""]) => command);
    expect(runs).toEqual(["ci", "run build", "ci --omit=dev"]);
    for (const run of runs.filter((one) => one.startsWith("run "))) {
      expect(scripts).toContain(run.slice(4));
    }
    for (const [, names = ""] of file.matchAll(/^COPY (?!--from)(.*) \S+$/gm)) {
      for (const name of names.split(" ").filter((one) => one !== ".")) {
        expect(spawnSync("stat", [join(root, name)]).status, name).toBe(0);
      }
    }
  });

  it("ends in an image without build tools that is not root's and says how it is", () => {
    expect(last).toMatch(/^USER node$/m);
    expect(last.indexOf("USER node")).toBeLessThan(last.indexOf("ENTRYPOINT"));
    expect(last).toMatch(/^HEALTHCHECK [\s\S]*\[::1\]:8440\/livez/m);
    expect(last).toMatch(/^EXPOSE 4440\/udp$/m);
    expect(last).not.toMatch(/npm/);
    for (const stage of stages) expect(stage).toMatch(/^node:24-bookworm-slim/);
  });

  it("is written as linters of such files want it", () => {
    const lines = file.replaceAll(/\\\n\s*/g, "").split("\n");
    const instructions = lines.filter((line) => line !== "" && !line.startsWith("#"));
    const names = instructions.map((line) => line.split(" ", 1)[0]);
    const known = ["FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE"];
    const once = ["HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD"];
    expect(names.filter((name = "") => ![...known, ...once].includes(name))).toEqual([]);
    for (const name of once) expect(names.filter((one) => one === name)).toHaveLength(1);
    const made = new Set<string>();
    for (const line of instructions) {
      const [name, ...words] = line.split(" ");
      const stage = words.find((word) => word.startsWith("--from="))?.slice("--from=".length);
      // A stage that comes before, a folder where there are several sources, whole paths.
      if (stage !== undefined) expect([...made], line).toContain(stage);
      if (name === "FROM" && words[1] === "AS") made.add(words[2] ?? "");
      const sources = words.filter((word) => !word.startsWith("--")).length - 1;
      if (name === "COPY" && sources > 1) expect(line).toMatch(/\/$/);
      if (name === "WORKDIR" || name === "VOLUME") expect(words[0]).toMatch(/^\//);
      if (name === "ENTRYPOINT" || name === "CMD") expect(line).toMatch(/\["[^']*"\]$/);
      if (name === "ENV") expect(line).not.toMatch(/PASSWORD|SECRET|PASSPHRASE(?!_FILE)/);
      if (name === "RUN") expect(line).not.toMatch(/\bsudo\b|curl|wget|apt-get|\bcd\b/);
    }
    expect([...made]).toEqual(["build", "dependencies"]);
  });
});

describe("packaging/alerts.yml", () => {
  it.skipIf(!has("promtool"))("is a file of rules that Prometheus takes", () => {
    const args = ["check", "rules", join(root, "packaging/alerts.yml")];
    const { status, stdout } = spawnSync("promtool", args, { encoding: "utf8" });
    expect([status, stdout]).toEqual([0, expect.stringContaining("SUCCESS")]);
  });
});
