/** The replica of a chain: what a node starts, the simulator starts, and tests start, all the same. */
import type { LedgerHandle } from "../handle.ts";
import type { Ports } from "../ports.ts";
import type { ReplicaOptions } from "./context.ts";
import { createHandle } from "./handle.ts";
import { Participant } from "./participant.ts";

export type { ReplicaOptions, ReplicaTiming } from "./context.ts";
export { initVoteStore } from "./vote-store.ts";

/** Starts a replica on its ports. Everything else happens in their callbacks, none of which may throw. */
export const createReplica = (options: ReplicaOptions, ports: Ports): LedgerHandle => {
  const participant = new Participant(options, ports);
  participant.start();
  return createHandle(participant);
};
