/** Forgeries of where a validator is: receipts on the log, and answers to witnesses. */
import { expect } from "vitest";
import { Witness } from "../../../src/ledger/replica/location/witness.ts";
import { witnessChallenges } from "../../../src/proofs/space/challenges.ts";
import { makeOpenings } from "../../../src/proofs/space/openings.ts";
import { hasher, idOf } from "../../ledger/execution-support.ts";
import {
  certificate,
  LOCATION,
  PlaceChain,
  type ReceiptOf,
  receiptOf,
} from "../../ledger/projections/zones-support.ts";
import { Post, peerOf, sectorOf } from "../../ledger/replica/location-support.ts";
import { type Act, NOTHING, type Seen } from "./act.ts";
import { OTHER_CHAIN } from "./world.ts";

const WITNESSES = ["v0", "v2"];

const receipts = (from: ReceiptOf = {}) => WITNESSES.map((witness) => receiptOf(witness, from));

/** What becomes of a certificate of v3's, where the right one is taken. */
const shown = (event: ReturnType<typeof certificate>): Seen => {
  expect(new PlaceChain().write("v3", certificate(receipts()))).toBe("accepted");
  return { execution: new PlaceChain().write("v3", event) };
};

/** A witness that has asked, v3's answer from a sector to what it believes was asked, and what comes of it. */
const answered = (from: string, guess?: Uint8Array): { readonly post: Post } => {
  const chain = new PlaceChain();
  chain.pass(4);
  const post = new Post("v0", chain);
  const witness = new Witness(post.parts);
  witness.onRequest(peerOf("v3"), { type: "location-request", epoch: 0, sector: 0 });
  const asked = post.sent[0]?.message;
  if (asked?.type !== "location-challenge") throw new Error("the witness asks nothing");
  const challenge = guess ?? asked.challenge;
  const { hashes, reader, statement } = sectorOf(from);
  const question = { witness: idOf("v0"), epoch: 0, challenge };
  const labels = witnessChallenges(hasher, LOCATION.labels, statement, question);
  const openings = makeOpenings(hashes, [reader.stored], labels);
  witness.onAnswer(peerOf("v3"), { type: "location-answer", challenge, openings }, 1_000_100);
  return { post };
};

export const PLACE_ACTS: Readonly<Record<string, Act>> = {
  "space/validator/missing/witnesses": () => {
    const few = [receiptOf("v0"), receiptOf("v1")];
    return shown(certificate(few));
  },
  "space/validator/stale/receipts": () => {
    const chain = new PlaceChain();
    chain.nextEpoch();
    return { execution: chain.write("v3", certificate(receipts())) };
  },
  "space/validator/stale/receipts/said": () => {
    const chain = new PlaceChain();
    chain.nextEpoch();
    return { execution: chain.write("v3", certificate(receipts(), { epoch: 1 })) };
  },
  "space/validator/forged/receipt": () => shown(certificate(receipts({ by: "v3" }))),
  "space/validator/forged/time": () =>
    shown(certificate(receipts().map((one) => ({ ...one, rttUs: 1 })))),
  "space/validator/forged/zone": () => shown(certificate(receipts({ rttUs: 6_000 }))),
  "space/validator/forged/own": () => shown(certificate([...receipts(), receiptOf("v3")])),
  "space/validator/forged/stranger": () => shown(certificate([...receipts(), receiptOf("clerk")])),
  "space/validator/replayed/chain": () => shown(certificate(receipts({ chainId: OTHER_CHAIN }))),
  "space/validator/replayed/again": () => {
    const chain = new PlaceChain();
    expect(chain.write("v3", certificate(receipts()))).toBe("accepted");
    return { execution: chain.write("v3", certificate(receipts())) };
  },
  "space/validator/borrowed/receipt": () => shown(certificate(receipts({ prover: "v1" }))),
  "space/validator/borrowed/labels": () => {
    const right = answered("v3");
    expect(right.post.faults).toEqual([]);
    const { post } = answered("v1");
    expect(post.faults).toEqual(["location.answer"]);
    // The measurement is over: no further challenge, and no receipt.
    expect(post.sent).toHaveLength(1);
    return NOTHING;
  },
  "space/validator/precomputed/labels": () => {
    const { post } = answered("v3", new Uint8Array(32).fill(9));
    expect(post.faults).toEqual(["location.unasked"]);
    expect(post.sent).toHaveLength(1);
    return NOTHING;
  },
  "space/validator/ground/receipts": () => {
    const chain = new PlaceChain();
    const forged = certificate(receipts({ by: "v1" }));
    expect(chain.write("v3", forged)).toBe("location.receipt-invalid");
    return { execution: chain.write("v3", certificate(receipts())) };
  },
};
