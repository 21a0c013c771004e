/** `nexus validator status`: who is one, who may become one, and what keeps the others out. */
import type { CliContext } from "../context.ts";
import { byMeaning, type Row, short } from "../output.ts";
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
];

/** Since which epoch a validator signs with its key; undefined where keys do not change. */
type KeyEpoch = number | null | undefined;

const describe = (
  candidate: Candidate,
  standing: Standing,
  powers: EpochPowers,
  keyEpoch: KeyEpoch,
) => {
  const { id, name, owner, address } = candidate;
  const power = BigInt(powers.members.find((member) => member.id === id)?.power ?? 0);
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
});

export const status = (context: CliContext, options: WatchOptions): Promise<void> =>
  watching(context, options, show);

const show = async (context: CliContext): Promise<void> => {
  const candidates = await candidatesOf(context);
  const { epoch } = await context.client().status(context.signal);
  const [standings, powers, keys] = await Promise.all([
    standingsOf(context),
    powersOf(context, epoch),
    keyEpochsOf(context, epoch),
  ]);
  const all = candidates.flatMap((candidate) => {
    const standing = standings.get(candidate.id);
    return standing === undefined
      ? []
      : [describe(candidate, standing, powers, keys?.get(candidate.id))];
  });
  all.sort((a, b) => (a.name < b.name ? -1 : 1));
  context.printList(all, COLUMNS, all.map(rowOf), byMeaning("state"));
  if (context.format !== "table") return;
  context.note(`epoch ${epoch}: power ${powers.total}${powers.degraded ? ", degraded" : ""}`);
};
