/**
 * `nexus debug`: one archive for who helps. Files go in by a list of what is wanted, never by what lies
 * around: nothing is read in a keys folder but the passphrase, and that only to take it out of the rest.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { release, totalmem } from "node:os";
import { join, relative, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { TetradError } from "../../errors.ts";
import { explainConfig, loadConfig } from "../../node/config.ts";
import { fileError } from "../../node/folder.ts";
import {
  NEW_PASSPHRASE_VARIABLE,
  PASSPHRASE_VARIABLE,
  passphrasePath,
} from "../../node/keys/passphrase.ts";
import { realClock } from "../../node/real-ports.ts";
import { VERSION } from "../../node/version.ts";
import type { CliContext } from "../context.ts";
import { lastLines } from "../dev/child.ts";
import { pathsOf } from "../dev/create.ts";
import type { DevNode } from "../dev/record.ts";
import { redact } from "../redact.ts";
import { type TarFile, tarOf } from "../tar.ts";

type DebugOptions = { readonly out?: string };

const LOG_LINES = 500;
const ASK_MS = 3_000;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const LISTED_MAX = 10_000;

/** What must not stand anywhere in the archive. */
const secretsOf = (context: CliContext, nodes: readonly DevNode[]): string[] => {
  const folders = nodes.map((node) => pathsOf(context.dir, node).keys);
  folders.push(join(context.dir, "operator"), join(context.dir, "issuer"));
  const texts = folders
    .map((folder) => passphrasePath(folder))
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, "utf8").trim());
  const given = [PASSPHRASE_VARIABLE, NEW_PASSPHRASE_VARIABLE].map(
    (name) => context.env[name] ?? "",
  );
  return [...texts, ...given].filter((text) => text !== "");
};

/** Every path below the folder with its mode and size, and nothing of what is in it. */
const listing = (dir: string): string => {
  const lines: string[] = [];
  const walk = (folder: string): void => {
    for (const name of readdirSync(folder).sort()) {
      if (lines.length >= LISTED_MAX) return;
      const path = join(folder, name);
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      const mode = (stat.mode & 0o7777).toString(8).padStart(4, "0");
      lines.push(`${mode} ${String(stat.size).padStart(12)} ${relative(dir, path)}`);
      if (stat.isDirectory()) walk(path);
    }
  };
  if (existsSync(dir)) walk(dir);
  return `${lines.join("\n")}\n`;
};

const ask = async (api: string, path: string, signal: AbortSignal): Promise<string> => {
  try {
    signal.throwIfAborted();
    const response = await fetch(`${api}${path}`, { signal: AbortSignal.timeout(ASK_MS) });
    return (await response.text()).slice(0, ANSWER_BYTES_MAX);
  } catch (error) {
    signal.throwIfAborted();
    return `no answer: ${error instanceof Error ? error.message : String(error)}\n`;
  }
};

const ASKED = [
  ["status.json", "/v1/status"],
  ["peers.json", "/v1/peers"],
  ["validators.json", "/v1/validators"],
  ["ready.json", "/readyz?verbose"],
  ["metrics.txt", "/metrics"],
] as const;

const askAll = (name: string, api: string, signal: AbortSignal): Promise<[string, string][]> =>
  Promise.all(
    ASKED.map(
      async ([file, path]): Promise<[string, string]> => [
        `${name}/${file}`,
        await ask(api, path, signal),
      ],
    ),
  );

/** Settings with their origin; the file itself may have comments that nobody meant to send. */
const configText = (context: CliContext, node: DevNode): string => {
  try {
    const resolved = loadConfig(pathsOf(context.dir, node).config, {}, {}, context.cwd);
    const settings = explainConfig(resolved).map(({ key, value, place }) => ({
      key,
      value,
      place,
    }));
    return `${JSON.stringify(settings, null, 2)}\n`;
  } catch (error) {
    if (error instanceof TetradError) return `${error.code}: ${error.message}\n`;
    throw error;
  }
};

const versions = (context: CliContext): string =>
  `${JSON.stringify(
    {
      tetrad: VERSION,
      node: process.versions,
      platform: `${process.platform}-${process.arch} ${release()}`,
      memoryBytes: totalmem(),
      takenAt: new Date(realClock.wallMs()).toISOString(),
      variables: Object.keys(context.env).filter((name) => name.startsWith("NEXUS_")),
    },
    null,
    2,
  )}\n`;

export const debug = async (context: CliContext, options: DebugOptions): Promise<void> => {
  const { signal } = context;
  const known = context.apiIsNamed ? undefined : context.dev();
  const nodes = known?.nodes ?? [];
  const texts: [string, string][] = [["versions.json", versions(context)]];
  if (known === undefined) texts.push(...(await askAll("node", context.apiUrl(), signal)));
  else texts.push(["folder.txt", listing(context.dir)]);
  for (const node of nodes) {
    texts.push(...(await askAll(node.name, `http://${node.api}`, signal)));
    texts.push([`${node.name}/config.json`, configText(context, node)]);
    const log = lastLines(join(context.dir, node.folder, "node.log"), LOG_LINES);
    texts.push([`${node.name}/log.txt`, `${log.join("\n")}\n`]);
  }
  const secrets = secretsOf(context, nodes);
  const files = texts.map(
    ([name, text]): TarFile => ({
      name: `nexus-debug/${name}`,
      bytes: Buffer.from(redact(text, secrets)),
    }),
  );
  const seconds = Math.floor(realClock.wallMs() / 1000);
  const out = resolve(context.cwd, options.out ?? `nexus-debug-${seconds}.tar.gz`);
  try {
    writeFileSync(out, gzipSync(tarOf(files, seconds)), { mode: 0o600, flag: "wx" });
  } catch (error) {
    throw fileError(out, error);
  }
  context.print({ file: out, files: files.map(({ name }) => name) }, [
    ["file", out],
    ["files", files.length],
  ]);
  context.note(
    "it has no keys and no passphrases; look into it before you send it: addresses are in it",
  );
};
