/** The tour's own tools: what it changes is one letter, and the text is as long as before. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withOneLetterChanged } from "../../src/cli/tour/proof-step.ts";

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
