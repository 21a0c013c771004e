/** Faults, adversaries and times in words: the same in timelines, reports and pictures. */
import type { AdversarySpec, Fault } from "./scenario.ts";

const FOREVER_MS = 100_000_000;

/** "3.25 s", "420 ms"; "for ever" for a time past every run. */
export const msText = (ms: number): string => {
  if (ms >= FOREVER_MS) return "for ever";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${Number((ms / 1000).toFixed(3))} s`;
};

/** "n0 n2-n9": slots, where three or more follow each other as a range. */
export const slotsText = (slots: readonly unknown[]): string => {
  const out: string[] = [];
  for (let i = 0; i < slots.length; ) {
    let end = i;
    while (slots[end + 1] === Number(slots[end]) + 1) end += 1;
    if (end - i >= 2) out.push(`n${slots[i]}-n${slots[end]}`);
    else out.push(...slots.slice(i, end + 1).map((slot) => `n${slot}`));
    i = end + 1;
  }
  return out.join(" ");
};

const valueText = (value: unknown): string => {
  if (!Array.isArray(value)) return String(value);
  const isNested = value.some((item) => Array.isArray(item));
  return isNested
    ? value.map((item) => slotsText(item as readonly unknown[])).join(" | ")
    : slotsText(value);
};

const SPOKEN: readonly string[] = [
  "kind",
  "strategy",
  "atMs",
  "untilMs",
  "fromMs",
  "node",
  "groups",
];

/** The fields of a fault that have no place of their own in a sentence, as "name value". */
const rest = (item: object): string[] =>
  Object.entries(item)
    .filter(([name, value]) => !SPOKEN.includes(name) && value !== undefined && value !== false)
    .map(([name, value]) => {
      if (value === true) return name;
      if (name.endsWith("Ms")) return `${name.slice(0, -2)} ${msText(Number(value))}`;
      if (name.endsWith("Ppm") || name === "ppm") return `${Number(value) / 10_000} %`;
      return `${name} ${valueText(value)}`;
    });

/** What a fault does, without its times. */
export const faultText = (fault: Fault): string => {
  const node = "node" in fault ? ` n${fault.node}` : "";
  const groups = "groups" in fault ? ` ${valueText(fault.groups)}` : "";
  return [`${fault.kind}${node}${groups}`, ...rest(fault)].join(", ");
};

/** What an adversary does, without its times. */
export const adversaryText = (adversary: AdversarySpec): string =>
  [`n${adversary.node} ${adversary.strategy}`, ...rest(adversary)].join(", ");
