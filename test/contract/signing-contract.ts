/**
 * What every implementation of the Signer and Verifier ports must do, the simulator's included. The
 * signatures are real, so an implementation with another scheme passes its own `sample`.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/crypto/codec.ts";
import type { WorkCheck } from "../../src/ledger/batch-work.ts";
import type { Signer, Verifier, VerifyJob } from "../../src/ledger/ports.ts";
import { EQUIHASH, hasher, solve, subject } from "../proofs/work/support.ts";

export type Closable = { close?(): Promise<void> };
export type SignatureCheck = (
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
) => boolean;

/** Runs the Signer contract; `check` decides whether a signature is valid. */
export const signerContract = (
  name: string,
  make: () => Promise<Signer & Closable>,
  check: SignatureCheck,
): void => {
  describe(`Signer contract: ${name}`, () => {
    let signer: Signer & Closable;
    beforeAll(async () => {
      signer = await make();
    });
    afterAll(() => signer.close?.());
    const sign = (message: Uint8Array): Promise<Uint8Array> =>
      new Promise((resolve) => signer.sign(message, resolve));

    it("makes signatures that verify under its own public key", async () => {
      for (const message of [utf8(""), utf8("a"), new Uint8Array(500).fill(7)]) {
        expect(check(await sign(message), message, signer.publicKey)).toBe(true);
      }
    });

    it("answers in the order of the requests, each with its own message's signature", async () => {
      const messages = Array.from({ length: 6 }, (_, i) => utf8(`message ${i}`));
      const order: number[] = [];
      const signatures = await Promise.all(
        messages.map(async (message, i) => {
          const signature = await sign(message);
          order.push(i);
          return signature;
        }),
      );
      expect(order).toEqual([0, 1, 2, 3, 4, 5]);
      for (const [i, message] of messages.entries()) {
        const signature = signatures[i] ?? new Uint8Array();
        expect(check(signature, message, signer.publicKey)).toBe(true);
        expect(check(signature, utf8("another"), signer.publicKey)).toBe(false);
      }
    });

    it("calls back later, never from within sign", async () => {
      let inside = true;
      const wasInside = new Promise<boolean>((resolve) => {
        signer.sign(utf8("x"), () => resolve(inside));
      });
      inside = false;
      expect(await wasInside).toBe(false);
    });

    it("signs the bytes as they were at the call, and leaves them alone", async () => {
      const whole = utf8("..the message..");
      const view = whole.subarray(2, -2);
      const signing = sign(view);
      expect(view).toEqual(utf8("the message"));
      whole.fill(0);
      expect(check(await signing, utf8("the message"), signer.publicKey)).toBe(true);
    });

    it("can be asked again from a callback", async () => {
      const signature = await new Promise<Uint8Array>((resolve) => {
        signer.sign(utf8("first"), () => signer.sign(utf8("second"), resolve));
      });
      expect(check(signature, utf8("second"), signer.publicKey)).toBe(true);
    });
  });
};

