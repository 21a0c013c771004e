/**
 * The work of batches in a node: what it is held against, and verdicts on it, each reached once and kept by
 * digest. What costs next to nothing is checked here; a solution is checked by the verifier, which may have
 * threads of its own.
 */
import { concatBytes } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { type Failure, fail } from "../../errors.ts";
import {
  decodeWorkProof,
  unsolved,
  verifyWork,
  type WorkParameters,
} from "../../proofs/work/index.ts";
import { proofCountOf, readProofs, type SealedBatch } from "../batch.ts";
import { slotOf, WORK_SLOT } from "../batch-proofs.ts";
import {
  type AskedProofs,
  checkProofs,
  checkSlots,
  effortOf,
  openWorkCheck,
  type WorkCheck,
  type WorkTerms,
  type WorkVerdict,
  workedBatch,
} from "../batch-work.ts";
import { levelOf } from "../mempool.ts";
import type { Batch, Hash } from "../types.ts";
import type { Context } from "./context.ts";
import { Verdicts } from "./verdicts.ts";
import { finalTerms } from "./work-terms.ts";

/** A batch with the terms of its reference on the branch that it is looked at on. */
export type TermedBatch = { readonly batch: Batch; readonly terms: WorkTerms };

/** Says all that the work of a batch is about: its id has the reference in it, and so the terms. */
const solutionOf = ({ id, proofs }: Batch): Hash =>
  sha256(concatBytes(id, slotOf(proofs, WORK_SLOT)?.bytes ?? new Uint8Array(0)));

export class WorkDesk {
  readonly #context: Context;
  readonly #verdicts = new Verdicts<WorkVerdict>();
  /** Of what was solved, by id and slot: another signature makes another digest, and asks for no other work. */
  readonly #solved = new Verdicts<WorkVerdict>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** Which proofs the chain asks of a batch. */
  get asked(): AskedProofs {
    return this.#context.options.genesis.proofs;
  }

  /** Undefined where the work was never tried, or so long ago that it is forgotten. */
  verdict(digest: Hash): WorkVerdict | undefined {
    return this.#verdicts.get(digest);
  }

  /** The predicate, with the verdicts that are kept here. */
  check(batch: Batch): Failure | undefined {
    return checkProofs(this.asked, batch, (digest) => this.verdict(digest));
  }

  /** Of a final height: what the work of a batch that refers to it is held against. */
  finalTerms(height: number): WorkTerms | undefined {
    return finalTerms(this.#context, height);
  }

  /**
   * Of an envelope whose events nobody has hashed yet: all of its work that costs next to nothing. The
   * reference must be one of the final chain. Codes: encoding.malformed, encoding.version, those of
   * `checkSlots` and `openWorkCheck`. Where the chain asks for no proofs, their count alone is looked at.
   */
  precheck(sealed: SealedBatch): Failure | undefined {
    const { work, space } = this.asked;
    if (work === null && space === null && (proofCountOf(sealed) ?? 0) > 0) {
      return fail("batch.proofs-unsupported", "the chain asks for no proofs in a batch");
    }
    if (work === null) return undefined;
    const slots = readProofs(sealed);
    if (!slots.ok) return slots;
    const wrong = checkSlots(this.asked, slots.value);
    if (wrong !== undefined) return wrong;
    const terms = this.finalTerms(sealed.refHeight);
    if (terms === undefined) return undefined;
    const opened = openWorkCheck(this.#context.hasher, work, sealed, slots.value, terms);
    return opened.ok ? undefined : opened;
  }

  /** Of a batch in a block, the same; what is wrong is kept as its verdict. Codes: those of `openWorkCheck`. */
  stated({ batch, terms }: TermedBatch): Failure | undefined {
    const { work } = this.asked;
    if (work === null) return undefined;
    const known = this.verdict(batch.digest);
    if (known !== undefined) return known === "good" ? undefined : known;
    const { hasher } = this.#context;
    const check = openWorkCheck(hasher, work, workedBatch(batch), batch.proofs, terms);
    if (check.ok) return undefined;
    this.#verdicts.keep(batch.digest, check);
    return check;
  }

  /** How much more than is asked for the work of an admitted batch shows; undefined where none is asked for. */
  level(batch: Batch): number | undefined {
    const { work } = this.asked;
    if (work === null) return undefined;
    const terms = this.finalTerms(batch.refHeight);
    const slot = slotOf(batch.proofs, WORK_SLOT);
    const proof = slot === undefined ? undefined : decodeWorkProof(work.puzzle, slot.bytes);
    if (terms === undefined || proof?.ok !== true) return 0;
    return levelOf(proof.value.effort, effortOf(work, terms, workedBatch(batch)));
  }

  /**
   * Reaches a verdict on every batch that has none, then calls back: at once where nothing takes long, or where a
   * batch shows without it that its work is not good. These are batches of one block, of which that is enough.
   */
  verify(batches: readonly TermedBatch[], priority: "consensus" | "batch", done: () => void): void {
    const { work } = this.asked;
    if (work === null) return done();
    const open: { readonly digest: Hash; readonly solution: Hash; readonly check: WorkCheck }[] =
      [];
    let isRefused = false;
    for (const { batch, terms } of batches) {
      if (this.verdict(batch.digest) !== undefined) continue;
      const { hasher } = this.#context;
      const solution = solutionOf(batch);
      const known = this.#solved.get(solution);
      if (known !== undefined) {
        this.#verdicts.keep(batch.digest, known);
        isRefused ||= known !== "good";
        continue;
      }
      const check = openWorkCheck(hasher, work, workedBatch(batch), batch.proofs, terms);
      if (check.ok) open.push({ digest: batch.digest, solution, check: check.value });
      else this.#verdicts.keep(batch.digest, check);
      isRefused ||= !check.ok;
    }
    if (open.length === 0 || isRefused) return done();
    const checks = open.map(({ check }) => check);
    this.#solve(work, checks, priority, (valid) => {
      for (const [i, { digest, solution }] of open.entries()) {
        const verdict = valid[i] === true ? "good" : unsolved(work.puzzle);
        this.#verdicts.keep(digest, verdict);
        this.#solved.keep(solution, verdict);
      }
      done();
    });
  }

  #solve(
    { puzzle }: WorkParameters,
    checks: readonly WorkCheck[],
    priority: "consensus" | "batch",
    done: (valid: readonly boolean[]) => void,
  ): void {
    const { hasher, ports } = this.#context;
    if (ports.verifier.verifyWork !== undefined) {
      return ports.verifier.verifyWork(hasher.chainId, checks, priority, done);
    }
    done(
      checks.map(
        ({ subject, proof, required }) => verifyWork(hasher, puzzle, subject, proof, required).ok,
      ),
    );
  }
}
