/**
 * What each instance of the model must show. Sample counts are those of the short run; MODEL_SCALE
 * multiplies them.
 */
const REACHED = [
  "sawFinal",
  "sawTwoFinal",
  "sawSkippedBelowFinal",
  "sawNullifiedNotarization",
  "sawLateFinalize",
  "sawRestartBetween",
  "sawViewGoBack",
  "sawEquivocation",
  "sawJump",
  "sawUntimely",
  "sawAhead",
  "sawAnswered",
];
const REPROPOSED = ["sawReproposalNotarized", "sawReproposalFinal"];

const holds = (name, samples, options = {}) => ({
  name,
  expect: "ok",
  invariants: ["safety", "recoverable"],
  witnesses: REACHED,
  samples,
  steps: 60,
  ...options,
});

/** Invariants that must hold, and situations that some run of the instance must have reached. */
export const POSITIVE = [
  holds("equal", 120),
  holds("unequal", 120),
  holds("heavy", 100),
  holds("pair", 60),
  holds("liars", 80, { steps: 50, witnesses: ["sawFinal", "sawEquivocation", "sawWithheld"] }),
  holds("reproposing", 100, { witnesses: [...REACHED, ...REPROPOSED] }),
  holds("epochs", 100, {
    steps: 80,
    witnesses: ["sawFinal", "sawNextEpoch", "sawFinalInNextEpoch"],
  }),
  holds("rotation", 100, { steps: 80, witnesses: ["sawFinal", "sawNextEpoch"] }),
  holds("threeEpochs", 100, {
    steps: 100,
    // The third epoch is met once in a hundred runs: one of the traces is of a run that does.
    witnesses: ["sawNextEpoch", "sawFinalInNextEpoch"],
  }),
  holds("boundaries", 100, {
    steps: 90,
    witnesses: ["sawNextEpoch", "sawBoundaryAgainFinal", "sawRestartInNextEpoch"],
  }),
  holds("crashy", 80, { invariants: ["safety"] }),
  holds("half", 100, {
    invariants: ["conduct", "accountable"],
    steps: 50,
    witnesses: ["sawFork", "sawForkAcrossViews"],
  }),
  holds("forking", 100, {
    invariants: ["conduct", "accountable"],
    steps: 50,
    witnesses: ["sawFork", "sawForkAcrossViews"],
  }),
  holds("heavyByzantine", 100, {
    invariants: ["conduct", "accountable"],
    steps: 50,
    witnesses: ["sawFork"],
  }),
  // An experiment: R2 a forbids N after S; nothing here needs it (docs/model.md).
  holds("notarizeAfterSkip", 60, { steps: 50, witnesses: ["sawFinal"] }),
];

/** The invariant that must be violated. It is checked alone: an easier one may not hide it. */
const breaks = (name, invariant, samples, steps) => ({
  name,
  expect: "violation",
  invariants: [invariant],
  witnesses: [],
  samples,
  steps,
});

export const NEGATIVE = [
  breaks("half", "agreement", 600, 50),
  breaks("forking", "agreement", 600, 50),
  breaks("heavyByzantine", "agreement", 600, 50),
  breaks("lowQuorum", "oneNotarization", 200, 40),
  breaks("lowQuorum", "agreement", 400, 40),
  breaks("skipAndFinalize", "honestConsistent", 200, 40),
  breaks("skipAndFinalize", "agreement", 800, 40),
  breaks("forgetVotes", "honestConsistent", 200, 40),
  breaks("forgetVotes", "agreement", 1200, 40),
  breaks("sendFirst", "persistedBeforeSent", 200, 40),
  breaks("sendFirst", "honestConsistent", 400, 40),
  breaks("noSkipCheck", "contiguous", 300, 40),
  breaks("noSkipCheck", "agreement", 600, 40),
  breaks("childOfBoundary", "boundary", 300, 50),
  breaks("childOfBoundary", "agreement", 1200, 70),
  breaks("epochOnNotarization", "boundary", 400, 40),
  breaks("oldBoundaryEnds", "boundary", 400, 40),
  breaks("epochNotSigned", "skipXorFinal", 300, 60),
  breaks("oldQuorum", "oneNotarization", 600, 60),
  breaks("finalizeWithoutOwn", "honestConsistent", 400, 40),
  breaks("finalizeDespiteTwo", "heeded", 400, 50),
  breaks("voteUntimely", "heeded", 200, 40),
  breaks("farAhead", "bounded", 200, 40),
  breaks("keepTimeouts", "timersBounded", 300, 50),
  breaks("answerFinalOnly", "answered", 100, 40),
  breaks("lostNotarization", "finalizeRecoverable", 300, 40),
  breaks("lostPayload", "payloadRecoverable", 300, 40),
  breaks("lostSkips", "viewsRecoverable", 300, 50),
  breaks("lostEvidence", "accountable", 1000, 50),
];

/** Instances whose runs a core can follow. */
export const REPLAYABLE = ["replayEqual", "replayUnequal", "replayEpochs", "replayThreeEpochs"];

/** Random traces kept for the replay: the first run that reaches the situation, cut there. */
const reaches = (file, instance, witness, about) => ({ file, instance, witness, about });

export const RANDOM_TRACES = [
  reaches("random-two-final", "replayEqual", "sawTwoFinal", "Two final heights, equal weights."),
  reaches(
    "random-reproposal",
    "replayEqual",
    "sawReproposalFinal",
    "A re-proposed block becomes final.",
  ),
  reaches("random-unequal", "replayUnequal", "sawTwoFinal", "Two final heights, unequal weights."),
  reaches(
    "random-unequal-skip",
    "replayUnequal",
    "sawFinal and sawSkippedBelowFinal",
    "Final over a nullified view, unequal weights.",
  ),
  reaches(
    "random-unequal-late",
    "replayUnequal",
    "sawFinal and sawLateFinalize",
    "F beside a nullification of the same view, unequal weights.",
  ),
  reaches(
    "random-equivocation",
    "replayUnequal",
    "sawFinal and sawEquivocation",
    "Honest votes for two blocks of a Byzantine leader, and a final block.",
  ),
  reaches(
    "random-epochs",
    "replayEpochs",
    "sawFinalInNextEpoch",
    "Final in the second epoch, whose weights differ.",
  ),
  reaches(
    "random-epoch-restart",
    "replayEpochs",
    "sawRestartInNextEpoch",
    "A restart in the second epoch, past its first view.",
  ),
  reaches(
    "random-boundary-again",
    "replayEpochs",
    "sawBoundaryAgainFinal",
    "The boundary block becomes final by a re-proposal.",
  ),
  reaches(
    "random-straggler",
    "replayEpochs",
    "sawStraggler",
    "A node signs in an epoch that is over for another one.",
  ),
  reaches("random-third-epoch", "replayThreeEpochs", "sawThirdEpoch", "The set changes twice."),
];
