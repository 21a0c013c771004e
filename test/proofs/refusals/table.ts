/**
 * The table of refusals: what is tried, by which code it is refused, and where. Each row has an act in the files
 * beside this one that makes the real proof, bends it, and hands it in; `npm run docs` writes docs/refusals.md
 * from these rows, so that page, table and test say one thing.
 */
import { SPACE_MARK, TIME_MARK, WORK_MARK } from "./genesis-rows.ts";
import { keysOfValidators } from "./key-rows.ts";
import { placeOfValidators } from "./place-rows.ts";
import { both, bounded, execution, row, type Section, vote } from "./rows.ts";

const spaceOfEvents: Section = {
  ...{ proof: "space", subject: "event" },
  about: "The slot of a batch's host: an opening of one of its sectors.",
  rows: [
    row("space/event/missing", "no host (handed in at a node without a sector)", {
      ...{ admission: "space.no-host", vote: "space.missing" },
    }),
    row("space/event/missing/shape", "a slot that is cut short", both("space.proof-shape")),
    row("space/event/stale", "an opening for an older reference", both("space.proof-path")),
    row(
      "space/event/stale/sector",
      "of a sector that does not count any more",
      both("space.sector-unknown"),
    ),
    row("space/event/forged", "a changed byte", both("space.proof-path")),
    row("space/event/replayed", "of a sector of another chain", both("space.proof-path")),
    row("space/event/borrowed", "said to be another host's", both("space.proof-path")),
    row(
      "space/event/borrowed/nobody",
      "said to be of who has no sector",
      both("space.sector-unknown"),
    ),
    row("space/event/precomputed", "for a seed of one's own", both("space.proof-path")),
    row("space/event/ground", "for another place in the lane", both("space.proof-path")),
    bounded(
      "space/event/ground/content",
      "another content, until the node that is asked for is there",
      "content is not in the challenge: the same node is asked for, whatever the batch says",
    ),
  ],
  left: [
    "Choose among the sectors of a host and the references that are not expired: ten and more, one a grid height. " +
      "The design allowed two references; a host that is its own author, keeps a share f of s sectors and picks among " +
      "r references finds a node that it has with 1 - (1 - f)^(r s). So an opening of a batch shows that its host has " +
      "*something* of a sector; how much is shown by epochs and blocks, where nothing can be chosen.",
    "Take its time: an opening of a batch has no deadline but the reference's, so a node that was deleted may be made " +
      "again, or fetched from somebody else's disk.",
    "Use an opening that it has seen for another batch of the same author at the same place: only one of the two can " +
      "become final.",
  ],
};

