/** `nexus proof get` and `nexus proof verify`: proof bundles, made by a node and checked by nobody's leave. */
import { createReadStream, existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { formatSets, KeptSteps } from "../../client/kept-steps.ts";
import { nearerByFile, proofFrom } from "../../client/nearer-trust.ts";
import { rememberVerified } from "../../client/prover.ts";
import type { TakenStep } from "../../client/set-step.ts";
import { equalBytes, toHex } from "../../crypto/bytes.ts";
import { falconVerify } from "../../crypto/falcon.ts";
import { TetradError } from "../../errors.ts";
import { type Bundle, formatBundle, parseBundle } from "../../ledger/verify/bundle.ts";
import { parseTrust, type Trust } from "../../ledger/verify/trust.ts";
import { type Verification, verifyBundle } from "../../ledger/verify/verify-bundle.ts";
import { LIMITS } from "../../limits.ts";
import { writeFileAtomic } from "../../node/folder.ts";
import { FORMATS } from "../../node/formats.ts";
import { trustText } from "../checkpoint/keep.ts";
import { readText } from "../checkpoint/read-text.ts";
import type { CliContext } from "../context.ts";
import { formatFields, formatJson, formatNdjson, formatTable, printable } from "../output.ts";
import { describe, sentencesOf } from "../proof/describe.ts";
import { pageScript, proofPage } from "../proof/page.ts";

type GetOptions = {
  readonly out?: string;
  readonly html?: boolean;
  readonly trust?: string;
  readonly sets?: string;
};
type VerifyOptions = {
  readonly trust?: string;
  readonly sets?: string;
  readonly checkpoint?: string;
};

const unreadable = (what: string, error: unknown): TetradError => {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return new TetradError("proof.unreadable", `${what} cannot be read (${code})`);
};

/** A text file of at most `max` bytes; "-" is standard input. */
const readBounded = async (path: string, max: number): Promise<string> => {
  try {
    const stream = path === "-" ? process.stdin : createReadStream(path);
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of stream as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > max) throw new TetradError("proof.malformed", `${path} is over ${max} bytes`);
      pieces.push(piece);
    }
    return Buffer.concat(pieces).toString("utf8");
  } catch (error) {
    throw error instanceof TetradError ? error : unreadable(path, error);
  }
};

type Trusted = { readonly trust: Trust; readonly text: string; readonly path: string };

/** What is named, or the genesis of the network in --dir. Throws proof.unreadable and proof.trust. */
const readTrust = async (context: CliContext, flag: string | undefined): Promise<Trusted> => {
  const path = flag === undefined ? join(context.dir, "genesis.json") : resolve(context.cwd, flag);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (flag !== undefined) throw unreadable(path, error);
    const detail = `no network is in ${context.dir}: say what you trust by --trust genesis.json`;
    throw new TetradError("proof.unreadable", detail);
  }
  const trust = parseTrust(text);
  if (!trust.ok) throw new TetradError("proof.trust", `${path}: ${trust.detail}`);
  return { trust: trust.value, text, path };
};

type Asked = {
  readonly path: string;
  readonly query?: { readonly from: number; readonly limit: number };
  readonly matches: (bundle: Bundle) => boolean;
};

/** What is asked for, and whether a bundle claims just that: a true proof of something else is no answer. */
const askedFor = (what: string, key: string | undefined): Asked => {
  if (key === undefined) {
    const range = rangeIn(what);
    if (range !== undefined) return range;
    const index = /^(0|[1-9][0-9]{0,15})$/.test(what) ? Number(what) : Number.NaN;
    if (!Number.isSafeInteger(index)) {
      throw new TetradError(
        "cli.usage",
        `"${what}" is no index and no range of them; a row needs a key as well`,
      );
    }
    const path = `/v1/events/${index}`;
    return { path, matches: (bundle) => claimsIndex(bundle, index) };
  }
  const bytes = FORMATS.projections.includes(what) ? FORMATS.keyBytes(what, key) : undefined;
  if (bytes?.ok === false) throw TetradError.from(bytes);
  return {
    path: `/v1/projections/${encodeURIComponent(what)}/${encodeURIComponent(key)}`,
    matches: ({ claim }) =>
      claim.kind === "rows" &&
      claim.projection === what &&
      claim.rows.length === 1 &&
      (bytes === undefined || equalBytes(claim.rows[0]?.key ?? new Uint8Array(0), bytes.value)),
  };
};

