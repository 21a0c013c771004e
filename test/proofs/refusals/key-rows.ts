/** Rows of the table about what validators sign with on a chain that asks for keys of epochs. */
import { bounded, execution, row, type Section } from "./rows.ts";

export const keysOfValidators: Section = {
  ...{ proof: "stake", subject: "validator", title: "Keys of epochs" },
  about:
    "Keys that a validator registers ahead of the epochs in which it signs with them (`validator.keys.registered`).",
  rows: [
    row(
      "stake/validator/missing/key-possession",
      "a key that has signed nothing",
      execution("stake.possession"),
    ),
    bounded(
      "stake/validator/missing/key",
      "no new key",
      "the last one goes on: nobody loses power, and no chain stops, for want of keys",
    ),
    row(
      "stake/validator/stale/key",
      "for an epoch whose set may be decided",
      execution("event.invalid"),
    ),
    row(
      "stake/validator/stale/key-again",
      "the key of another epoch once more",
      execution("event.conflict"),
    ),
    row(
      "stake/validator/stale/key-long-lived",
      "the long-lived key, as that of an epoch",
      execution("event.conflict"),
    ),
    row(
      "stake/validator/stale/key-evidence",
      "evidence that shows the key of another epoch",
      execution("evidence.invalid"),
    ),
    row(
      "stake/validator/forged/key",
      "possession signed by another key",
      execution("stake.possession"),
    ),
    row(
      "stake/validator/replayed/key",
      "possession signed for another chain",
      execution("stake.possession"),
    ),
    row(
      "stake/validator/replayed/key-epoch",
      "possession signed for another epoch",
      execution("stake.possession"),
    ),
    row(
      "stake/validator/borrowed/key",
      "another validator's key, with its possession",
      execution("stake.possession"),
    ),
    row(
      "stake/validator/borrowed/key-stranger",
      "by who is no validator",
      execution("event.forbidden"),
    ),
    row(
      "stake/validator/precomputed/key",
      "for an epoch further ahead than keys are taken",
      execution("event.invalid"),
    ),
  ],
  left: [
    "Keep the secret of a key that is over: that it was erased is not shown.",
    "Register nothing, and so leave epochs that are over to whoever steals the one key that signed all of them.",
    "Sign the Ed25519 and ML-DSA-44 lines of old checkpoints with a stolen long-lived secret: those keys stay.",
  ],
};
