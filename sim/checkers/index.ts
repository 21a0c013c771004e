/** All checkers, in the order in which they look. */

import { agreement, blockTime, monotone } from "./agreement.ts";
import { capsKept, futureBounded } from "./caps.ts";
import { certificatesValid } from "./certificates.ts";
import { chainContiguous } from "./chain.ts";
import { checkpointsSingle } from "./checkpoints.ts";
import { answersDurable, clientsServed } from "./clients.ts";
import { otherNotarized, reproposals, splitViews } from "./coverage.ts";
import { durableBeforeSent } from "./durability.ts";
import { evidenceSound } from "./evidence.ts";
import { evidenceComplete } from "./evidence-complete.ts";
import { votesGrounded } from "./grounds.ts";
import { recordsFolded } from "./records.ts";
import { viewsEndedDurably } from "./rests-on.ts";
import { rootsEqual } from "./roots.ts";
import { servedSigned } from "./served.ts";
import { certificatesPossible, ownStatements } from "./statements.ts";
import type { CheckerFactory } from "./types.ts";

export const CHECKERS: readonly CheckerFactory[] = [
  ownStatements,
  certificatesPossible,
  votesGrounded,
  durableBeforeSent,
  viewsEndedDurably,
  certificatesValid,
  agreement,
  monotone,
  chainContiguous,
  blockTime,
  rootsEqual,
  recordsFolded,
  clientsServed,
  answersDurable,
  evidenceSound,
  evidenceComplete,
  capsKept,
  futureBounded,
  checkpointsSingle,
  servedSigned,
  reproposals,
  splitViews,
  otherNotarized,
];
