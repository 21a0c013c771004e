/** Options of the ledger benchmark. */
import { parseArgs } from "node:util";

export type LedgerOptions = {
  /** Parts to run, in this order. */
  readonly parts: readonly Part[];
  /** Length of each throughput measurement. */
  readonly seconds: number;
  readonly latencySeconds: number;
  readonly idleSeconds: number;
  /** Events in the log before the restart is timed. */
  readonly events: number;
  /** Batches that wait for `committed` at one time in the throughput measurements. */
  readonly inFlight: number;
  /** Batches a second in the latency measurement. */
  readonly rate: number;
  readonly keep: boolean;
  /**
   * All four proofs at the dev profile, beside the same run without. What clients do for them is done before
   * anything is timed.
   */
  readonly proofs: boolean;
};

export const PARTS = [
  "ceilings",
  "idle",
  "latency",
  "batch64",
  "batch1",
  "profile",
  "restart",
] as const;
export type Part = (typeof PARTS)[number];

const USAGE = `npm run bench -- ledger [options]
  --parts LIST           of ${PARTS.join(",")} (default: all)
  --seconds N            of each throughput measurement (default 20)
  --latency-seconds N    of the latency measurement (default 30)
  --idle-seconds N       of the idle measurement (default 30)
  --events N             in the log before the restart is timed (default 1000000)
  --in-flight N          batches that wait for their commit at a time (default 128)
  --rate N               batches a second in the latency measurement (default 5)
  --short                3 s of each, 20000 events
  --proofs               throughput on a chain that asks for all four proofs (dev profile), beside the same run
                         without: as many batches of the same sizes; parts batch64 and batch1, 8 s each by default,
                         because the work of 1 s of sending takes clients 5 to 15 s before it
  --keep                 leave the folder of the network, and say where it is
`;

/** What is compared with and without proofs. */
const isCompared = (part: Part): part is "batch64" | "batch1" =>
  part === "batch64" || part === "batch1";

const isPart = (text: string): text is Part => (PARTS as readonly string[]).includes(text);

/** Undefined when the command line is wrong or asks for help; the text has been printed then. */
export const readOptions = (argv: readonly string[]): LedgerOptions | undefined => {
  try {
    return parse(argv);
  } catch (error) {
    const reason = error instanceof Error ? `${error.message}\n` : "";
    process.stderr.write(`${reason}${USAGE}`);
    process.exitCode = 1;
    return undefined;
  }
};

const parse = (argv: readonly string[]): LedgerOptions => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      parts: { type: "string", default: PARTS.join(",") },
      seconds: { type: "string" },
      "latency-seconds": { type: "string" },
      "idle-seconds": { type: "string" },
      events: { type: "string" },
      "in-flight": { type: "string", default: "128" },
      rate: { type: "string", default: "5" },
      short: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      proofs: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) throw undefined;
  const chosen = values.parts.split(",");
  const unknown = chosen.find((part) => !isPart(part));
  if (unknown !== undefined) throw new Error(`unknown part ${unknown}`);
  const { short, proofs } = values;
  const parts = PARTS.filter((part) => chosen.includes(part));
  return {
    parts: proofs ? parts.filter(isCompared) : parts,
    seconds: numberOf(values.seconds, short ? 3 : proofs ? 8 : 20),
    latencySeconds: numberOf(values["latency-seconds"], short ? 3 : 30),
    idleSeconds: numberOf(values["idle-seconds"], short ? 3 : 30),
    events: numberOf(values.events, short ? 20_000 : 1_000_000),
    inFlight: numberOf(values["in-flight"], 128),
    rate: numberOf(values.rate, 5),
    keep: values.keep,
    proofs: values.proofs,
  };
};

const numberOf = (text: string | undefined, fallback: number): number => {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`not a positive number: ${text}`);
  return value;
};
