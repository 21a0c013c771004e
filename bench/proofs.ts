/**
 * What the proofs cost: making and verifying, each on its own, beside the machine's own SHA-256 in the same
 * run. Prints JSON lines.
 *
 *   npm run bench -- proofs [--parts event,space,time,beacon,work] [--short] [--sector FILE]
 *
 * --short: a tenth of the time for each figure of `event`.
 * --sector: a sector that is there, to prove and to verify from; its admission too where its layers are kept.
 */
import { parseArgs } from "node:util";
import type { Part } from "./proofs/part.ts";
import { createReport } from "./report.ts";

/** Loaded when they are asked for. */
const PARTS: Readonly<Record<string, () => Promise<Part>>> = {
  event: async () => (await import("./proofs/event.ts")).benchEvent,
  space: async () => (await import("./proofs/space.ts")).benchSpace,
  time: async () => (await import("./proofs/time.ts")).benchTime,
  beacon: async () => (await import("./proofs/beacon.ts")).benchBeacon,
  work: async () => (await import("./proofs/work.ts")).benchWork,
};

const { values } = parseArgs({
  options: {
    parts: { type: "string", default: Object.keys(PARTS).join() },
    sector: { type: "string" },
    short: { type: "boolean", default: false },
  },
});

const report = createReport("proofs");
for (const name of values.parts.split(",")) {
  const load = PARTS[name];
  if (load === undefined) {
    throw new Error(`no part ${name}: there are ${Object.keys(PARTS).join(", ")}`);
  }
  const part = await load();
  await part(report, { sector: values.sector, short: values.short });
}
