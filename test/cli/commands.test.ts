/** Every verb, by its definition: help that begins with examples, and no flag or verb without a neighbour. */
import { describe, expect, it } from "vitest";
import { cutHelp, helpPartsOf } from "../../src/cli/nexus-command.ts";
import { describedProgram, isVerb, walk } from "../../src/cli/reference.ts";
import { SHAPES } from "../../src/cli/shapes.ts";

const verbs = walk(describedProgram()).filter(
  ({ command }) => command.commands.length === 0 || isVerb(command),
);

describe("the verbs", () => {
  it.each(verbs)("$name has a description and examples that name it", ({ name, command }) => {
    expect(command.description()).toMatch(/^[a-z]/);
    const { examples } = helpPartsOf(command);
    expect(examples.length).toBeGreaterThan(0);
    const words = name.split(" ");
    expect(
      examples.some((line) => line.includes("nexus") && words.every((word) => line.includes(word))),
    ).toBe(true);
    const help = command.helpInformation();
    expect(help.indexOf("Examples:")).toBeGreaterThan(0);
    expect(help.indexOf("Usage:")).toBeGreaterThan(help.indexOf("Examples:"));
    expect(help).toContain("--output");
  });

  it("that print data have a shape, and every shape has its verb", () => {
    const names = new Set(verbs.map(({ name }) => name));
    expect(Object.keys(SHAPES).filter((name) => !names.has(name))).toEqual([]);
  });
});

describe("cutHelp", () => {
  it("takes examples and notes apart, whatever their order", () => {
    const { examples, notes } = cutHelp(
      "\nA note\nof two lines.\n\nExamples:\n  nexus a\n  nexus b\n\nMore.\n",
    );
    expect(examples).toEqual(["  nexus a", "  nexus b"]);
    expect(notes).toEqual(["A note\nof two lines.", "More."]);
    expect(cutHelp("")).toEqual({ examples: [], notes: [] });
  });
});
