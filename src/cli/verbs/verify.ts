/** `nexus verify`: checks a network that is deployed, from end to end. */

import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { toHex } from "../../crypto/bytes.ts";
import { TetradError } from "../../errors.ts";
import { readGenesis } from "../../node/node.ts";
import { randomHex, realClock } from "../../node/real-ports.ts";
import type { CliContext } from "../context.ts";
import { recordEvent } from "../events-input.ts";
import { byMeaning } from "../output.ts";
import { withSubmitter } from "../submitter.ts";
import {
  type Check,
  coverage,
  progress,
  reach,
  readBack,
  sameChain,
  sameRoots,
  type Target,
  type Up,
} from "../verify-network.ts";
import { proveOnEach } from "../verify-proof.ts";

type VerifyOptions = {
  readonly readOnly?: boolean;
  readonly genesis?: string;
  readonly key?: string;
  readonly timeout: number;
};

/** Addresses that were given, else the nodes of the folder's network. */
const targetsOf = (context: CliContext, given: readonly string[]): readonly Target[] => {
  if (given.length > 0) return given.map((api) => ({ api, name: api }));
  const known = context.apiIsNamed ? undefined : context.dev();
  if (known === undefined) return [{ api: context.apiUrl(), name: context.apiUrl() }];
  return known.nodes.map(({ api, name }) => ({ api: `http://${api}`, name }));
};

/** The genesis that the caller trusts: the file that was named, or the folder's. */
const trustedFile = (context: CliContext, given: string | undefined): string | undefined => {
  if (given !== undefined) return resolve(context.cwd, given);
  const path = join(context.dir, "genesis.json");
  return context.apiIsNamed || !existsSync(path) ? undefined : path;
};

/** Appends a record and waits until it is executed. */
const commit = async (
  context: CliContext,
  options: VerifyOptions,
  one: Up,
  record: string,
  text: string,
): Promise<Check> => {
  const { key, timeout } = options;
  const wanted = { client: one.client, wait: "projected", key, timeout } as const;
  try {
    return await withSubmitter(context, wanted, async (submitter) => {
      for await (const _ of submitter.flush()) context.note("a kept batch was sent first");
      const startedMs = realClock.monotonicMs();
      const { receipt } = await submitter.submit([recordEvent(record, text, context.cwd)]);
      const tookMs = Math.round(realClock.monotonicMs() - startedMs);
      const [outcome] = receipt.outcomes ?? [];
      const accepted = outcome?.kind === "accepted";
      const found = accepted
        ? `event ${receipt.firstIndex} at height ${receipt.height} after ${tookMs} ms`
        : `refused: ${outcome?.code ?? "?"}`;
      return { node: one.name, check: "append", state: accepted ? "ok" : "fail", found };
    });
  } catch (error) {
    if (!(error instanceof TetradError)) throw error;
    const found = `${error.code}: ${error.message}`;
    return { node: one.name, check: "append", state: "fail", found };
  }
};

export const verify = async (
  context: CliContext,
  options: VerifyOptions,
  ...given: string[]
): Promise<void> => {
  // Without a key nothing can be written: that is said before anything is asked.
  if (options.readOnly !== true) context.keyFile(options.key);
  const targets = targetsOf(context, given);
  const { checks, up } = await reach(targets, context.signal);
  const [first] = up;
  const limitMs = options.timeout * 1000;
  if (first !== undefined) {
    const { signal } = context;
    const genesis = trustedFile(context, options.genesis);
    const trusted = genesis === undefined ? undefined : toHex(readGenesis(genesis).hash);
    const chain = sameChain(up, trusted);
    checks.push(chain);
    if (chain.state === "ok") {
      checks.push(await coverage(targets, up, signal), await sameRoots(up, signal));
      if (options.readOnly === true) checks.push(await progress(up, limitMs, signal));
      else {
        const record = `nexus-verify/${randomHex(16)}`;
        const text = `verified at ${new Date(realClock.wallMs()).toISOString()}`;
        const appended = await commit(context, options, first, record, text);
        checks.push(appended);
        if (appended.state === "ok") {
          checks.push(...(await readBack(up, record, text, limitMs, signal)));
          if (genesis !== undefined) {
            const text = readFileSync(genesis, "utf8");
            checks.push(...(await proveOnEach(up, record, text, signal)));
          }
          const now = await reach(up, signal);
          if (now.up.length > 0)
            checks.push({ ...(await sameRoots(now.up, signal)), check: "roots after" });
        }
      }
    }
  }
  context.printList(checks, ["node", "check", "state", "found"], checks, byMeaning("state"));
  conclude(context, checks, up);
};

const conclude = (context: CliContext, checks: readonly Check[], up: readonly Up[]): void => {
  if (up.length === 0) throw new TetradError("cli.unreachable", "no node answers");
  const failed = checks.filter(({ state }) => state === "fail");
  if (failed.length === 0) {
    context.note(`${checks.length} checks, all well`);
    return;
  }
  const names = failed.map(({ node, check }) => (node === "-" ? check : `${check} of ${node}`));
  const away = failed.every(({ check }) => check === "reachable");
  const text = `${failed.length} check(s) failed: ${names.join(", ")}`;
  if (!away) throw new TetradError("verify.failed", text);
  throw new TetradError("cli.unreachable", `${text}; all others are well`, {
    next: "start what does not answer, or leave out its address",
  });
};
