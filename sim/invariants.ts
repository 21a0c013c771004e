/** What each id of a failure means, in one sentence: for verdicts, reports and pictures. */

/** By id: I1 to I29 are safety, L0 to L9 liveness; the others are faults of a run itself. */
export const INVARIANTS: Readonly<Record<string, string>> = {
  I1: "All honest nodes have one final hash at each height.",
  I2: "Final and executed heights of a node never go back, restarts included.",
  I3: "At most one hash of a view can be notarized.",
  I4: "No view is both nullified and finalized.",
  I5: "Final blocks form one chain of parents, and every view between two of them was nullified.",
  I6: "No block is final that was not notarized.",
  I7: "No honest validator signs two statements that conflict, over all its incarnations.",
  I8: "No vote leaves before it and the block that it names are durable.",
  I9: "Certificates that honest nodes send are valid: distinct signers of the right set, and a quorum.",
  I10: "Logs, states and roots of honest nodes are equal and follow from the log alone.",
  I11: "No acknowledged batch is lost, none is applied twice, and every lane keeps its order.",
  I12: "Evidence accuses nobody honest, and whoever can be proven guilty is accused in the end.",
  I13: "No honest node stops itself; a fork needs a third of the weight, and its culprits can be named.",
  I14: "The rules of the domain hold: no double asset, no lost quarantine, a consistent certificate log.",
  I15: "Reads are of a final height and never go back within a session.",
  I16: "What is kept and done for clients and peers stays under its caps.",
  I17: "Two runs of one seed have one trace and one verdict.",
  I18: "Block time grows and stays near true time.",
  I19: "The validator set of an epoch is the same everywhere.",
  I20: "A node sends each statement, batch and cosignature once, and else only what it was asked for.",
  I21: "No honest validator signs two roots for one size of the log.",
  I22: "Honest validators vote for blocks of the view's leader, on what a quorum notarized.",
  I23: "Checkpoints that honest nodes serve carry a quorum of signatures, and no false one.",
  I24: "Every batch of a final block carries the work that its reference asks for.",
  I25: "Every final block reveals the value that is due, and beacons are the oracle's own.",
  I26: "The set of every epoch is the one that follows from the log.",
  I27: "What the chain takes for proven of space, time and shares is there and was done.",
  I28: "On a chain with keys of epochs, nobody keeps a key that is over.",
  I29: "Nobody is certified nearer than it really was to an honest witness.",
  L0: "The nodes come to rest: a run does a bounded amount of work.",
  L1: "After the heal a new block becomes final in bounded time.",
  L2: "Every event that was accepted becomes final, in bounded time and within some honest leaders.",
  L3: "Whoever was behind catches up in bounded time after the heal.",
  L4: "What an honest node holds above the last final block reaches every honest node.",
  L5: "An epoch ends in its time, and is followed by the next one.",
  L6: "Timers shrink again when blocks become final.",
  L7: "Exactly a quorum of the weight is enough for progress.",
  L8: "Without a quorum nothing becomes final.",
  L9: "A read is answered.",
  mark: "A scenario shows what it is named for: what it demands to have seen has happened.",
  exception: "No node throws.",
  mistake:
    "What the caller brings along does not throw, and gives what can be used: nothing is wrong with a node.",
};

/** The sentence of an id; of an id that is not ours, such as that of a checker of your own, undefined. */
export const sentenceOf = (id: string): string | undefined =>
  Object.hasOwn(INVARIANTS, id) ? INVARIANTS[id] : undefined;
