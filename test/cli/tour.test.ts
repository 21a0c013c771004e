/** The tour's own tools: how it changes one letter, and what it reads of the commands that it runs. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CliContext } from "../../src/cli/context.ts";
import { withOneLetterChanged } from "../../src/cli/tour/proof-step.ts";
import { Stage } from "../../src/cli/tour/stage.ts";
import { fakeContext } from "./fake-context.ts";

describe("withOneLetterChanged", () => {
  it("changes exactly one letter", () => {
    const word = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        const text = JSON.stringify(words);
        const changed = withOneLetterChanged(text);
        expect(changed).toHaveLength(text.length);
        expect([...text].filter((letter, i) => letter !== changed[i])).toHaveLength(1);
        expect(() => JSON.parse(changed)).not.toThrow();
      }),
    );
  });
});

describe("stage", () => {
  it("shows what a command prints in colours, and hands it on without", async () => {
    const { context: plain, said } = fakeContext({});
    const terminal = { ...plain.terminal, colorOut: true, colorErr: true };
    const context = new CliContext(terminal, {}, {}, "/", plain.signal);
    const stage = new Stage(context, "/none", false);
    const ran = await stage.nexus(["proof", "verify", "/none/proof.json"]);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toMatch(/^error proof\.unreadable: /);
    expect(said.out).toContain("\x1b[31merror\x1b[39m proof.unreadable");
  });
});
