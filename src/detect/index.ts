/** Detection of misbehaviour: what may be imported from outside of this folder. */
export { type EvidenceCommitted, evidenceCommitted, evidenceEvent } from "./events.ts";
export {
  isQuarantined,
  type Quarantine,
  quarantine,
  quarantineOf,
  quarantineOfStake,
  quarantinePrefix,
} from "./projection.ts";
