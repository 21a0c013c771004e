/**
 * What is kept of a walk along the sets, so that a file of steps does not grow with every epoch: the newest steps as
 * they are, whose members sign checkpoints that somebody may have kept, and older ones joined. Two steps that follow
 * each other are one bundle with the links of both, less the header in which the first ends: the set that runs there is
 * in the link that the second begins with. Nothing that was verified is lost but who was in a set long ago.
 */
import { equalBytes } from "../crypto/bytes.ts";
import { fail, ok, type Result } from "../errors.ts";
import { type Bundle, formatBundle, type ProofLink } from "../ledger/verify/bundle.ts";
import { LIMITS } from "../limits.ts";

/** A step that was verified. */
export type SetStep = {
  /** Epoch whose set was trusted, and the one that was reached. */
  readonly from: number;
  readonly to: number;
  /** Of the header that the step ends at. */
  readonly height: number;
  readonly links: number;
  /** Members whose rows the step proves; 0 where it only leads on. */
  readonly members: number;
};

/** A step and the bundle that proves it; only the bundle of one that was passed over, and so not verified. */
export type KeptStep = { readonly step: SetStep | undefined; readonly bundle: Bundle };

const bytesOf = (links: readonly ProofLink[]): number =>
  links.reduce(
    (sum, { set, header, certificate }) => sum + set.length + header.length + certificate.length,
    0,
  );

/** What two steps that follow each other are as one; undefined of those that were passed over. */
const stepOf = ({ step: a }: KeptStep, { step: b }: KeptStep, links: number) =>
  a === undefined || b === undefined ? undefined : { ...b, from: a.from, links };

/**
 * Two steps as one; undefined where that is more than LIMITS.proofLinksMax links or LIMITS.setStepBytesMax bytes, only
 * one of them was verified, or the second does not begin with the set that the first ends with: a step that is verified
 * may begin at an older set than the one that was trusted, and one that was passed over anywhere.
 */
const joined = (a: KeptStep, b: KeptStep): KeptStep | undefined => {
  if ((a.step === undefined) !== (b.step === undefined)) return undefined;
  const [end, begin] = [a.bundle.links.at(-1), b.bundle.links[0]];
  if (!end || !begin || !equalBytes(end.set, begin.set)) return undefined;
  const links = [...a.bundle.links.slice(0, -1), ...b.bundle.links];
  if (links.length > LIMITS.proofLinksMax || bytesOf(links) > LIMITS.setStepBytesMax) {
    return undefined;
  }
  return { step: stepOf(a, b, links.length), bundle: { ...b.bundle, links } };
};

/**
 * The steps of a walk, in order: the newest LIMITS.setPoliciesMax as they were taken. Of no more bytes than a file of
 * them may have characters.
 */
export class KeptSteps {
  readonly #older: KeptStep[] = [];
  readonly #newest: KeptStep[] = [];
  #bytes = 0;

  get all(): readonly KeptStep[] {
    return [...this.#older, ...this.#newest];
  }

  /** Code: proof.too-long where no file could have it besides the others; then it is not kept. */
  push(step: KeptStep): Result<true> {
    const bytes = bytesOf(step.bundle.links);
    if (this.#bytes + bytes > LIMITS.setsFileMax) {
      return fail("proof.too-long", `the steps are over ${LIMITS.setsFileMax} bytes`);
    }
    this.#bytes += bytes;
    this.#newest.push(step);
    if (this.#newest.length <= LIMITS.setPoliciesMax) return ok(true);
    const leaving = this.#newest.shift();
    if (leaving === undefined) return ok(true);
    const last = this.#older.at(-1);
    const both = last === undefined ? undefined : joined(last, leaving);
    if (both === undefined) this.#older.push(leaving);
    else this.#older[this.#older.length - 1] = both;
    return ok(true);
  }
}

/**
 * The text of a file of steps, one bundle a line, which `followFile` takes. Code: proof.too-long past
 * LIMITS.setStepsMax steps or `max` characters.
 */
export const formatSets = (
  bundles: readonly Bundle[],
  max: number = LIMITS.setsFileMax,
): Result<string> => {
  if (bundles.length > LIMITS.setStepsMax) {
    return fail("proof.too-long", `a file of sets has at most ${LIMITS.setStepsMax} steps`);
  }
  const lines: string[] = [];
  let length = 0;
  for (const bundle of bundles) {
    const line = formatBundle(bundle);
    length += line.length;
    if (length > max) {
      return fail("proof.too-long", `a file of sets has at most ${max} characters`);
    }
    lines.push(line);
  }
  return ok(lines.join(""));
};

/** The lines of such a text. Code: proof.too-long. */
export const linesOfSets = (text: string): Result<readonly string[]> => {
  if (text.length > LIMITS.setsFileMax) {
    return fail("proof.too-long", `the file of sets is over ${LIMITS.setsFileMax} characters`);
  }
  const lines = text.split("\n", LIMITS.setStepsMax + 2);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > LIMITS.setStepsMax) {
    return fail("proof.too-long", `the file of sets has over ${LIMITS.setStepsMax} steps`);
  }
  return ok(lines);
};
