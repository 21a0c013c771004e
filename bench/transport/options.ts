/** Options of the transport benchmark. */
import { parseArgs } from "node:util";
import { PART_NAMES, type PartName } from "./cases.ts";

export const USAGE = `npm run bench -- transport [options]
  --seconds N   of each measurement, after half a second of warm-up (default 1)
  --rounds N    every measurement once a round (default 2)
  --minutes N   no measurement begins that would end later (default 8)
  --quick       one round of half a second, the cases that say most: two minutes
  --only LIST   of tcp,tls,quiche,reactor,reactor-fast,shipped
  --parts LIST  of ${PART_NAMES.join(",")}
  --flags LIST  for Node of both ends, as --flags=--single-threaded-gc,--max-semi-space-size=16
  --svg FILE    draws goodput and CPU by driver and size of datagrams
  --rows FILE   measures nothing: draws the rows of that file
`;

export type TransportOptions = {
  readonly seconds: number;
  readonly rounds: number;
  readonly minutes: number;
  readonly quick: boolean;
  readonly only: ReadonlySet<string> | undefined;
  readonly parts: ReadonlySet<PartName>;
  readonly nodeFlags: readonly string[];
  readonly svg: string | undefined;
  readonly rows: string | undefined;
};

const isPart = (name: string): name is PartName => PART_NAMES.some((known) => known === name);

const positive = (name: string, text: string | undefined, fallback: number): number => {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new RangeError(`--${name} ${text}: not above 0`);
  return value;
};

/** Throws a TypeError or RangeError with what is wrong. */
export const readOptions = (
  args: readonly string[],
  subjects: readonly string[],
): TransportOptions => {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{
        seconds: text,
        rounds: text,
        minutes: text,
        only: text,
        parts: text,
        flags: text,
        svg: text,
        rows: text,
      },
      quick: { type: "boolean", default: false },
    },
  });
  const { quick } = values;
  const parts = (values.parts ?? PART_NAMES.join(",")).split(",");
  const wrong = parts.find((name) => !isPart(name));
  if (wrong !== undefined) throw new RangeError(`--parts: there is no part ${wrong}`);
  const only = values.only?.split(",");
  const unknown = only?.find((name) => !subjects.includes(name));
  if (unknown !== undefined) throw new RangeError(`--only: there is no ${unknown}`);
  if (values.rows !== undefined && values.svg === undefined) {
    throw new RangeError("--rows: there is nothing to draw without --svg");
  }
  return {
    seconds: positive("seconds", values.seconds, quick ? 0.5 : 1),
    rounds: positive("rounds", values.rounds, quick ? 1 : 2),
    minutes: positive("minutes", values.minutes, 8),
    quick,
    only: only === undefined ? undefined : new Set(only),
    parts: new Set(parts.filter(isPart)),
    nodeFlags: values.flags?.split(",") ?? [],
    svg: values.svg,
    rows: values.rows,
  };
};
