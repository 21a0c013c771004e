/** What the transport benchmark measures of one subject at a time, and how its rows are named. */
import type { Task } from "./end.ts";
import type { Subject } from "./subject.ts";

export const PART_NAMES = [
  "streams",
  "connections",
  "datagrams",
  "loss",
  "trips",
  "handshakes",
  "session",
  "bulk",
] as const;
export type PartName = (typeof PART_NAMES)[number];

/** UDP payload unless a case says otherwise, bytes: what an Ethernet frame of 1,500 bytes carries over IPv4. */
export const DATAGRAM_BYTES = 1_472;

/** How many packets of a hundred are lost on the way; "none": the loopback of this machine, as it is. */
export type Loss = "none" | 0 | 1;

export type FlowCase = {
  readonly part: PartName;
  readonly streams: number;
  readonly connections: number;
  readonly datagramBytes: number;
  readonly loss: Loss;
  /** What `--quick` measures too. */
  readonly quick: boolean;
};

const FIRST: FlowCase = {
  part: "streams",
  streams: 1,
  connections: 1,
  datagramBytes: DATAGRAM_BYTES,
  loss: "none",
  quick: true,
};

export const FLOW_CASES: readonly FlowCase[] = [
  FIRST,
  { ...FIRST, streams: 8, quick: false },
  { ...FIRST, streams: 64 },
  { ...FIRST, part: "connections", connections: 2, quick: false },
  { ...FIRST, part: "connections", connections: 4 },
  { ...FIRST, part: "datagrams", datagramBytes: 8_900, quick: false },
  { ...FIRST, part: "datagrams", datagramBytes: 16_000 },
  { ...FIRST, part: "datagrams", datagramBytes: 60_000, quick: false },
  { ...FIRST, part: "loss", loss: 0 },
  { ...FIRST, part: "loss", loss: 1 },
];

/** How a case is named in rows, after what was measured of it. */
export const caseText = ({ streams, connections, datagramBytes, loss }: FlowCase): string => {
  const where = loss === "none" ? "" : `, ${loss} % of packets lost`;
  return `${streams} streams, ${connections} connections, ${datagramBytes}-byte datagrams${where}`;
};

export const goodputText = (one: FlowCase): string => `goodput, ${caseText(one)}`;
export const cpuText = (one: FlowCase): string => `CPU, ${caseText(one)}`;

export const flowTask = ({ streams, connections }: FlowCase, seconds: number): Task => ({
  kind: "goodput",
  ...{ streams, connections, seconds },
});

/**
 * Whether a case says something of a subject. TCP has no datagrams of its own, and the two that no node uses, the
 * reactor on io_uring and the shipped stream layer, are measured where the others are compared and not in between.
 */
export const applies = (one: FlowCase, subject: Pick<Subject, "name" | "usesUdp">): boolean => {
  if (!subject.usesUdp) return one.datagramBytes === DATAGRAM_BYTES;
  if (subject.name === "reactor-fast") return one.part === "datagrams" || one === FIRST;
  if (subject.name === "shipped") return one.part !== "connections";
  return true;
};
