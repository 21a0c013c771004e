/** The measurements of one round, in the order in which they take turns. */
import { createAuthority } from "../../src/transport/authority.ts";
import { timeHandshakes } from "../session/handshakes.ts";
import { benchNode } from "../session/keys.ts";
import {
  applies,
  cpuText,
  DATAGRAM_BYTES,
  FLOW_CASES,
  type FlowCase,
  flowTask,
  goodputText,
} from "./cases.ts";
import type { Task } from "./end.ts";
import { type LossyLoopback, openLossy } from "./lossy.ts";
import { measure, type Place } from "./measure.ts";
import type { TransportOptions } from "./options.ts";
import type { Job, Reading } from "./rounds.ts";
import { SERVER_NAME, type Setup, type Subject } from "./subject.ts";

const ROUND_TRIPS = 3_000;
const HANDSHAKES_AT_ONCE = 8;
const SESSION_HANDSHAKES = 100;

export type SetupOf = (datagramBytes: number) => Setup;

/** One authority for all of a run. */
export const setupsAt = (nowMs: number): SetupOf => {
  const authority = createAuthority("transport benchmark", nowMs);
  const server = authority.identity({ subject: "server", serverName: SERVER_NAME });
  const client = authority.identity({ subject: "client" });
  return (datagramBytes) => ({ authorityPem: authority.certPem, server, client, datagramBytes });
};

const reading = (name: string, what: string, unit: string, value: number): Reading => ({
  ...{ name, what, unit, part: 0.5 },
  values: [value],
});

const flowJob = (
  here: Place,
  subject: Subject,
  one: FlowCase,
  setup: Setup,
  seconds: number,
): Job => ({
  text: `${subject.name}, ${goodputText(one)}`,
  run: async () => {
    const lossy = one.loss === "none" ? undefined : await openLossy(one.loss);
    try {
      const place = { ...here, ...lossy?.place };
      const found = await measure(place, subject, setup, flowTask(one, seconds));
      await mustHaveLost(lossy, one);
      return [
        reading(subject.name, goodputText(one), "Gbit/s", found.gbitPerSecond),
        reading(subject.name, cpuText(one), "s/GiB", found.cpuSecondsPerGib),
      ];
    } finally {
      await lossy?.close();
    }
  },
});

const mustHaveLost = async (
  lossy: LossyLoopback | undefined,
  { loss }: FlowCase,
): Promise<void> => {
  if (lossy === undefined || loss === 0) return;
  if ((await lossy.dropped()) === 0) throw new Error("no packet was lost");
};

const tripsJob = (here: Place, subject: Subject, setup: Setup, seconds: number): Job => ({
  text: `${subject.name}, round trips`,
  run: async () => {
    const task: Task = { kind: "round-trips", count: ROUND_TRIPS, seconds };
    const { values } = await measure(here, subject, setup, task);
    const what = "stream round trip of 64 bytes";
    return [0.5, 0.99].map((part) => ({
      ...{ name: subject.name, what: `${what}, p${100 * part}`, unit: "ms", part, values },
    }));
  },
});

const handshakesJob = (here: Place, subject: Subject, setup: Setup, seconds: number): Job => ({
  text: `${subject.name}, handshakes`,
  run: async () => {
    const task: Task = { kind: "handshakes", parallel: HANDSHAKES_AT_ONCE, seconds };
    const {
      values: [made = 0, took = 1],
    } = await measure(here, subject, setup, task);
    const what = `full mutual TLS handshakes, ${HANDSHAKES_AT_ONCE} at once`;
    return [reading(subject.name, what, "1/s", made / took)];
  },
});

/** What a session of nodes adds to that of TLS. */
const sessionJob: Job = {
  text: "post-quantum handshakes of sessions",
  run: async () => {
    const nodes = [await benchNode(0), await benchNode(1)] as const;
    try {
      timeHandshakes(...nodes, SESSION_HANDSHAKES / 10);
      const { cpuMs } = timeHandshakes(...nodes, SESSION_HANDSHAKES);
      const what = "post-quantum handshakes (ML-KEM-1024, FALCON-1024), both ends on one core";
      return [reading("session", what, "1/s of CPU", 1_000 / cpuMs)];
    } finally {
      await Promise.all(nodes.map((node) => node.close()));
    }
  },
};

/** Everything that one subject at a time is measured by. */
export const subjectJobs = (
  options: TransportOptions,
  subjects: readonly Subject[],
  setupOf: SetupOf,
): readonly Job[] => {
  const { parts, quick, seconds, nodeFlags } = options;
  const here: Place = { prefix: [], nodeFlags };
  const flows = FLOW_CASES.filter((one) => parts.has(one.part) && (one.quick || !quick));
  const usual = setupOf(DATAGRAM_BYTES);
  return [
    ...flows.flatMap((one) => {
      const setup = setupOf(one.datagramBytes);
      return subjects
        .filter((subject) => applies(one, subject))
        .map((subject) => flowJob(here, subject, one, setup, seconds));
    }),
    ...(parts.has("trips") ? subjects.map((one) => tripsJob(here, one, usual, seconds)) : []),
    ...(parts.has("handshakes")
      ? subjects
          .filter(({ name }) => name !== "tcp")
          .map((one) => handshakesJob(here, one, usual, seconds))
      : []),
    ...(parts.has("session") ? [sessionJob] : []),
  ];
};
