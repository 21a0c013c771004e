import { describe, expect, it } from "vitest";
import { checkQuorum, withoutGuesses } from "../../src/cli/doctor-quorum.ts";
import type { Finding } from "../../src/cli/finding.ts";

const UP: Finding[] = [{ check: "running", state: "ok", found: "height 1, view 2" }];
const DOWN: Finding[] = [{ check: "running", state: "warn", found: "no" }];
const network = (up: number, down: number): Finding[][] => [
  ...Array.from({ length: up }, () => UP),
  ...Array.from({ length: down }, () => DOWN),
];

describe("doctor, of a whole network", () => {
  it.each([
    [4, 0, "ok", "4 of 4 up, 3 needed"],
    [3, 1, "ok", "3 of 4 up, 3 needed"],
    [2, 2, "fail", "2 of 4 up, 3 needed"],
    [1, 0, "ok", "1 of 1 up, 1 needed"],
    [4, 2, "fail", "4 of 6 up, 5 needed"],
    [5, 2, "ok", "5 of 7 up, 5 needed"],
  ])("says of %d nodes that are up and %d that are down: %s", (up, down, state, found) => {
    expect(checkQuorum(network(up, down))).toMatchObject({ state, found });
  });

  it("fails no network that is stopped", () => {
    expect(checkQuorum(network(0, 4))).toBeUndefined();
    expect(checkQuorum([])).toBeUndefined();
  });

  it("sends nobody to the firewall or the clock where nodes are down", () => {
    const findings: Finding[] = [
      { check: "peers", state: "fail", found: "1 of 3", todo: "check firewalls" },
      { check: "clock", state: "ok", found: "3 ms behind" },
      { check: "disk", state: "warn", found: "1 GiB free", todo: "make room" },
    ];
    const [peers, clock, disk] = withoutGuesses(findings);
    expect(peers).toMatchObject({ found: "1 of 3", todo: expect.stringContaining("see quorum") });
    expect([clock, disk]).toEqual(findings.slice(1));
  });
});
