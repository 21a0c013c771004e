/** `nexus sim list`: the scenarios of the library. */
import { BANK } from "../../../sim/index.ts";
import type { CliContext } from "../context.ts";

export const simList = async (context: CliContext): Promise<void> => {
  const items = BANK.map((scenario) => ({
    name: scenario.name,
    nodes: scenario.n,
    faults: [...new Set(scenario.faults.map(({ kind }) => kind))],
    adversaries: [...new Set(scenario.adversaries.map(({ strategy }) => strategy))],
    healMs: scenario.healMs,
  }));
  const rows = items.map(({ faults, adversaries, healMs, ...item }) => ({
    ...item,
    healed: `${(healMs / 1000).toFixed(1)} s`,
    "faults and adversaries": [...faults, ...adversaries].join(", ") || "none",
  }));
  const columns = ["name", "nodes", "healed", "faults and adversaries"];
  context.printList(items, columns, rows);
  context.suggest("nexus sim run NAME", "nexus sim explain NAME");
};