const spaceOfValidators: Section = {
  ...{ proof: "space", subject: "validator" },
  about: "Sectors that are committed to and admitted, answers of epochs, and openings in blocks.",
  rows: [
    bounded(
      "space/validator/missing/power",
      "no admission",
      "no units, and so no power, from epoch 2 on",
    ),
    row(
      "space/validator/missing/admission",
      "an admission without openings",
      execution("space.proof-shape"),
    ),
    row(
      "space/validator/missing/epoch",
      "an answer without openings",
      execution("space.proof-shape"),
    ),
    row("space/validator/missing/block", "a block without openings", vote("space.missing")),
    ...SPACE_MARK,
    row(
      "space/validator/stale/admission",
      "after the epoch that follows the commitment",
      execution("space.sector-unknown"),
    ),
    row("space/validator/stale/epoch", "an answer after the last moment", execution("space.stale")),
    row(
      "space/validator/stale/seed",
      "an answer for the beacon of an epoch before",
      execution("space.proof-path"),
    ),
    row(
      "space/validator/stale/block",
      "a block with openings for another parent",
      vote("space.proof-path"),
    ),
    row(
      "space/validator/forged/admission",
      "labels that do not follow from each other",
      execution("space.proof-label"),
    ),
    row(
      "space/validator/forged/admission-bytes",
      "a changed byte of an admission",
      execution("space.proof-path"),
    ),
    row(
      "space/validator/forged/epoch",
      "a changed node in an answer",
      execution("space.proof-path"),
    ),
    row("space/validator/forged/block", "a changed node in a block", vote("space.proof-path")),
    row(
      "space/validator/replayed/admission",
      "the admission of a sector of another chain",
      execution("space.proof-path"),
    ),
    row(
      "space/validator/replayed/epoch",
      "an answer from sectors of another chain",
      execution("space.proof-path"),
    ),
    row(
      "space/validator/replayed/block",
      "a block with openings of sectors of another chain",
      vote("space.proof-path"),
    ),
    row(
      "space/validator/borrowed/admission",
      "another validator's sector, committed to as one's own",
      execution("space.proof-label"),
    ),
    row(
      "space/validator/borrowed/epoch",
      "another validator's answer",
      execution("space.proof-path"),
    ),
    row(
      "space/validator/borrowed/nobody",
      "the same, of who has no sector",
      execution("space.sector-unknown"),
    ),
    row("space/validator/borrowed/block", "another proposer's openings", vote("space.proof-path")),
    row(
      "space/validator/borrowed/block-nobody",
      "the same, of who has no sector",
      vote("space.superfluous"),
    ),
    row(
      "space/validator/precomputed/beacon",
      "a sector begun from a beacon that is not drawn",
      execution("space.beacon"),
    ),
    row(
      "space/validator/precomputed/begun",
      "a sector begun from an older beacon than it says",
      execution("space.proof-label"),
    ),
    row(
      "space/validator/precomputed/admission",
      "an admission before its seed is drawn",
      execution("space.seed-pending"),
    ),
    row(
      "space/validator/precomputed/epoch",
      "an answer before the epoch's first block is final",
      execution("space.seed-pending"),
    ),
    row(
      "space/validator/ground/admission",
      "a second commitment, for another seed",
      execution("space.sector-known"),
    ),
    row(
      "space/validator/ground/again",
      "a sector that has lapsed, again for another seed",
      execution("space.sector-known"),
    ),
    bounded(
      "space/validator/ground/block",
      "another block, until the nodes that are asked for are there",
      "nothing that a proposer writes is in the challenge: the same nodes are asked for",
    ),
  ],
  left: [
    "Answer from somebody else's disk, or rent the space: what is stored is dedicated, its place is not shown.",
    "Delete a little: of 64 openings a share d passes with (1 - d)^64.",
    "Make a part of the labels otherwise: a share e passes an admission with (1 - e)^challenges, at one try for each sector " +
      "that is sealed.",
    "Miss every second epoch. Leave out a block: who does not have a node that is asked for does not propose.",
    "Anything at all on a chain whose genesis says that it is insecure and breaks the deadline rule (`dev` and `test`): " +
      "there it is work, and no space.",
  ],
};

const stakeOfEvents: Section = {
  ...{ proof: "stake", subject: "event" },
  about: "Whose batch it is, and what its author may write: signature, permissions, capabilities.",
  rows: [
    row("stake/event/missing", "no signature", both("batch.signature")),
    row(
      "stake/event/missing/actor",
      "an author whom nobody has registered",
      both("batch.unknown-actor"),
    ),
    row(
      "stake/event/missing/right",
      "without permission or capability",
      execution("event.forbidden"),
    ),
    row("stake/event/stale", "an author who is revoked", {
      ...{ admission: "event.forbidden", execution: "event.forbidden" },
    }),
    row(
      "stake/event/stale/capability",
      "a capability that has ended",
      execution("event.forbidden"),
    ),
    row("stake/event/forged", "signed by another key than the author's", both("batch.signature")),
    row(
      "stake/event/replayed",
      "the signature of the same batch on another chain",
      both("batch.signature"),
    ),
    row("stake/event/borrowed", "the author's signature of another batch", both("batch.signature")),
    row(
      "stake/event/borrowed/capability",
      "a capability that is another's",
      execution("event.forbidden"),
    ),
    row(
      "stake/event/borrowed/passed-on",
      "a capability passed on that may not be",
      execution("event.forbidden"),
    ),
    row(
      "stake/event/precomputed",
      "written before its author is registered",
      both("batch.unknown-actor"),
    ),
    row("stake/event/ground/tries", "one wrong signature after another, for one batch", {
      ...{ admission: "node.overloaded", vote: "batch.signature" },
    }),
    bounded(
      "stake/event/ground",
      "another of the many right signatures",
      "another digest of the same batch: one id, one place in lane and block, the same challenges, one of them final",
    ),
  ],
  left: [
    "Have some wrong signatures checked for the work of one batch: at each node `signatureTriesMax` (8) that clients " +
      "hand in, and as many from each peer until its session ends. Whoever holds a batch that a node has not got yet " +
      "can spend that node's tries for all clients; from a peer, and in a block, it is taken all the same.",
    "Have the batch of a revoked author in a block: who has executed less cannot know. It is in the log, refused.",
    "Fill the log with refused events, as a registered actor, at the price of their work: nothing is staked behind an " +
      "event, and deposits behind actions are not built (the design has them).",
    "Everything that the holder of a key may do, with the key.",
  ],
};

