/** Detection of misbehaviour: what may be imported from outside of this folder. */

export { formatWithKeys, quarantineOfEpochKeys } from "./epoch-keys.ts";
export {
  type EvidenceCommitted,
  type EvidenceWithKey,
  evidenceCommitted,
  evidenceEvent,
  evidenceUpcaster,
  evidenceWithKey,
  evidenceWithKeyEvent,
} from "./events.ts";
export {
  createObservations,
  NOBODY_OBSERVED,
  type Observation,
  type ObservationKind,
  type ObservationPort,
  type Observed,
  type ObservedMembers,
  observe,
} from "./observations.ts";
export {
  isFaultKnown,
  isQuarantined,
  type Quarantine,
  quarantine,
  quarantineOf,
  quarantineOfStake,
  quarantinePrefix,
} from "./projection.ts";
