/** The replica of a chain: what a node starts, the simulator starts, and tests start, all the same. */
import type { LedgerHandle } from "../handle.ts";
import type { Ports } from "../ports.ts";
import type { ReplicaOptions } from "./context.ts";
import { createHandle } from "./handle.ts";
import { LocationDesk } from "./location/desk.ts";
import { Participant } from "./participant.ts";

export type { ReplicaOptions, ReplicaTiming } from "./context.ts";
export { initVoteStore } from "./vote-store.ts";

/** Starts a replica on its ports. Everything else happens in their callbacks, none of which may throw. */
export const createReplica = (options: ReplicaOptions, ports: Ports): LedgerHandle => {
  const isLocated = options.genesis.proofs.location !== undefined;
  const desk = isLocated ? new LocationDesk(ports.transport) : undefined;
  const own = desk === undefined ? ports : { ...ports, transport: desk.transport };
  const participant = new Participant(options, own);
  desk?.begin(participant);
  participant.start();
  return createHandle(participant);
};
