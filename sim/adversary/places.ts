/** Adversaries that lie about where validators are (docs/proofs.md, Network location). */
import { fromHex } from "../../src/crypto/bytes.ts";
import {
  decodeLocationMessage,
  encodeLocationMessage,
  isLocationFrame,
  LOCATION_CLASS,
  type LocationMessage,
} from "../../src/ledger/location-messages.ts";
import { receiptMessage } from "../../src/proofs/location/receipt.ts";
import type { StrategyFactory } from "./types.ts";

const messageOf = (bytes: Uint8Array): LocationMessage | undefined => {
  const decoded = isLocationFrame(bytes) ? decodeLocationMessage(bytes) : undefined;
  return decoded?.ok === true ? decoded.value : undefined;
};

/** A witness that swears to everybody that it stands beside them. */
export const lowReceipts: StrategyFactory = (powers) => ({
  outgoing: (peer, _class, bytes) => {
    const message = messageOf(bytes);
    const witness = powers.set.validators[powers.self]?.id;
    if (message?.type !== "location-receipt" || witness === undefined) return false;
    const claim = { ...message, prover: fromHex(peer), witness, rttUs: 1 };
    const signature = powers.sign(receiptMessage(powers.hasher, claim));
    powers.lieBytes(
      peer,
      LOCATION_CLASS,
      encodeLocationMessage({ ...message, rttUs: 1, signature }),
    );
    return true;
  },
});

/** A prover that answers before it is asked: with what it has answered before, to challenges of its own. */
export const earlyAnswers: StrategyFactory = (powers) => {
  let answered: (LocationMessage & { type: "location-answer" }) | undefined;
  const answer = (challenge: Uint8Array): Uint8Array | undefined =>
    answered && encodeLocationMessage({ ...answered, challenge });
  return {
    outgoing: (peer, _class, bytes) => {
      const message = messageOf(bytes);
      if (message?.type === "location-answer") answered = message;
      const guess = answer(powers.random.bytes(32));
      const again = answered && answer(answered.challenge);
      if (message === undefined || guess === undefined || again === undefined) return false;
      powers.sendBytes(peer, LOCATION_CLASS, bytes);
      powers.lieBytes(peer, LOCATION_CLASS, guess);
      powers.sendBytes(peer, LOCATION_CLASS, again);
      return true;
    },
  };
};