/** `FIRST..LAST`. A node may give fewer, from the first on: the page of an answer is bounded in bytes. */
const rangeIn = (what: string): Asked | undefined => {
  const parts = /^(0|[1-9][0-9]{0,15})\.\.(0|[1-9][0-9]{0,15})$/.exec(what);
  if (parts === null) return undefined;
  const [from, last] = [Number(parts[1]), Number(parts[2])];
  const limit = last - from + 1;
  if (!Number.isSafeInteger(last) || limit < 1 || limit > LIMITS.httpPageMax) {
    throw new TetradError(
      "cli.usage",
      `"${what}" is no range of 1 to ${LIMITS.httpPageMax} events`,
    );
  }
  const matches = ({ claim }: Bundle): boolean => {
    if (claim.kind === "no-event") return claim.index === from;
    const { leaves } = claim.kind === "range" ? claim : { leaves: [] };
    return indexIn(leaves[0]) === from && leaves.length <= limit;
  };
  return { path: "/v1/events", query: { from, limit }, matches };
};

const claimsIndex = ({ claim }: Bundle, index: number): boolean => {
  if (claim.kind === "no-event") return claim.index === index;
  if (claim.kind !== "events" || claim.events.length !== 1) return false;
  return indexIn(claim.events[0]?.leaf) === index;
};

/** The index that a leaf says it has. */
const indexIn = (leaf: Uint8Array | undefined): number | undefined => {
  if (leaf === undefined) return undefined;
  const view = new DataView(leaf.buffer, leaf.byteOffset, leaf.length);
  return view.getUint32(1) * 0x1_0000_0000 + view.getUint32(5);
};

export const proofGet = async (
  context: CliContext,
  options: GetOptions,
  what = "",
  key?: string,
): Promise<void> => {
  const asked = askedFor(what, key);
  const { trust, text, path } = await readTrust(context, options.trust);
  if (options.html === true && trust.origin !== "genesis") {
    throw new TetradError("cli.usage", "a page brings its genesis along: give one by --trust");
  }
  const kept = new KeptSteps();
  const shown = await proofFrom(context.client(), asked, trust, {
    verify: rememberVerified(falconVerify),
    signal: context.signal,
    onStep: (step, from, taken) => {
      if (options.sets !== undefined) keepStep(kept, step, from, taken);
    },
  });
  const { bundle, proven } = shown;
  if (!asked.matches(bundle)) {
    throw new TetradError("proof.invalid", "the node proved something else than was asked for");
  }
  const isFar = shown.trust !== trust;
  if (isFar && options.html === true) {
    const detail = `the chain is too long for one proof from epoch ${trust.epoch}`;
    throw new TetradError("proof.too-long", `${detail}, which is where a page begins`);
  }
  // All that may be refused is refused before anything is written.
  const writeSteps = stepsToWrite(context, options.sets, kept);
  const proof = formatBundle(bundle);
  const output = options.html === true ? proofPage(proof, text, await pageScript()) : proof;
  if (options.out === undefined) context.terminal.out(output);
  else await writeFile(resolve(context.cwd, options.out), output);
  for (const sentence of sentencesOf(proven)) context.note(printable(sentence));
  context.note(`verified against ${path}; ${Buffer.byteLength(output)} bytes`);
  if (isFar) noteStart(context, shown.trust, options);
  writeSteps();
  const isLost = isFar && options.sets === undefined;
  if (options.out !== undefined && options.html !== true && !isLost) {
    const steps = isFar ? ` --sets ${options.sets}` : "";
    context.suggest(`nexus proof verify ${options.out} --trust ${path}${steps}`);
  }
};

const keepStep = (kept: KeptSteps, bundle: Bundle, from: Trust, { proven }: TakenStep): void => {
  const { epoch: to, height } = proven.header;
  const links = bundle.links.length;
  const members = bundle.claim.kind === "rows" ? bundle.claim.rows.length : 0;
  const pushed = kept.push({ step: { from: from.epoch, to, height, links, members }, bundle });
  if (!pushed.ok) throw TetradError.from(pushed);
};

