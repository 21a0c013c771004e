/** Who lags, what it has asked for to catch up, and what it was given. */
import type { Status } from "../checkers/types.ts";
import {
  agoText,
  counted,
  type StuckTable,
  sinceText,
  slotList,
  tableOf,
  timesText,
} from "./model.ts";

/** What came of the questions to one node since the asking one had its height. */
type Way = { asked: number; reached: number; answered: number; brought: number; none: number };

type CatchUp = {
  readonly ways: Map<number, Way>;
  height: number;
  from: number;
  lastUs: number | undefined;
  /** When its height rose last. */
  roseUs: number | undefined;
};

export type Laggard = {
  readonly slot: number;
  readonly status: Status;
  readonly behind: number;
};

const sumOf = (ways: ReadonlyMap<number, Way>, field: keyof Way): number =>
  [...ways.values()].reduce((sum, way) => sum + way[field], 0);

/** What came of it, in words. */
const fateOf = (ways: ReadonlyMap<number, Way>): string => {
  const [asked, reached, answered] = [
    sumOf(ways, "asked"),
    sumOf(ways, "reached"),
    sumOf(ways, "answered"),
  ];
  const [brought, none] = [sumOf(ways, "brought"), sumOf(ways, "none")];
  if (asked === 0) return "it has asked nobody";
  const has = none === 0 ? "" : `, ${timesText(none)} there was nothing to give`;
  if (brought > 0) return `${counted(brought, "answer")} arrived, which did not help${has}`;
  if (answered > 0) return `${counted(answered, "answer")} sent, none arrived${has}`;
  if (reached > 0) return `${counted(reached, "question")} arrived, no blocks were sent${has}`;
  return "no question arrived";
};

export class CatchUps {
  readonly #of = new Map<number, CatchUp>();

  #at(slot: number): CatchUp {
    const one = this.#of.get(slot) ?? {
      ...{
        ways: new Map<number, Way>(),
        height: 0,
        from: -1,
        lastUs: undefined,
        roseUs: undefined,
      },
    };
    this.#of.set(slot, one);
    return one;
  }

  #way(slot: number, peer: number): Way {
    const { ways } = this.#at(slot);
    const way = ways.get(peer) ?? { asked: 0, reached: 0, answered: 0, brought: 0, none: 0 };
    ways.set(peer, way);
    return way;
  }

  /** A node's final height: where it has risen, what was asked for before has been of use. */
  status(slot: number, { finalHeight }: Status, atUs: number): void {
    const one = this.#at(slot);
    if (finalHeight <= one.height) return;
    one.height = finalHeight;
    one.roseUs = atUs;
    one.ways.clear();
  }

  /** A process is new, and so are its questions. */
  booted(slot: number): void {
    this.#at(slot).ways.clear();
  }

  asked(slot: number, peer: number, from: number, atUs: number): void {
    const one = this.#at(slot);
    one.from = from;
    one.lastUs = atUs;
    this.#way(slot, peer).asked += 1;
  }

  reached(slot: number, peer: number): void {
    this.#way(slot, peer).reached += 1;
  }

  answered(slot: number, peer: number): void {
    this.#way(slot, peer).answered += 1;
  }

  brought(slot: number, peer: number, hasBlocks: boolean): void {
    const way = this.#way(slot, peer);
    if (hasBlocks) way.brought += 1;
    else way.none += 1;
  }

  cause({ slot, status, behind }: Laggard, endUs: number): string {
    const { ways, from, lastUs, roseUs } = this.#at(slot);
    const { finalHeight, executedHeight } = status;
    const where = `n${slot} is at height ${executedHeight}, ${behind} behind`;
    if (behind <= finalHeight - executedHeight) {
      return `${where}: final there is ${finalHeight}, which it has not executed`;
    }
    const stands = roseUs === undefined ? "" : `, for ${sinceText(roseUs, endUs)}`;
    if (sumOf(ways, "asked") === 0) {
      const when = lastUs === undefined ? "never" : `the last time ${agoText(lastUs, endUs)}`;
      return `${where}${stands}: it asks nobody for what it lacks (${when})`;
    }
    const whom = slotList([...ways].filter(([, way]) => way.asked > 0).map(([peer]) => peer));
    return (
      `${where}${stands}: it has asked ${whom} ${timesText(sumOf(ways, "asked"))} for blocks from ${from}: ` +
      fateOf(ways)
    );
  }

  table(laggards: readonly Laggard[], endUs: number): StuckTable {
    return tableOf(
      "Who lags",
      [
        "node",
        "executed",
        "final",
        "behind",
        "rose",
        "asks from",
        "asked",
        "times",
        "last",
        "what came of it",
      ],
      laggards.map(({ slot, status, behind }) => {
        const { ways, from, lastUs, roseUs } = this.#at(slot);
        const asked = [...ways].filter(([, way]) => way.asked > 0).map(([peer]) => peer);
        return [
          ...[
            `n${slot}`,
            String(status.executedHeight),
            String(status.finalHeight),
            String(behind),
          ],
          ...[agoText(roseUs, endUs), from < 0 ? "-" : String(from), slotList(asked)],
          ...[String(sumOf(ways, "asked")), agoText(lastUs, endUs), fateOf(ways)],
        ];
      }),
    );
  }
}