const stakeOfValidators: Section = {
  ...{ proof: "stake", subject: "validator" },
  about: "Who becomes a validator, with which power, and what it is liable for.",
  rows: [
    row("stake/validator/missing", "a bond of more than there is", execution("stake.insufficient")),
    bounded(
      "stake/validator/missing/power",
      "no bond",
      "a registration alone is no power, in no epoch",
    ),
    row(
      "stake/validator/missing/possession",
      "a registration that its key has not signed",
      execution("stake.possession"),
    ),
    row("stake/validator/stale", "stake that is asked back too early", execution("stake.locked")),
    row(
      "stake/validator/stale/jail",
      "back before the time in jail is over",
      execution("stake.jailed"),
    ),
    row("stake/validator/stale/ended", "back after equivocation", execution("event.conflict")),
    bounded(
      "stake/validator/stale/evidence",
      "evidence that is held back until nobody is liable",
      "it slashes nothing then, and ends the validator all the same",
    ),
    row(
      "stake/validator/forged",
      "possession signed by another key",
      execution("stake.possession"),
    ),
    row(
      "stake/validator/forged/evidence",
      "evidence of signatures by another",
      execution("evidence.invalid"),
    ),
    row(
      "stake/validator/replayed",
      "possession signed for another chain",
      execution("stake.possession"),
    ),
    row(
      "stake/validator/replayed/evidence",
      "evidence from another chain",
      execution("evidence.invalid"),
    ),
    row(
      "stake/validator/borrowed",
      "possession signed for another owner",
      execution("stake.possession"),
    ),
    row(
      "stake/validator/borrowed/bond",
      "a bond to another's validator as if its owner",
      execution("event.forbidden"),
    ),
    row(
      "stake/validator/borrowed/stake",
      "stake that another has bonded, asked back",
      execution("stake.insufficient"),
    ),
    row(
      "stake/validator/borrowed/standing",
      "another's validator told to leave",
      execution("event.forbidden"),
    ),
    bounded(
      "stake/validator/precomputed",
      "a bond when seed and leaders are known",
      "it counts from the set after the next on, whose seed is not drawn",
    ),
    bounded(
      "stake/validator/ground",
      "one stake split over many validators",
      "the powers add up to no more",
    ),
    row(
      "stake/validator/ground/evidence",
      "the same fault reported again",
      execution("evidence.known"),
    ),
  ],
  left: [
    "Buy or borrow stake, and votes with it: a third of all power stops the chain, two thirds are the chain.",
    "Lose its proofs on purpose, with more than a third of the power: epochs are degraded then, and it keeps what it had, as far as its stake goes.",
    "Sign another history with old keys of a quorum: whoever begins from a recent checkpoint is not taken in.",
    "Withhold votes, as long as it leads when it is its turn: who misses its turns is jailed where the chain asks for " +
      "that, and nothing is taken for it.",
    "Commit to space, work or time that it has not, and then say nothing: that costs an epoch, and no stake. Only who opens what it has committed to, and shows it to be false, loses it (`forgeryBps`).",
  ],
};

const workOfEvents: Section = {
  ...{ proof: "work", subject: "event" },
  about: "The slot of a batch's work.",
  rows: [
    row("work/event/missing", "no work", both("work.missing")),
    row("work/event/missing/shape", "a slot that is cut short", both("work.malformed")),
    row(
      "work/event/missing/effort",
      "less effort than the price asks for",
      both("work.insufficient"),
    ),
    row("work/event/stale", "for the beacon of an older reference", both("work.effort")),
    row("work/event/forged", "another nonce", both("work.effort")),
    row(
      "work/event/forged/solution",
      "indices that solve nothing (Equihash, at effort 1)",
      both("work.solution"),
    ),
    row("work/event/replayed", "done for another chain", both("work.effort")),
    row("work/event/borrowed", "done for another author", both("work.effort")),
    row("work/event/precomputed", "for a beacon of one's own", both("work.effort")),
    bounded(
      "work/event/ground",
      "another content each time, until the nonce fits",
      "each content and nonce is one try: one of E fits",
    ),
  ],
  left: [
    "Do the work, faster by orders of magnitude with other hardware, or have it done.",
    "Pay an old price: that of any reference that is not expired.",
    "Pass the rule of effort with a made-up solution at odds of 1/E and one hash: it costs a verifier 32 hashes more, " +
      "and a node that sent it its session. " +
      "The same one under other signatures is not checked again.",
  ],
};

