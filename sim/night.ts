/**
 * What a night runs, by the number of its day: every night has other seeds, and a night that failed can be run
 * again. The Byzantine matrix takes longer than a night gives it, so that a night runs one part of it: of so many
 * nights in a row each has another part with one seed, and the next ones have the next seed.
 */
const DAY_MS = 86_400_000;
/** The last day that has seeds of its own: late in the year 2243. */
export const NIGHT_DAY_MAX = 99_999;

const SEEDS = 1_000;
const STAKE_SEEDS = 200;
const PROOF_SEEDS = 100;
/** Nights that the whole matrix takes. */
export const MATRIX_NIGHTS = 8;

export type NightPart = {
  /** A script of package.json. */
  readonly script: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

/** Days since 1970, UTC. */
export const dayOf = (nowMs: number): number => Math.floor(nowMs / DAY_MS);

const part = (
  script: string,
  args: readonly (string | number)[] = [],
  env: Readonly<Record<string, string>> = {},
): NightPart => ({ script, args: args.map(String), env });

/** The parts of a night, in their order. */
export const nightOf = (day: number): readonly NightPart[] => {
  if (!Number.isSafeInteger(day) || day < 0 || day > NIGHT_DAY_MAX) {
    throw new RangeError(`a day is a number of 0 to ${NIGHT_DAY_MAX}`);
  }
  const matrixSeed = Math.floor(day / MATRIX_NIGHTS) + 1;
  const matrixPart = `${(day % MATRIX_NIGHTS) + 1}/${MATRIX_NIGHTS}`;
  const results = ["--results", `sim-failures/byzantine-${matrixSeed}.jsonl`];
  return [
    part("sim:nightly", [
      ...["--from", 1 + day * SEEDS, "--seeds", SEEDS],
      ...["--stake", STAKE_SEEDS, "--proofs", PROOF_SEEDS],
    ]),
    part("sim:egress"),
    part("e2e"),
    part("faults"),
    part("sim:byzantine", [
      ...["--seed", matrixSeed, "--part", matrixPart],
      ...["--budget", "60m", ...results],
    ]),
    part("mutants"),
    part("model", [], { MODEL_SECONDS: "3600", MODEL_MORE_SEED: String(day + 1) }),
    part("model:replay", [], { MODEL_SEED: String(day + 1), MODEL_TRACES: "400" }),
  ];
};

export type PartResult = { readonly script: string; readonly code: number; readonly ms: number };

/** Runs all parts, also after one that failed. */
export const runNight = (
  parts: readonly NightPart[],
  run: (one: NightPart) => number,
  nowMs: () => number,
): readonly PartResult[] =>
  parts.map((one) => {
    const fromMs = nowMs();
    const code = run(one);
    return { script: one.script, code, ms: nowMs() - fromMs };
  });

export const worstOf = (results: readonly PartResult[]): number =>
  Math.max(0, ...results.map(({ code }) => code));

/** An aligned table of what the parts gave. */
export const nightTable = (results: readonly PartResult[]): string => {
  const lines = [
    ["part", "minutes", "result"],
    ...results.map(({ script, code, ms }) => {
      return [script, (ms / 60_000).toFixed(1), code === 0 ? "ok" : `failed, exit code ${code}`];
    }),
  ];
  const widthOf = (at: number): number => Math.max(...lines.map((line) => line[at]?.length ?? 0));
  return lines
    .map(([name = "", minutes = "", result = ""]) =>
      [name.padEnd(widthOf(0)), minutes.padStart(widthOf(1)), result].join("  "),
    )
    .join("\n");
};
