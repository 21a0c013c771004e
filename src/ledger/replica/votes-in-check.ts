/**
 * Votes whose signature is being checked. A node that comes back asks everybody for what it lacks and is sent the
 * same votes by all of them, n² at once; the first copy of each is checked and the others are not, as the same
 * bytes are either all good or all bad. One bit different, and it is another vote.
 */
import { equalBytes } from "../../crypto/bytes.ts";
import { kindNumber, sameStatement } from "../statement.ts";
import type { Vote } from "../types.ts";

/** More signers than a set can have, and more kinds than there are. */
const SIGNERS = 0x1_0000;
const KINDS = 4;
/** Of one signer's votes of a view and kind so many are compared; a flood of others is only checked. */
const COMPARED_MAX = 4;

const keyOf = ({ statement, signer }: Vote): number =>
  (statement.view * KINDS + kindNumber(statement.kind)) * SIGNERS + signer;

export class VotesInCheck {
  /** By view, kind and signer: nearly always one. */
  readonly #votes = new Map<number, Vote[]>();

  /** False where just this vote is being checked already; else it is noted, where there is room, until `leave`. */
  enter(vote: Vote): boolean {
    const key = keyOf(vote);
    const votes = this.#votes.get(key);
    if (votes === undefined) {
      this.#votes.set(key, [vote]);
      return true;
    }
    for (const { statement, signature } of votes) {
      if (!sameStatement(statement, vote.statement)) continue;
      if (equalBytes(signature, vote.signature)) return false;
    }
    if (votes.length < COMPARED_MAX) votes.push(vote);
    return true;
  }

  leave(vote: Vote): void {
    const key = keyOf(vote);
    const votes = this.#votes.get(key);
    const at = votes?.indexOf(vote) ?? -1;
    if (votes === undefined || at < 0) return;
    votes.splice(at, 1);
    if (votes.length === 0) this.#votes.delete(key);
  }
}