const workOfValidators: Section = {
  ...{ proof: "work", subject: "validator" },
  about: "Shares of an epoch. Whoever is refused has no units of the epoch.",
  rows: [
    row(
      "work/validator/missing",
      "an opening of nothing that was committed",
      execution("work.unknown"),
    ),
    bounded(
      "work/validator/missing/power",
      "no shares, or none that were opened",
      "no units, and so no power, from epoch 2 on",
    ),
    row("work/validator/missing/shape", "bytes that are no opening", execution("work.malformed")),
    ...WORK_MARK,
    row("work/validator/stale", "committed in the epoch after its own", execution("work.stale")),
    row("work/validator/stale/answer", "opened two epochs later", execution("work.stale")),
    row("work/validator/stale/seed", "of the seed of another epoch", execution("work.shares")),
    row("work/validator/forged", "one slot in sixteen holds no share", execution("work.shares")),
    row(
      "work/validator/forged/twice",
      "a list that is committed twice over",
      execution("work.shares"),
    ),
    row("work/validator/replayed", "shares for another chain", execution("work.shares")),
    row("work/validator/borrowed", "shares of another validator", execution("work.shares")),
    row("work/validator/borrowed/answer", "opened by another validator", execution("work.unknown")),
    row(
      "work/validator/precomputed",
      "for a root of the state instead of the seed",
      execution("work.shares"),
    ),
    row(
      "work/validator/precomputed/answer",
      "opened before the challenge is drawn",
      execution("work.early"),
    ),
    row("work/validator/ground", "a second commitment in the epoch", execution("work.repeated")),
    row(
      "work/validator/ground/answer",
      "a second answer after a false one",
      execution("work.failed"),
    ),
  ],
  left: [
    "Claim a few shares too many: 5 % of empty slots are found four times in five.",
    "Rent the machine for the part of an epoch in which it is worked.",
  ],
};

const timeOfEvents: Section = {
  ...{ proof: "time", subject: "event" },
  about: "Reference, expiry and lane of a batch.",
  rows: [
    row("time/event/missing", "a reference to no grid height", both("batch.ref-not-grid")),
    row("time/event/missing/lane", "far ahead of its lane", both("batch.lane-gap")),
    row("time/event/stale", "a reference that is too old", both("batch.expired")),
    row("time/event/forged", "a hash that is not the reference's", both("batch.ref-mismatch")),
    row("time/event/replayed", "a batch of another chain", both("batch.wrong-chain")),
    row("time/event/replayed/again", "a batch that is final already", both("batch.lane-replay")),
    row("time/event/borrowed", "behind another author's last batch", both("batch.lane-fork")),
    row("time/event/precomputed", "a reference to a height to come", both("batch.ref-future")),
    row("time/event/ground", "a second batch at one place", both("batch.lane-replay")),
    bounded(
      "time/event/ground/reference",
      "another reference",
      "all that are not expired are taken, and no other: 150 blocks and 60 s back",
    ),
  ],
  left: [
    "Hold a batch back until its reference expires, and so have it younger in the log than it is.",
    "Choose among the references: what that gives away is said under space and work.",
    "A small gap in a lane is held at admission and not refused (64 places); no block has it.",
  ],
};

const timeOfValidators: Section = {
  ...{ proof: "time", subject: "validator" },
  about:
    "The time of a block, and the run of an epoch. Whoever is refused has no time in the epoch.",
  rows: [
    row(
      "time/validator/missing",
      "an answer of nothing that was committed",
      execution("time.unknown"),
    ),
    bounded(
      "time/validator/missing/power",
      "no run, or none that was proven",
      "no time, and so no power, from epoch 2 on",
    ),
    row(
      "time/validator/missing/shared",
      "a share in a run that is not proven",
      execution("time.unknown"),
    ),
    row("time/validator/missing/leaves", "a run that is too short", execution("time.short")),
    ...TIME_MARK,
    row("time/validator/stale", "committed in the epoch after its own", execution("time.stale")),
    row("time/validator/stale/answer", "answered two epochs later", execution("time.stale")),
    row("time/validator/stale/seed", "of another seed", execution("time.proof-invalid")),
    row(
      "time/validator/stale/shared",
      "a share in a run that was proven in an epoch before",
      execution("time.stale"),
    ),
    row(
      "time/validator/stale/block",
      "a block that is older than the window",
      vote("block.untimely"),
    ),
    row("time/validator/forged", "a changed byte", execution("time.proof-invalid")),
    row(
      "time/validator/forged/skipped",
      "leaves were skipped: made up, and all else computed over them",
      execution("time.proof-invalid"),
    ),
    row("time/validator/forged/block", "a block no later than its parent", vote("block.header")),
    row("time/validator/replayed", "a run of another chain", execution("time.proof-malformed")),
    row("time/validator/borrowed", "a run of another validator", execution("time.proof-invalid")),
    row(
      "time/validator/borrowed/answer",
      "answered by another validator",
      execution("time.unknown"),
    ),
    row(
      "time/validator/borrowed/shared",
      "a share in a run that was begun for others",
      execution("time.not-member"),
    ),
    row(
      "time/validator/precomputed",
      "begun from a root of the state instead of the seed",
      execution("time.proof-invalid"),
    ),
    row(
      "time/validator/precomputed/answer",
      "answered before the challenge is drawn",
      execution("time.early"),
    ),
    row("time/validator/precomputed/block", "a block from the future", vote("block.untimely")),
    row("time/validator/ground", "a second commitment in the epoch", execution("time.repeated")),
    row(
      "time/validator/ground/answer",
      "a second answer after a false one",
      execution("time.failed"),
    ),
    row("time/validator/ground/shared", "a second share in the epoch", execution("time.repeated")),
    bounded(
      "time/validator/ground/absorbed",
      "another phi, by what the run takes in",
      "the challenge is drawn after phi, and nothing of a run goes into a beacon",
    ),
  ],
  left: [
    "Skip as many leaves as t openings may miss, and compute four times as fast as is granted: the claim has both in it.",
    "Give a time within the window that voters allow, and so choose, at the end of an epoch, which of two heights it " +
      "begins at.",
    "Whether `time.proof-invalid` or `time.proof-malformed` is said of a foreign run is chance: what is opened follows " +
      "from the commitment.",
    "A window is about now: who catches up or audits does not check it.",
  ],
};

