/**
 * The failing scenarios that a swarm keeps: by commit and invariant, of each failure a few with the least work. A
 * folder KEEP/COMMIT/INVARIANT holds them as seed-N.json, which `nexus sim run` takes; failures.json beside
 * them says what was found. What an earlier swarm has left there makes room for what this one finds, whatever it
 * costs: the tree or the module of --with may have changed since, so that it may pass by now.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { plainScenario, type Scenario, signatureOf } from "../../../sim/index.ts";
import { makeFolder, writeFileAtomic } from "../../node/folder.ts";
import { formatJson } from "../output.ts";
import { fileName } from "./files.ts";

export type Kept = {
  readonly seed: number;
  readonly invariant: string;
  readonly outcome: string;
  readonly detail: string;
  readonly virtualMs: number;
  /** Work of the run: what it costs to see it again. Null of a run that had no end, or whose thread has died. */
  readonly steps: number | null;
  readonly file: string;
};

export type KeepLimits = {
  /** Seeds of one failure: of exceptions one message, of most invariants all. */
  readonly ofFailure: number;
  /** Seeds of one invariant. */
  readonly ofInvariant: number;
};

/** What has no measure may take ten minutes to see again, and comes last. */
const byWork = (a: Kept, b: Kept): number =>
  (a.steps ?? Number.MAX_VALUE) - (b.steps ?? Number.MAX_VALUE) || a.seed - b.seed;

/** Which failures are the same. A run without an end is not the one that was ended for its many steps. */
const failureOf = ({ invariant, detail, steps }: Kept): string =>
  `${steps === null ? "no end: " : ""}${signatureOf({ id: invariant, detail })}`;

type Ranked = { readonly item: Kept; readonly isEarlier: boolean; readonly rank: number };

/** Of one invariant: the first of each failure, then the second of each, and so on; earlier ones after all others. */
const chosen = (
  list: readonly Kept[],
  { ofFailure, ofInvariant }: KeepLimits,
  earlier: ReadonlySet<Kept>,
): Kept[] => {
  const seen = new Map<string, number>();
  const byAge = (a: { isEarlier: boolean }, b: { isEarlier: boolean }): number =>
    Number(a.isEarlier) - Number(b.isEarlier);
  const ranked = list
    .map((item) => ({ item, isEarlier: earlier.has(item) }))
    .sort((a, b) => byAge(a, b) || byWork(a.item, b.item))
    .map((one): Ranked => {
      const failure = failureOf(one.item);
      const rank = seen.get(failure) ?? 0;
      seen.set(failure, rank + 1);
      return { ...one, rank };
    });
  return ranked
    .filter(({ rank }) => rank < ofFailure)
    .sort((a, b) => byAge(a, b) || a.rank - b.rank)
    .slice(0, ofInvariant)
    .map(({ item }) => item);
};

/** The list with one more, of each failure those with the least work; those of `earlier` where there is room. */
export const keepShortest = (
  list: readonly Kept[],
  one: Kept,
  limits: KeepLimits,
  earlier: ReadonlySet<Kept> = new Set(),
): readonly Kept[] => {
  const others = list.filter(
    ({ seed, invariant }) => invariant !== one.invariant || seed !== one.seed,
  );
  const ofOne = others.filter(({ invariant }) => invariant === one.invariant);
  const same = chosen([...ofOne, one], limits, earlier);
  return [...others.filter(({ invariant }) => invariant !== one.invariant), ...same].sort((a, b) =>
    a.invariant < b.invariant ? -1 : a.invariant > b.invariant ? 1 : byWork(a, b),
  );
};

const isKept = (value: unknown): value is Kept => {
  if (typeof value !== "object" || value === null) return false;
  const { seed, invariant, detail, steps, file } = value as Partial<Kept>;
  return (
    Number.isSafeInteger(seed) &&
    typeof invariant === "string" &&
    typeof detail === "string" &&
    (steps === null || Number.isFinite(steps)) &&
    typeof file === "string" &&
    /^\w[\w-]*(\.\w[\w-]*)*\/seed-\d+\.json$/.test(file)
  );
};

/** What an earlier swarm on the same commit has kept; nothing where its list cannot be read. */
const readList = (path: string): Kept[] => {
  if (!existsSync(path)) return [];
  try {
    const json: unknown = JSON.parse(readFileSync(path, "utf8"));
    return Array.isArray(json) ? json.filter(isKept) : [];
  } catch {
    return [];
  }
};

export type Keeper = {
  readonly folder: string;
  /** By invariant and work. */
  list(): readonly Kept[];
  /** Whether an item of the list was there before this swarm, and this one has not found it again. */
  isEarlier(one: Kept): boolean;
  /** Throws the codes of fileError; the list is then as it was. */
  keep(one: Omit<Kept, "file">, scenario: Scenario): void;
};

/** Nothing is written before there is a failure to keep. */
export const openKeeper = (folder: string, limits: KeepLimits): Keeper => {
  const index = join(folder, "failures.json");
  let list: readonly Kept[] = readList(index);
  const earlier = new Set(list);
  return {
    folder,
    list: () => list,
    isEarlier: (one) => earlier.has(one),
    keep(one, scenario) {
      const file = `${fileName(one.invariant)}/seed-${one.seed}.json`;
      const next = keepShortest(list, { ...one, file }, limits, earlier);
      if (!next.some((item) => item.file === file)) return;
      // The process may be killed at any time: what the list names is there.
      makeFolder(join(folder, fileName(one.invariant)));
      writeFileAtomic(join(folder, file), formatJson(plainScenario(scenario)));
      writeFileAtomic(index, formatJson(next));
      const dropped = list.filter((old) => !next.some((item) => item.file === old.file));
      list = next;
      for (const old of dropped) rmSync(join(folder, old.file), { force: true });
    },
  };
};
