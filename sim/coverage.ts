/**
 * Coverage by marks (the `sometimes` assertions of Antithesis): what must have been seen over many runs, or
 * else the runs show less than they seem to. A kind of fault counts when it has happened (faults.ts), and each
 * once more when somebody has felt it.
 */
import { WORK_WAYS } from "./adversary/false-slots.ts";
import { BENT_WAYS } from "./adversary/forgeries.ts";
import { FORGED_WAYS } from "./adversary/traffic.ts";
import { FALSE_WAYS } from "./claims.ts";
import { FAULT_KINDS } from "./fault-shape.ts";
import { DIRECTED_STRATEGIES, STRATEGIES } from "./scenario.ts";

const BITES: readonly string[] = [
  "frame blocked",
  "frame lost",
  "frame dropped by kind",
  "frame duplicated",
  "frame reordered",
  "frame corrupted",
  "frame clogged",
  "bandwidth shared",
  "send queue overflow",
  "frame delayed",
  "frame jittered",
  "leader cut off in its view",
  "session reset",
  "turn held by a pause",
  "turn slowed",
  "clock off",
  "clock hours off",
  "clock swung",
  "clock drifted",
  "twin signed",
  "started on an empty disk",
  "started on a restored disk",
  "write slowed",
  "crash at sign",
  "crash at signed",
  "crash at write",
  "crash at synced",
  "crash at send",
  "crash at deliver",
  // Hardly a write is not synced: "crash during write" is not for every night to see.
  "crash during sync",
  ...["batch", "block", "certificate", "cosignature", "proposal", "status", "vote"].map(
    (type) => `${type} replayed after a restart`,
  ),
  "crash after notarize",
  "crash after nullify",
  "crash after finalize",
  "write failed",
  "write torn",
  "write lost",
  "synced write lost",
  "write misdirected",
  "disk rotten",
  "rot read",
  "read failed",
  "damaged data replaced",
  "damaged votes replaced",
  "atlas spared a disk",
  "problem store.full",
  "problem store.io",
  "problem store.corrupt",
  "problem votes.missing",
  "problem votes.behind",
  "problem votes.foreign-statement",
];

const PROTOCOL: readonly string[] = [
  "view nullified",
  "view notarized and nullified",
  "another block notarized",
  "F and S in one view",
  "re-proposed",
  "re-proposed at a gap of 8",
  "boundary block re-proposed",
  "epoch changed",
  "sync served",
  "culprit owed to the log",
  "culprit quarantined",
  "shut out",
  "block time after the heal",
  "checkpoint signed",
  "checkpoint served",
];

/** Of chains on which stake decides. */
const STAKE: readonly string[] = [
  "dial of no member refused",
  "powers compared",
  "validator joined the set",
  "validator left the set",
  "validator slashed",
  "turn missed",
  "validator jailed for downtime",
  "validator back from downtime",
  "validator slashed for a false commitment",
];

/** Every way in which a certificate can be none, each sent as one. */
const CERTIFICATES: readonly string[] = [
  ...FORGED_WAYS.map((way) => `forged certificate ${way}`),
  ...BENT_WAYS.map((way) => `bent certificate ${way}`),
];

/** Every way of lying about a proof, and that what it says is refused or shows nothing. */
const PROOFS: readonly string[] = [
  ...WORK_WAYS.map((way) => `work ${way}`),
  "false work in a block",
  "liar cut off for work.missing",
  "liar cut off for work.insufficient",
  "liar cut off for work.effort",
  ...FALSE_WAYS.map((way) => `claim ${way}`),
  "false time refused",
  "false shares refused",
  "late time refused",
  "late shares refused",
  "liar's time never shown",
  "liar's shares never shown",
  "space late",
  "space next epoch",
  "space block of before",
  "space challenge chosen",
  "liar cut off for space.proof-path",
  "liar's space.window.proven space.proof-path",
  "liar's space.sector.committed space.beacon",
  "liar's space.sector.committed space.sector-known",
  "liar's space.sector.proven space.seed-pending",
  "liar's space.sector.proven space.proof-path",
  "liar's space.sector.proven space.proof-label",
  "power lost for want of proofs",
];

/** What the checkers of reads, rules and liveness have had to look at: without it they are content with nothing. */
const LOOKED_AT: readonly string[] = [
  "state root computed from rows",
  "log replayed from the genesis",
  "replay gone on with a new executor",
  "record read",
  "rights compared",
  "event event.forbidden",
  "actor.revoked accepted",
  "capability.revoked accepted",
  "capability used",
  "machine accepted",
  "machine refused",
  "ca.issuer.created accepted",
  "ca.certificate.requested accepted",
  "ca.certificate.issued accepted",
  "ca.certificate.issued ca.request-settled",
  "ca.certificate.denied ca.request-settled",
  "ca.certificate.denied ca.issuer-foreign",
  "accepted batch timed",
  "open statements at the heal",
  "open statement arrived",
  "halted without a quorum",
  "timer grown",
  "core healed",
  "idle chain went on",
  "flood refused: node.overloaded",
];

/** What a night of runs must have seen. */
export const EXPECTED_MARKS: readonly string[] = [
  ...FAULT_KINDS.map((kind) => `fault ${kind}`),
  ...BITES,
  ...STRATEGIES.map((strategy) => `adversary ${strategy}`),
  // Those of the library.
  ...DIRECTED_STRATEGIES.map((strategy) => `adversary ${strategy}`),
  ...CERTIFICATES,
  ...PROTOCOL,
  ...STAKE,
  ...PROOFS,
  ...LOOKED_AT,
];

export type Coverage = {
  /** Takes in the marks of one run. */
  add(marks: ReadonlyMap<string, number>): void;
  /** Expected marks that no run has had. */
  missing(): string[];
  /** Of each expected mark, in how many runs it was and how often in all. */
  rows(): { readonly mark: string; readonly runs: number; readonly times: number }[];
  /** The rows as an aligned table, the rarest first. */
  table(): string[];
};

/** Counts marks over many runs. */
export const createCoverage = (expected: readonly string[] = EXPECTED_MARKS): Coverage => {
  const seen = new Map(expected.map((mark) => [mark, { runs: 0, times: 0 }]));
  const rows = (): { mark: string; runs: number; times: number }[] =>
    [...seen].map(([mark, counts]) => ({ mark, ...counts }));
  return {
    add: (marks) => {
      for (const [mark, times] of marks) {
        const counts = seen.get(mark);
        if (counts === undefined) continue;
        counts.runs += 1;
        counts.times += times;
      }
    },
    missing: () => [...seen].filter(([, { runs }]) => runs === 0).map(([mark]) => mark),
    rows,
    table: () => {
      const width = Math.max(...expected.map((mark) => mark.length), 4);
      const line = (mark: string, runs: string, times: string): string =>
        `${mark.padEnd(width)} ${runs.padStart(7)} ${times.padStart(10)}`;
      const body = rows().sort((a, b) => a.runs - b.runs || (a.mark < b.mark ? -1 : 1));
      return [
        line("mark", "runs", "times"),
        ...body.map(({ mark, runs, times }) => line(mark, String(runs), String(times))),
      ];
    },
  };
};
