/** All checkers, in the order in which they look. */

import { acceptedSoon } from "./accepted.ts";
import { agreement, oneFinalizable } from "./agreement.ts";
import { everyClientAnswered } from "./answered.ts";
import { assetsSingle } from "./assets.ts";
import { beaconFollows } from "./beacon.ts";
import { blockTime } from "./block-time.ts";
import { capsKept, framesBounded, futureBounded, waitingBounded } from "./caps.ts";
import { requestsSettledOnce } from "./certificate-requests.ts";
import { certificatesValid } from "./certificates.ts";
import { chainContiguous } from "./chain.ts";
import { checkpointsSingle } from "./checkpoints.ts";
import { claimsTrue } from "./claims.ts";
import { answersDurable, clientsServed } from "./clients.ts";
import { coreIsBare } from "./core-alone.ts";
import { otherNotarized, reproposals, splitViews } from "./coverage.ts";
import { ctLogGrows } from "./ct-log.ts";
import { durableBeforeSent } from "./durability.ts";
import { effectsFollow } from "./effects.ts";
import { egressBounded } from "./egress.ts";
import { keysErased } from "./epoch-keys.ts";
import { epochsChange } from "./epochs.ts";
import { evidenceSound } from "./evidence.ts";
import { evidenceComplete } from "./evidence-complete.ts";
import { finalNotarized } from "./final-notarized.ts";
import { votesGrounded } from "./grounds.ts";
import { haltsWithoutQuorum } from "./halts.ts";
import { idleChains } from "./idle.ts";
import { boundsTrue } from "./location.ts";
import { mempoolFollows } from "./mempool.ts";
import { monotone } from "./monotone.ts";
import { setHandedOver } from "./next-set.ts";
import { oneNotarized } from "./notarized.ts";
import { nullifiedOrFinal } from "./nullified.ts";
import { ownStatements } from "./own-statements.ts";
import { everybodyLevel, progressMade } from "./phases.ts";
import { powersFollow } from "./powers.ts";
import { pushesBounded } from "./pushes.ts";
import { quarantineGrows } from "./quarantine.ts";
import { finalInReach } from "./reach.ts";
import { sessionsMonotone, shownIsFinal } from "./reads.ts";
import { readsAnswered } from "./reads-answered.ts";
import { recordsFolded } from "./records.ts";
import { comesToRest } from "./rest.ts";
import { viewsEndedDurably } from "./rests-on.ts";
import { rightsFollow } from "./rights.ts";
import { rootsEqual } from "./roots.ts";
import { servedSigned } from "./served.ts";
import { culpritsShutOut } from "./shut-out.ts";
import { spaceShown } from "./space.ts";
import { splitsEnd } from "./split.ts";
import { stateRootFollows } from "./state-root.ts";
import { nobodyStops } from "./stopped.ts";
import { timersShrink } from "./timers.ts";
import type { CheckerFactory } from "./types.ts";
import { workShown } from "./work.ts";

export const CHECKERS: readonly CheckerFactory[] = [
  // First: it keeps the sets of epochs, by which the others count.
  powersFollow,
  keysErased,
  ownStatements,
  oneNotarized,
  oneFinalizable,
  finalNotarized,
  nullifiedOrFinal,
  votesGrounded,
  durableBeforeSent,
  viewsEndedDurably,
  certificatesValid,
  agreement,
  monotone,
  chainContiguous,
  setHandedOver,
  workShown,
  blockTime,
  rootsEqual,
  stateRootFollows,
  effectsFollow,
  recordsFolded,
  clientsServed,
  answersDurable,
  evidenceSound,
  evidenceComplete,
  rightsFollow,
  assetsSingle,
  requestsSettledOnce,
  ctLogGrows,
  quarantineGrows,
  culpritsShutOut,
  shownIsFinal,
  finalInReach,
  sessionsMonotone,
  capsKept,
  mempoolFollows,
  waitingBounded,
  framesBounded,
  futureBounded,
  egressBounded,
  pushesBounded,
  acceptedSoon,
  splitsEnd,
  epochsChange,
  timersShrink,
  checkpointsSingle,
  servedSigned,
  beaconFollows,
  claimsTrue,
  spaceShown,
  boundsTrue,
  reproposals,
  splitViews,
  otherNotarized,
  idleChains,
];

/** They look at every run, whatever else does: without them nothing would end one that is stuck. */
export const RUN_CHECKERS: readonly CheckerFactory[] = [
  nobodyStops,
  progressMade,
  everyClientAnswered,
  everybodyLevel,
  coreIsBare,
  haltsWithoutQuorum,
  readsAnswered,
  comesToRest,
];
