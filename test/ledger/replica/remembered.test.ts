/** What is read once a state, and again when the state is another or nothing may be kept. */
import { describe, expect, it } from "vitest";
import { remembered } from "../../../src/ledger/replica/remembered.ts";

const setUp = () => {
  const world: { state: string | undefined; gives: boolean; reads: number } = {
    state: "1",
    gives: true,
    reads: 0,
  };
  const value = remembered(
    () => world.state,
    () => {
      world.reads += 1;
      return world.gives ? { of: world.state } : undefined;
    },
  );
  return { world, value };
};

describe("a remembered value", () => {
  it("is read once while the state is the same, and again in each other", () => {
    const { world, value } = setUp();
    for (const state of ["1", "1", "2", "2", "2", "1"]) {
      world.state = state;
      expect(value()).toEqual({ of: state });
    }
    expect(world.reads).toBe(3);
  });

  it("is read each time where the state has no name, and forgotten by that", () => {
    const { world, value } = setUp();
    value();
    world.state = undefined;
    expect([value(), value()]).toEqual([{ of: undefined }, { of: undefined }]);
    world.state = "1";
    value();
    expect(world.reads).toBe(4);
  });

  it("is asked for again when it could not be read", () => {
    const { world, value } = setUp();
    world.gives = false;
    expect([value(), value()]).toEqual([undefined, undefined]);
    world.gives = true;
    expect([value(), value()]).toEqual([{ of: "1" }, { of: "1" }]);
    expect(world.reads).toBe(3);
  });
});
