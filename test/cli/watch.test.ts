/** `-w`: what is the same is not printed twice, and a node that goes away is waited for. */
import { describe, expect, it } from "vitest";
import { CliContext } from "../../src/cli/context.ts";
import { watching } from "../../src/cli/watch.ts";
import { TetradError } from "../../src/errors.ts";
import { fakeContext } from "./fake-context.ts";

const watched = async (
  rounds: readonly (string | TetradError)[],
  outIsTerminal = false,
): Promise<{ readonly said: { out: string; err: string }; readonly error: unknown }> => {
  const { context, said } = fakeContext({});
  const end = new AbortController();
  const terminal = { ...context.terminal, outIsTerminal };
  const own = new CliContext(terminal, {}, {}, "/", end.signal);
  const left = [...rounds];
  const error = await watching(own, { watch: true }, async (one) => {
    const next = left.shift();
    if (left.length === 0) setTimeout(() => end.abort(), 0);
    if (next instanceof TetradError) throw next;
    one.terminal.out(next ?? "");
  }).catch((thrown: unknown) => thrown);
  return { said, error };
};

describe("watching", () => {
  it("prints what has changed, once", async () => {
    const { said } = await watched(["1\n", "1\n", "2\n"]);
    expect(said.out).toBe("1\n2\n");
  });

  it("redraws in place on a terminal", async () => {
    const { said } = await watched(["1\n"], true);
    expect(said.out).toBe("\x1b[H1\x1b[K\n\x1b[J");
  });

  it("waits for a node that goes away, but not for one that never was there", async () => {
    const away = new TetradError("cli.unreachable", "nobody");
    const { said, error } = await watched(["1\n", away, away, "1\n"]);
    expect(error).toBeUndefined();
    expect(said.out).toBe("1\n1\n");
    expect(said.err).toBe("cli.unreachable: nobody; trying again\n");
    expect((await watched([away, "1\n"])).error).toBe(away);
    const foreign = new TetradError("folder.foreign", "another chain");
    expect((await watched(["1\n", foreign])).error).toBe(foreign);
  });

  it("runs once without the flag", async () => {
    const { context } = fakeContext({});
    let runs = 0;
    await watching(context, {}, async () => {
      runs += 1;
    });
    expect(runs).toBe(1);
  });
});
