/** `nexus validator status`: who is one, who may become one, and what keeps the others out. */
import type { CliContext } from "../context.ts";
import { byMeaning, paint, printable, type Row, short } from "../output.ts";
import {
  type Candidate,
  candidatesOf,
  type EpochPowers,
  type Holding,
  keyEpochsOf,
  powersOf,
  type Standing,
  standingsOf,
} from "../stake-rows.ts";
import { type Lack, lacksOf } from "../validator/lacks.ts";
import { type ProofRows, proofRowsOf } from "../validator/proof-rows.ts";
import { type WatchOptions, watching } from "../watch.ts";

const sumOf = (parts: readonly Holding[]): bigint =>
  parts.reduce((sum, { amount }) => sum + BigInt(amount), 0n);

/** In one word what a validator is; whoever has power votes, whatever is decided for later. */
const stateOf = (standing: Standing, power: bigint): string => {
  if (standing.tombstoned) return "ended";
  if (standing.jailed) return "jailed";
  if (standing.left) return "left";
  return power > 0n ? "active" : "waiting";
};

const COLUMNS = [
  "validator",
  "id",
  "state",
  "power",
  "bonded",
  "delegated",
  "leaving",
  "slashed",
  "key",
  "lacks",
];

/** Since which epoch a validator signs with its key; undefined where keys do not change. */
type KeyEpoch = number | null | undefined;

type Known = {
  /** Of the set that runs, and of the next one. */
  readonly powers: EpochPowers;
  readonly next: EpochPowers;
  readonly proofs: ProofRows;
  readonly keys: ReadonlyMap<string, number | null> | undefined;
};

const powerIn = ({ members }: EpochPowers, id: string): bigint =>
  BigInt(members.find((member) => member.id === id)?.power ?? 0);

const lacksFor = (
  { id, name }: Candidate,
  standing: Standing,
  { powers, next, proofs, keys }: Known,
): readonly Lack[] => {
  const power = powerIn(powers, id);
  const { jailedUntilMs } = standing;
  const held = { stake: sumOf(standing.bonds), power, nextPower: powerIn(next, id) };
  const keyEpoch = keys === undefined ? undefined : (keys.get(id) ?? null);
  const one = { ...held, name, state: stateOf(standing, power), jailedUntilMs, keyEpoch };
  return lacksOf(one, proofs.chain, proofs.of(id));
};

const describe = (candidate: Candidate, standing: Standing, known: Known) => {
  const { id, name, owner, address } = candidate;
  const power = powerIn(known.powers, id);
  const keyEpoch: KeyEpoch = known.keys?.get(id);
  const own = standing.bonds.filter(({ holder }) => holder === owner);
  const others = standing.bonds.filter(({ holder }) => holder !== owner);
  return {
    ...{ id, name, owner, address },
    state: stateOf(standing, power),
    power: power.toString(),
    bonded: sumOf(own).toString(),
    delegated: sumOf(others).toString(),
    leaving: sumOf(standing.leaving).toString(),
    slashedBps: standing.slashedBps,
    jailedUntilMs: standing.jailed ? standing.jailedUntilMs : null,
    keyEpoch: keyEpoch ?? null,
    keyIsLongLived: keyEpoch === undefined || keyEpoch === null,
    lacks: lacksFor(candidate, standing, known),
  };
};

const rowOf = (one: ReturnType<typeof describe>): Row => ({
  validator: one.name,
  id: short(one.id),
  state: one.state,
  power: one.power,
  bonded: one.bonded,
  delegated: one.delegated,
  leaving: one.leaving,
  slashed: `${one.slashedBps / 100} %`,
  key: one.keyEpoch === null ? "long-lived" : `epoch ${one.keyEpoch}`,
  lacks: one.lacks.map(({ proof }) => proof).join(", "),
});

/** What each lacks, in words, for people. */
const sayLacks = (context: CliContext, all: readonly ReturnType<typeof describe>[]): void => {
  const lines = all.flatMap(({ name, lacks }) =>
    lacks.map(({ proof, what, todo }) => {
      const part = proof === "none" ? "" : `${proof}: `;
      return `${name} ${part}${printable(what)}\n  ${paint(context.terminal.colorOut, "cyan", "→")} ${todo}\n`;
    }),
  );
  if (lines.length > 0) context.terminal.out(`\n${lines.join("")}`);
};

export const status = (context: CliContext, options: WatchOptions): Promise<void> =>
  watching(context, options, show);

const show = async (context: CliContext): Promise<void> => {
  const candidates = await candidatesOf(context);
  const status = await context.client().status(context.signal);
  const { epoch } = status;
  const [standings, powers, next, keys, proofs] = await Promise.all([
    standingsOf(context),
    powersOf(context, epoch),
    powersOf(context, epoch + 1),
    keyEpochsOf(context, epoch),
    proofRowsOf(context, status),
  ]);
  const known = { powers, next, proofs, keys };
  const all = candidates.flatMap((candidate) => {
    const standing = standings.get(candidate.id);
    return standing === undefined ? [] : [describe(candidate, standing, known)];
  });
  all.sort((a, b) => (a.name < b.name ? -1 : 1));
  context.printList(all, COLUMNS, all.map(rowOf), byMeaning("state"));
  if (context.format !== "table") return;
  sayLacks(context, all);
  context.note(`epoch ${epoch}: power ${powers.total}${powers.degraded ? ", degraded" : ""}`);
};
