// Lays out in a folder what `docker build --file packaging/Dockerfile .` would put into the image, for machines
// without Docker: every COPY and RUN of every stage is carried out, each stage in a folder of its own, with the
// absolute paths of the image below that folder. The base image's own files, its user and its system are not
// there. Prints what the last stage says of the image (entrypoint, command, environment, health check) as JSON.
//
//     node scripts/image-folder.mjs DEST          DEST, new or empty: DEST/image is the image then
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join, matchesGlob, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Instructions with their arguments, lines that are continued put together. */
export const instructionsOf = (text) =>
  text
    .split("\n")
    .filter((line) => !/^\s*#/.test(line))
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(line.trim()) ?? [];
      return { name: name.toUpperCase(), rest };
    });

/** The files that a build sees: of the checkout, without what the ignore file names. */
export const contextFiles = (ignored) => {
  const args = ["ls-files", "-co", "--exclude-standard", "-z"];
  const files = execFileSync("git", args, { cwd: root, encoding: "utf8" }).split("\0");
  const isIgnored = (path) =>
    ignored.some((pattern) => matchesGlob(path, pattern) || matchesGlob(path, `${pattern}/**`));
  return files.filter((path) => path !== "" && !isIgnored(path) && existsSync(join(root, path)));
};

/** A path of the image in the folder of a stage. */
const within = (stage, path) => join(stage.folder, resolve(stage.workdir, path));

const copy = (stage, stages, files, rest) => {
  const words = rest.split(/\s+/);
  const from = words[0]?.startsWith("--from=") ? words.shift().slice("--from=".length) : undefined;
  const to = words.pop() ?? "";
  for (const name of words) {
    // The contents of a folder are copied, not the folder.
    if (from !== undefined) {
      const source = stages.find((one) => one.name === from);
      if (source === undefined) throw new Error(`there is no stage ${from}`);
      cpSync(within(source, name), within(stage, to), { recursive: true, verbatimSymlinks: true });
      continue;
    }
    const found = files.filter(
      (path) => name === "." || path === name || path.startsWith(`${name}/`),
    );
    if (found.length === 0) throw new Error(`nothing to copy is called ${name}`);
    for (const path of found) {
      const rel =
        name === "." ? path : path === name ? basename(path) : path.slice(name.length + 1);
      const isOne = path === name && words.length === 1 && !to.endsWith("/");
      const target = isOne ? within(stage, to) : join(within(stage, to), rel);
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(root, path), target, { verbatimSymlinks: true });
    }
  }
};

/** Absolute paths of the image are below the stage's folder; files belong to whoever runs this. */
const run = (stage, rest) => {
  const command = rest
    .replaceAll(/(?<=^|\s)\/(?=[a-z])/g, `${stage.folder}/`)
    .replaceAll(/(?<=\sinstall\b.*) -(o|g) \S+/g, "");
  mkdirSync(join(stage.folder, "usr/local/bin"), { recursive: true });
  mkdirSync(join(stage.folder, "var/lib"), { recursive: true });
  const env = { ...process.env, ...stage.env };
  const { status } = spawnSync("sh", ["-ec", command], {
    cwd: within(stage, "."),
    env,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error(`RUN ${rest}: exit ${status}`);
};

/** Carries out the Dockerfile. Returns the last stage, whose folder is `dest`/image. */
export const layOut = (dest) => {
  const read = (name) => readFileSync(join(root, "packaging", name), "utf8");
  const ignored = read("Dockerfile.dockerignore")
    .split("\n")
    .filter((line) => line !== "");
  const files = contextFiles(ignored);
  const instructions = instructionsOf(read("Dockerfile"));
  const last = instructions.findLastIndex(({ name }) => name === "FROM");
  const stages = [];
  for (const [i, { name, rest }] of instructions.entries()) {
    const stage = stages.at(-1);
    if (name === "FROM") {
      const [, , as = "image"] = rest.split(/\s+/);
      const called = i === last ? "image" : as;
      const folder = join(dest, called);
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      stages.push({ name: called, folder, workdir: "/", env: {}, says: {} });
    } else if (name === "WORKDIR") {
      stage.workdir = resolve(stage.workdir, rest);
      mkdirSync(within(stage, "."), { recursive: true });
    } else if (name === "COPY") copy(stage, stages, files, rest);
    else if (name === "RUN") run(stage, rest);
    else if (name === "ENV") {
      const [key = "", ...value] = rest.split("=");
      stage.env[key] = value.join("=");
    } else if (name === "HEALTHCHECK") {
      stage.says.healthcheck = JSON.parse(rest.slice(rest.indexOf("CMD") + 3));
    } else if (name === "ENTRYPOINT" || name === "CMD") {
      stage.says[name.toLowerCase()] = JSON.parse(rest);
    } else stage.says[name.toLowerCase()] = rest;
  }
  for (const { name, folder } of stages.slice(0, -1)) {
    if (name !== "image") rmSync(folder, { recursive: true, force: true });
  }
  return stages.at(-1);
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dest] = process.argv.slice(2);
  if (dest === undefined) {
    console.error("usage: node scripts/image-folder.mjs DEST");
    process.exit(1);
  }
  // The folders of the stages are made anew: what somebody has there by those names would be gone.
  if (existsSync(dest) && !(statSync(dest).isDirectory() && readdirSync(dest).length === 0)) {
    console.error(`${dest} is there and not an empty folder`);
    process.exit(1);
  }
  const { folder, workdir, env, says } = layOut(resolve(dest));
  console.log(JSON.stringify({ folder, workdir, env, ...says }, null, 2));
}
