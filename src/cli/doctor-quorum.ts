/** What `nexus doctor` can say of a whole network, because it has looked at every node of it. */
import { quorumOf } from "../ledger/validator-set.ts";
import type { Finding } from "./finding.ts";

const isUp = (findings: readonly Finding[]): boolean =>
  findings.some(({ check, state }) => check === "running" && state === "ok");

const START_THEM = "start the nodes that are down: without a quorum nothing is decided";

/**
 * Whether enough nodes are up, of all nodes of a network that this program made: they have equal weights.
 * Undefined where none is up: a network that is stopped lacks nothing.
 */
export const checkQuorum = (nodes: readonly (readonly Finding[])[]): Finding | undefined => {
  const up = nodes.filter(isUp).length;
  if (up === 0) return undefined;
  const needed = Number(quorumOf(BigInt(nodes.length)));
  const found = `${up} of ${nodes.length} up, ${needed} needed`;
  return up >= needed
    ? { check: "quorum", state: "ok", found }
    : { check: "quorum", state: "fail", found, todo: START_THEM };
};

/** Checks of which a node guesses a cause when others are down; here the cause is known. */
const FOLLOWS: ReadonlySet<string> = new Set(["peers", "clock", "voting"]);

/** The findings of a node of a network without a quorum, with the cause in the place of guesses. */
export const withoutGuesses = (findings: readonly Finding[]): Finding[] =>
  findings.map((one) =>
    one.state !== "ok" && FOLLOWS.has(one.check)
      ? { ...one, todo: "see quorum: too few nodes are up" }
      : one,
  );