/** Runs the Verifier contract; `valid` is any number of jobs whose answer is true, at least two. */
export const verifierContract = (
  name: string,
  make: () => Promise<Verifier & Closable>,
  valid: () => readonly VerifyJob[],
): void => {
  describe(`Verifier contract: ${name}`, () => {
    let verifier: Verifier & Closable;
    let jobs: readonly VerifyJob[];
    beforeAll(async () => {
      verifier = await make();
      jobs = valid();
    });
    afterAll(() => verifier.close?.());
    const verify = (
      list: readonly VerifyJob[],
      priority: "consensus" | "batch" | "sync" = "batch",
    ): Promise<readonly boolean[]> =>
      new Promise((resolve) => verifier.verify(list, priority, resolve));
    const job = (at: number): VerifyJob => {
      const found = jobs[at % jobs.length];
      if (found === undefined) throw new Error("the contract needs valid jobs");
      return found;
    };
    const forged = (at: number): VerifyJob => ({
      ...job(at),
      message: utf8("not what was signed"),
    });

    it("gives one answer a job, in the order of the jobs", async () => {
      expect(await verify([job(0), forged(0), job(1), job(0), forged(1)])).toEqual([
        true,
        false,
        true,
        true,
        false,
      ]);
    });

    it("answers no jobs with no answers", async () => {
      expect(await verify([])).toEqual([]);
    });

    it("answers every malformed job false, and its neighbours as they are", async () => {
      const { signature, publicKey } = job(0);
      const none = new Uint8Array(0);
      const malformed: VerifyJob[] = [
        { ...job(0), signature: none },
        { ...job(0), publicKey: none },
        { ...job(0), signature: signature.subarray(1) },
        { ...job(0), publicKey: publicKey.subarray(1) },
        { ...job(0), signature: new Uint8Array(signature.length + 1) },
        { ...job(0), publicKey: new Uint8Array(publicKey.length + 1) },
        { ...job(0), signature: new Uint8Array(signature.length).fill(0xff) },
        { ...job(0), publicKey: new Uint8Array(publicKey.length).fill(0xff) },
        { ...job(0), message: new Uint8Array(1 << 20) },
      ];
      expect(await verify(malformed)).toEqual(malformed.map(() => false));
      const mixed = malformed.flatMap((bad) => [job(1), bad]);
      expect(await verify(mixed)).toEqual(mixed.map((_, i) => i % 2 === 0));
    });

    it("calls back later, never from within verify", async () => {
      for (const list of [[job(0)], [], [{ ...job(0), signature: new Uint8Array(3) }]]) {
        let inside = true;
        const wasInside = new Promise<boolean>((resolve) => {
          verifier.verify(list, "consensus", () => resolve(inside));
        });
        inside = false;
        expect(await wasInside).toBe(false);
      }
    });

    it("answers each of many overlapping calls, of every priority, with its own answers", async () => {
      const priorities = ["sync", "batch", "consensus"] as const;
      const calls = Array.from({ length: 30 }, (_, i) => {
        const list = Array.from({ length: i % 7 }, (_, k) =>
          (i + k) % 3 === 0 ? forged(k) : job(k),
        );
        const expected = list.map((_, k) => (i + k) % 3 !== 0);
        return { list, expected, priority: priorities[i % 3] ?? "batch" };
      });
      const answers = await Promise.all(calls.map(({ list, priority }) => verify(list, priority)));
      expect(answers).toEqual(calls.map(({ expected }) => expected));
    });

    it("checks consensus before what was asked earlier with lower priority", async () => {
      const finished: string[] = [];
      const bulk = Array.from({ length: 200 }, (_, i) => job(i));
      const note = async (what: string, answer: Promise<readonly boolean[]>): Promise<void> => {
        await answer;
        finished.push(what);
      };
      await Promise.all([
        note("sync", verify(bulk, "sync")),
        note("batch", verify(bulk, "batch")),
        note("consensus", verify([job(0)], "consensus")),
      ]);
      expect(finished).toEqual(["consensus", "batch", "sync"]);
    });

    it("leaves the bytes of a job alone", async () => {
      const { message, signature, publicKey } = job(0);
      const before = [message.slice(), signature.slice(), publicKey.slice()];
      await verify([job(0)]);
      expect([message, signature, publicKey]).toEqual(before);
    });

    it("can be asked again from a callback", async () => {
      const answer = await new Promise<readonly boolean[]>((resolve) => {
        verifier.verify([job(0)], "batch", () => verifier.verify([forged(0)], "sync", resolve));
      });
      expect(answer).toEqual([false]);
    });
  });
};

const workCheck = (): WorkCheck => {
  const { bytes: proof } = solve(EQUIHASH, 1);
  return { puzzle: EQUIHASH, subject, proof, required: 1 };
};

/** What a Verifier that checks work must do besides; `jobs` are as those of the Verifier contract. */
export const workContract = (
  name: string,
  make: () => Promise<Verifier & Closable>,
  jobs: () => readonly VerifyJob[],
): void => {
  it(`Verifier contract, ${name}: checks work among signatures, each in its place`, async () => {
    const verifier = await make();
    const work = workCheck();
    const changed = work.proof.slice();
    changed[30] = (changed[30] ?? 0) ^ 1;
    const checks = [work, { ...work, proof: changed }, { ...work, required: 9 }, work];
    const worked = (chainId: string, list: readonly WorkCheck[]): Promise<readonly boolean[]> =>
      new Promise((resolve) => verifier.verifyWork?.(chainId, list, "batch", resolve));
    const [first, second] = jobs();
    if (first === undefined || second === undefined) throw new Error("two valid jobs are needed");
    const signed = new Promise((resolve) =>
      verifier.verify([first, { ...first, message: utf8("forged") }, second], "batch", resolve),
    );
    expect(await Promise.all([worked(hasher.chainId, checks), signed])).toEqual([
      [true, false, false, true],
      [true, false, true],
    ]);
    expect(await worked("another chain", [work])).toEqual([false]);
    expect(await worked(hasher.chainId, [])).toEqual([]);
    await verifier.close?.();
  });
};
