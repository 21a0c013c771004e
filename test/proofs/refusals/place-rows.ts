/** Rows of the table about network location. */
import { bounded, execution, type Refused, type Row, row, type Section } from "./rows.ts";

const place = (id: string, tried: string, refused: Refused): Row =>
  row(`space/validator/${id}`, tried, refused);

export const placeOfValidators: Section = {
  ...{ proof: "space", subject: "validator", title: "Network location" },
  about:
    "Receipts of witnesses (`location.zone.certified`), and what witnesses are told before they give one.",
  rows: [
    place(
      "missing/witnesses",
      "witnesses with a third of the power, the prover with more",
      execution("location.too-few"),
    ),
    place("stale/receipts", "receipts of the epoch before", execution("location.stale")),
    place("stale/receipts/said", "said to be of this one", execution("location.receipt-invalid")),
    place("forged/receipt", "a receipt that somebody else has signed", {
      ...execution("location.receipt-invalid"),
    }),
    place("forged/time", "a shorter time than was signed", execution("location.receipt-invalid")),
    place("forged/zone", "a zone that is nearer than a receipt", execution("location.too-far")),
    place("forged/own", "one's own receipt", execution("location.own-receipt")),
    place(
      "forged/stranger",
      "of a witness that is not in the set of the epoch",
      execution("location.not-member"),
    ),
    place("replayed/chain", "a receipt of another chain", execution("location.receipt-invalid")),
    place("replayed/again", "a second certificate", execution("location.repeated")),
    place("borrowed/receipt", "another prover's receipts", execution("location.receipt-invalid")),
    bounded(
      "space/validator/borrowed/labels",
      "a witness is answered from another validator's sector",
      "it signs nothing: `location.answer`",
    ),
    bounded(
      "space/validator/precomputed/labels",
      "a witness is answered before it has asked",
      "its challenge is not in the answer: `location.unasked`, and the time runs on",
    ),
    place("ground/receipts", "other receipts, after a false one", execution("location.failed")),
  ],
  left: [
    "Have an accomplice near a witness, with a copy of the sector and the key of the session: it answers in the prover's name.",
    "Show receipts of witnesses that lie: with a third of the power any certificate, with less some of its bounds.",
    "Answer late, or not at all: a long time, or none, shows nothing.",
  ],
};