const beaconOfEvents: Section = {
  ...{ proof: "beacon", subject: "event" },
  about:
    "A batch carries nothing of the beacon but what its work and its host answer; the events here register keys.",
  rows: [
    row(
      "beacon/event/missing",
      "a reveal where no key covers the height",
      vote("beacon.reveal-superfluous"),
    ),
    row(
      "beacon/event/stale",
      "a key that begins at a height that is over",
      execution("event.invalid"),
    ),
    row("beacon/event/forged", "a payload that is no key", both("batch.bad-payload")),
    row(
      "beacon/event/replayed",
      "a key that was made for another chain: registered, and no use",
      vote("beacon.reveal-invalid"),
    ),
    bounded(
      "beacon/event/borrowed",
      "another validator's key",
      "one value opens at each height, as with one's own; it is public before it is due, and adds nothing that was " +
        "not foreseen",
    ),
    row(
      "beacon/event/precomputed",
      "a key that is used in the epoch after its registration",
      vote("beacon.reveal-invalid"),
    ),
    row("beacon/event/ground", "a fifth key, to have a choice", execution("event.conflict")),
    row(
      "beacon/event/ground/again",
      "a key whose values may be known, again",
      execution("event.conflict"),
    ),
  ],
  left: [
    "Let its keys run out, or register one that it cannot open, or another's: its turns then add nothing to the " +
      "beacon, or bring no block.",
  ],
};

const beaconOfValidators: Section = {
  ...{ proof: "beacon", subject: "validator" },
  about: "What a proposer reveals.",
  rows: [
    row("beacon/validator/missing", "no value", vote("beacon.reveal-missing")),
    row(
      "beacon/validator/missing/shape",
      "a value that is cut short",
      vote("beacon.reveal-malformed"),
    ),
    row("beacon/validator/stale", "the value of the height before", vote("beacon.reveal-invalid")),
    row("beacon/validator/forged", "a value of one's own", vote("beacon.reveal-invalid")),
    row(
      "beacon/validator/replayed",
      "the value of its key on another chain",
      vote("beacon.reveal-invalid"),
    ),
    row(
      "beacon/validator/borrowed",
      "the value of another validator",
      vote("beacon.reveal-invalid"),
    ),
    row(
      "beacon/validator/precomputed",
      "the value of a later height",
      vote("beacon.reveal-invalid"),
    ),
    bounded(
      "beacon/validator/ground",
      "another block, until the value suits",
      "the value follows from key and height: no content, time or other index changes it",
    ),
  ],
  left: [
    "Withhold a block: one bit for each turn in which it may, at the price of a view's timeout.",
    "Choose, in the last block of an epoch, between two heights as its end: one bit more.",
  ],
};

export const TABLE: readonly Section[] = [
  spaceOfEvents,
  spaceOfValidators,
  placeOfValidators,
  stakeOfEvents,
  stakeOfValidators,
  keysOfValidators,
  workOfEvents,
  workOfValidators,
  timeOfEvents,
  timeOfValidators,
  beaconOfEvents,
  beaconOfValidators,
];