/** On a long chain a proof does not begin at what was trusted: who is given it needs to come to where it does. */
const noteStart = (context: CliContext, { epoch }: Trust, { sets }: GetOptions): void =>
  context.note(
    sets === undefined
      ? `it begins at the set of epoch ${epoch}: to who trusts an older one give the steps too (--sets FILE)`
      : `it begins at the set of epoch ${epoch}, to which the steps in ${sets} lead`,
  );

/**
 * What writes the steps. A file that is there may be one that `nexus checkpoint` keeps, and the only way to prove who
 * has signed before: it is replaced by no steps but those that begin with its own. Throws cli.usage, proof.too-long.
 */
const stepsToWrite = (
  context: CliContext,
  sets: string | undefined,
  { all }: KeptSteps,
): (() => void) => {
  if (sets === undefined) return () => undefined;
  const path = resolve(context.cwd, sets);
  if (all.length === 0) {
    return () => context.note(`one proof leads there from what you trust: no steps for ${path}`);
  }
  const text = formatSets(all.map(({ bundle }) => bundle));
  if (!text.ok) throw TetradError.from(text);
  if (existsSync(path) && !text.value.startsWith(readText(path, LIMITS.setsFileMax))) {
    const detail = `${path} is there, and the new steps do not begin with those in it`;
    throw new TetradError("cli.usage", detail, { next: "name a new file for the steps" });
  }
  return () => writeFileAtomic(path, Buffer.from(text.value));
};

/** What is trusted, or what the steps in the file of --sets lead to from it. */
const trustBySteps = async (context: CliContext, { trust: flag, sets }: VerifyOptions) => {
  const { trust } = await readTrust(context, flag);
  if (sets === undefined) return trust;
  const path = resolve(context.cwd, sets);
  const text = await readBounded(path, LIMITS.setsFileMax);
  const reached = nearerByFile(text, trust, rememberVerified(falconVerify));
  if (reached.ok) return reached.value;
  throw new TetradError(reached.code, `${path}: ${reached.detail}`, reached.data);
};

export const proofVerify = async (
  context: CliContext,
  options: VerifyOptions,
  file = "",
): Promise<void> => {
  const path = file === "-" ? file : resolve(context.cwd, file);
  const text = await readBounded(path, LIMITS.proofTextMax);
  if (/^\s*<!doctype html/i.test(text)) {
    const detail = `${file} is the page of a proof, which verifies itself: open it in a browser`;
    throw new TetradError("proof.malformed", detail);
  }
  const trust = await trustBySteps(context, options);
  const bundle = parseBundle(text);
  if (!bundle.ok) throw TetradError.from(bundle);
  const verification = verifyBundle(bundle.value, trust, falconVerify);
  print(context, verification);
  const { result } = verification;
  if (!result.ok) throw TetradError.from(result);
  if (options.checkpoint !== undefined) {
    const target = resolve(context.cwd, options.checkpoint);
    writeFileAtomic(target, Buffer.from(trustText(target, result.value.checkpoint)));
    context.note(`${target}: what may be trusted from now on`);
  }
};

const print = (context: CliContext, { checks, result }: Verification): void => {
  const { terminal, format } = context;
  if (format !== "table") {
    const value = {
      ok: result.ok,
      checks,
      ...(result.ok
        ? {
            proven: Object.fromEntries(describe(result.value)),
            height: result.value.header.height,
            headerHash: toHex(result.value.header.hash),
            statements: sentencesOf(result.value),
            assumptions: result.value.assumptions,
          }
        : { code: result.code, detail: result.detail }),
    };
    terminal.out(format === "json" ? formatJson(value) : formatNdjson(value));
    return;
  }
  const rows = checks.map(({ id, result: outcome, detail }) => ({
    check: id,
    result: outcome,
    detail,
  }));
  terminal.out(formatTable(["check", "result", "detail"], rows, terminal.colorOut));
  if (!result.ok) return;
  terminal.out(`\n${formatFields(describe(result.value), terminal.colorOut)}\n`);
  for (const text of sentencesOf(result.value)) terminal.out(`proven: ${printable(text)}\n`);
  for (const text of result.value.assumptions) terminal.out(`rests on: ${printable(text)}\n`);
};
