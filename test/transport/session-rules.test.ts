/**
 * Which session of a pair stays, tried on every order in which hellos, proofs and ends may come at the two ends:
 * both keep the same one, and what is not proved takes nobody's place.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Contender,
  DOUBT_HANDSHAKES,
  judgeProved,
  mayContend,
  nextOf,
  prefersSession,
} from "../../src/transport/session-rules.ts";
import { idOf } from "./support.ts";

const HANDSHAKE_MS = 5_000;
const [A, B] = [idOf(0), idOf(1)] as const;
const RUN = { a: new Uint8Array(8).fill(1), b: new Uint8Array(8).fill(2) } as const;

type View = {
  -readonly [key in keyof Contender]: Contender[key];
} & { readonly link: number };

/** One end of a pair: what mesh.ts does with the rules, for sessions on one path. */
class End {
  readonly self: string;
  readonly views = new Map<number, View>();
  readonly waiting = new Set<View>();
  live: View | undefined;
  /** Links that this end has closed. */
  readonly ended: number[] = [];
  /** How often what carried was replaced. */
  changes = 0;

  constructor(self: string) {
    this.self = self;
  }

  get #facts() {
    return { self: this.self, handshakeTimeoutMs: HANDSHAKE_MS };
  }

  #close(view: View): void {
    this.ended.push(view.link);
    this.gone(view.link);
  }

  #others(view: View): readonly View[] {
    return [this.live, ...this.waiting].filter(
      (other): other is View => other !== undefined && other !== view,
    );
  }

  hello(view: View): void {
    this.views.set(view.link, view);
    if (this.live === undefined) this.live = view;
    else if (!mayContend(view, this.#others(view), this.#facts)) this.#close(view);
    else this.waiting.add(view);
  }

  prove(link: number): void {
    const view = this.views.get(link);
    if (view === undefined) return;
    view.isSecured = true;
    const verdict = judgeProved(view, this.#others(view), this.#facts);
    if (verdict === undefined) {
      this.#close(view);
      return;
    }
    if (this.live !== undefined && this.live !== view) this.changes += 1;
    this.live = view;
    this.waiting.delete(view);
    for (const other of verdict.waits) this.waiting.add(other);
    for (const other of verdict.ends) this.#close(other);
  }

  gone(link: number): void {
    const view = this.views.get(link);
    if (view === undefined) return;
    this.views.delete(link);
    this.waiting.delete(view);
    if (this.live !== view) return;
    this.live = nextOf(this.waiting, undefined);
    if (this.live !== undefined) this.waiting.delete(this.live);
  }
}

type Link = {
  readonly byA: boolean;
  /** Both ends have it, and it can be proved; else it is an impostor's, at one of them. */
  readonly honest: boolean;
  readonly atA: boolean;
  helloA: boolean;
  helloB: boolean;
  /** Who was dialled has taken the signature, and says so. */
  accepted: boolean;
  provenA: boolean;
  provenB: boolean;
};

class Pair {
  readonly a = new End(A);
  readonly b = new End(B);
  readonly links: readonly Link[];
  #nowMs = 0;
  /** How far each end has heard of what the other has closed. */
  readonly #heard = { a: 0, b: 0 };

  constructor(links: readonly Link[]) {
    this.links = links;
  }

  /** What the other end has closed is open here until word of it comes. */
  #isOpen(side: "a" | "b", index: number): boolean {
    const [own, other] = side === "a" ? [this.a, this.b] : [this.b, this.a];
    const heard = other.ended.slice(0, this.#heard[side]);
    return !own.ended.includes(index) && !heard.includes(index);
  }

  /** Everything that may happen next. */
  enabled(): readonly (() => void)[] {
    const steps: (() => void)[] = [];
    for (const [index, link] of this.links.entries()) {
      for (const side of ["a", "b"] as const) this.#steps(steps, index, link, side);
    }
    for (const [side, other] of [
      ["a", this.b],
      ["b", this.a],
    ] as const) {
      const link = other.ended[this.#heard[side]];
      if (link === undefined) continue;
      steps.push(() => {
        this.#heard[side] += 1;
        this[side].gone(link);
      });
    }
    return steps;
  }

  #steps(steps: (() => void)[], index: number, link: Link, side: "a" | "b"): void {
    const [hello, proven] =
      side === "a" ? (["helloA", "provenA"] as const) : (["helloB", "provenB"] as const);
    if (!link.honest && link.atA !== (side === "a")) return;
    if (!this.#isOpen(side, index)) return;
    if (!link[hello]) {
      steps.push(() => {
        link[hello] = true;
        this.#nowMs += 1;
        const dialledHere = link.byA === (side === "a");
        this[side].hello({
          link: index,
          peer: side === "a" ? B : A,
          // An impostor's run is whatever it likes: another, or the member's own.
          peerRun: !link.honest && index % 2 === 0 ? RUN.a : side === "a" ? RUN.b : RUN.a,
          dialled: dialledHere ? (side === "a" ? B : A) : undefined,
          via: undefined,
          upSinceMs: this.#nowMs,
          isSecured: false,
        });
      });
    }
    if (!link.honest || !link.helloA || !link.helloB) return;
    // Who dialled is the first to know; the other end's proof takes one more message.
    const isDialler = link.byA === (side === "a");
    if (!isDialler && !link.accepted) {
      steps.push(() => {
        link.accepted = true;
      });
    }
    const isOtherProven = side === "a" ? link.provenB : link.provenA;
    if (!link[proven] && (isDialler ? link.accepted : isOtherProven)) {
      steps.push(() => {
        link[proven] = true;
        this[side].prove(index);
      });
    }
  }
}

const link = (byA: boolean, honest: boolean, atA = true): Link => ({
  ...{ byA, honest, atA },
  ...{ helloA: false, helloB: false, accepted: false, provenA: false, provenB: false },
});

const choices = fc.array(fc.nat(1_000), { minLength: 60, maxLength: 60 });

const play = (pair: Pair, picks: readonly number[], look: () => void): void => {
  for (const pick of picks) {
    const steps = pair.enabled();
    steps[pick % Math.max(1, steps.length)]?.();
    look();
  }
  // Whatever is left comes in the end.
  for (let steps = pair.enabled(); steps.length > 0; steps = pair.enabled()) steps[0]?.();
};

describe("two ends that dial at once", () => {
  it("keep the same session, in whatever order hellos, proofs and ends come", () => {
    fc.assert(
      fc.property(choices, (picks) => {
        const pair = new Pair([link(true, true), link(false, true)]);
        play(pair, picks, () => {});
        expect(pair.a.live?.link).toBeDefined();
        expect(pair.a.live?.link).toBe(pair.b.live?.link);
        expect([pair.a.live?.isSecured, pair.b.live?.isSecured]).toEqual([true, true]);
        expect([pair.a.waiting.size, pair.b.waiting.size]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });

  it("keep that of the lower id where both are proved before either end acts on one", () => {
    const pair = new Pair([link(true, true), link(false, true)]);
    play(pair, [], () => {});
    expect([pair.a.live?.link, pair.b.live?.link]).toEqual([0, 0]);
  });

  it("keep the same session beside impostors of either end, which never replace a proved one", () => {
    const impostors = fc.array(fc.tuple(fc.boolean(), fc.boolean()), { maxLength: 3 });
    fc.assert(
      fc.property(choices, impostors, (picks, others) => {
        const links = [
          ...[link(true, true), link(false, true)],
          ...others.map(([byA, atA]) => link(byA, false, atA)),
        ];
        const pair = new Pair(links);
        const isImpostor = (view: View | undefined): boolean => (view?.link ?? 0) >= 2;
        play(pair, picks, () => {
          for (const side of ["a", "b"] as const) {
            const { live } = pair[side];
            const hasProved = [...pair[side].views.values()].some(({ isSecured }) => isSecured);
            expect(isImpostor(live) && hasProved).toBe(false);
          }
        });
        expect(pair.a.live?.link).toBe(pair.b.live?.link);
        expect(isImpostor(pair.a.live)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

const contender = (over: Partial<Contender> = {}): Contender => ({
  ...{ peer: B, peerRun: RUN.b, dialled: undefined, via: undefined },
  ...{ upSinceMs: 0, isSecured: true },
  ...over,
});
const facts = { self: A, handshakeTimeoutMs: HANDSHAKE_MS };

describe("the rule", () => {
  it("prefers one of two and not the other, the same at both ends for what both dialled at once", () => {
    const one = fc.record({
      byA: fc.boolean(),
      upSinceMs: fc.integer({ min: 0, max: HANDSHAKE_MS - 1 }),
      run: fc.constantFrom(RUN.a, RUN.b),
    });
    fc.assert(
      fc.property(one, one, (x, y) => {
        fc.pre(x.upSinceMs !== y.upSinceMs);
        const seen = ({ byA, upSinceMs, run }: typeof x, self: string): Contender =>
          contender({
            ...{ upSinceMs, peerRun: run, peer: self === A ? B : A },
            dialled: byA === (self === A) ? (self === A ? B : A) : undefined,
          });
        const verdicts = [A, B].map((self) => {
          const of = { self, handshakeTimeoutMs: HANDSHAKE_MS };
          const [p, q] = [seen(x, self), seen(y, self)];
          expect(prefersSession(p, q, of)).toBe(!prefersSession(q, p, of));
          return prefersSession(p, q, of);
        });
        expect(verdicts[0]).toBe(verdicts[1]);
      }),
    );
  });

  it("is the same at both ends for a dial beside a session that was doubted, each by its own clock", () => {
    const ms = fc.integer({ min: 0, max: HANDSHAKE_MS });
    fc.assert(
      fc.property(fc.boolean(), ms, ms, ms, (lowerDoubts, late, here, there) => {
        const [self, other] = lowerDoubts ? [A, B] : [B, A];
        const dialMs = DOUBT_HANDSHAKES * HANDSHAKE_MS;
        // Ends of a session say hello at most a handshake apart, and a dial takes some time.
        const doubter = prefersSession(
          contender({ peer: other, dialled: other, upSinceMs: dialMs + 1 + here }),
          contender({ peer: other }),
          { self, handshakeTimeoutMs: HANDSHAKE_MS },
        );
        const doubted = prefersSession(
          contender({ peer: self, upSinceMs: dialMs + 1 + there }),
          contender({ peer: self, dialled: self, upSinceMs: late }),
          { self: other, handshakeTimeoutMs: HANDSHAKE_MS },
        );
        expect([doubter, doubted]).toEqual([true, true]);
      }),
    );
  });

  it("lets one give way to another that came handshakeTimeoutMs later, not sooner", () => {
    const old = contender({ dialled: B });
    const later = (upSinceMs: number): Contender => contender({ upSinceMs, isSecured: false });
    // A is the lower: what it dialled stays.
    expect(mayContend(later(HANDSHAKE_MS), [old], facts)).toBe(false);
    expect(mayContend(later(HANDSHAKE_MS + 1), [old], facts)).toBe(true);
  });

  it("ends nothing for a session that is not on the same path and of the same run", () => {
    const relayed = contender({ via: idOf(5) });
    expect(judgeProved(contender(), [relayed], facts)).toEqual({ ends: [], waits: [] });
    const ofAnother = contender({ via: idOf(5), peerRun: RUN.a, upSinceMs: -1 });
    expect(judgeProved(contender(), [ofAnother], facts)?.ends).toEqual([ofAnother]);
    // A run that came later has its own proof to give.
    const unproved = { ...ofAnother, upSinceMs: 1, isSecured: false };
    expect(judgeProved(contender(), [unproved], facts)).toEqual({ ends: [], waits: [unproved] });
    expect(judgeProved(contender(), [{ ...unproved, isSecured: true }], facts)).toBeUndefined();
  });

  it("lets what we dialled carry first, and nothing of a run that is about to end", () => {
    const [theirs, ours] = [contender(), contender({ dialled: B })];
    expect(nextOf([theirs, ours], undefined)).toBe(ours);
    expect(nextOf([theirs], undefined)).toBe(theirs);
    expect(nextOf([theirs, ours], contender())).toBeUndefined();
    expect(nextOf([theirs], contender({ peerRun: RUN.a }))).toBe(theirs);
    const unproved = { ...ours, waitsForProof: true };
    expect(nextOf([unproved, theirs], undefined)).toBe(theirs);
    expect(nextOf([unproved], undefined)).toBeUndefined();
  });
});
