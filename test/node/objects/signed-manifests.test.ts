/** Manifests that a node signs with the key of its votes: one at a time, at a rate, in turns, none twice in vain. */
import { describe, expect, it } from "vitest";
import { fromHex } from "../../../src/crypto/bytes.ts";
import { manifestStatement } from "../../../src/crypto/objects/statements.ts";
import { LIMITS } from "../../../src/limits.ts";
import { type NamedManifest, SignedManifests } from "../../../src/node/objects/signed-manifests.ts";
import { decodeServedManifest } from "../../../src/transport/objects/messages.ts";
import { bytesOf, hasher, objectOf } from "./support.ts";

const SELF = "07".repeat(32);
const RATE = LIMITS.objectManifestsPerPeerPerSecond;
const BURST = LIMITS.objectManifestsPerPeerBurst;
const WAITING = LIMITS.objectManifestsWaitingPerPeerMax;
const KEPT = LIMITS.objectSignedManifestsMax;

const named = (seed: number): NamedManifest => objectOf(bytesOf(10, seed));
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A signer that signs when the test says so, and a time that is the test's. */
const makeManifests = () => {
  const signing: {
    readonly message: Uint8Array;
    readonly done: (signature: Uint8Array) => void;
  }[] = [];
  const due = new Set<{ readonly atMs: number; readonly fire: () => void }>();
  let nowMs = 0;
  let signed = 0;
  const publicKey = new Uint8Array(LIMITS.falconPublicKeyBytes);
  const manifests = new SignedManifests({
    ...{ hasher, self: SELF, clock: { monotonicMs: () => nowMs } },
    signer: { publicKey, sign: (message, done) => void signing.push({ message, done }) },
    timers: {
      set: (ms, fire) => {
        const timer = { atMs: nowMs + ms, fire };
        due.add(timer);
        return () => void due.delete(timer);
      },
    },
  });
  const answers = new Map<string, "busy" | "signed">();
  return {
    ...{ manifests, signing, answers, due },
    signed: () => signed,
    /** Asks, and says by `answers` what came of it. */
    ask: (
      peer: string,
      object: NamedManifest,
      as = `${peer} ${object.root.slice(0, 8)}`,
    ): string => {
      void manifests.answer(peer, object).then((answer) => {
        answers.set(as, answer === undefined ? "busy" : "signed");
      });
      return as;
    },
    /** Signs what is there to sign, and what comes then, `count` at most. */
    sign: async (count = Number.POSITIVE_INFINITY): Promise<void> => {
      for (let i = 0; i < count; i++) {
        expect(signing.length).toBeLessThanOrEqual(1);
        const job = signing.shift();
        if (job === undefined) return;
        signed += 1;
        job.done(new Uint8Array(LIMITS.falconSignatureBytes));
        await settle();
      }
    },
    pass: async (ms: number): Promise<void> => {
      nowMs += ms;
      for (const timer of [...due]) {
        if (timer.atMs > nowMs) continue;
        due.delete(timer);
        timer.fire();
      }
      await settle();
    },
  };
};

describe("manifests that a node signs", () => {
  it("are at its signer one at a time, whoever asks and for how many", async () => {
    const { ask, signing, sign, signed, answers } = makeManifests();
    for (let peer = 0; peer < 5; peer++) {
      for (let i = 0; i < 3; i++) ask(`m${peer}`, named(10 * peer + i));
    }
    await settle();
    expect(signing).toHaveLength(1);
    await sign();
    expect(signed()).toBe(15);
    expect([...answers.values()].every((answer) => answer === "signed")).toBe(true);
    expect(answers.size).toBe(15);
  });

  it("say what is signed, by whom", async () => {
    const { manifests, signing, sign } = makeManifests();
    const object = objectOf(bytesOf(10, 1));
    const answer = manifests.answer("m", object);
    await settle();
    const message = manifestStatement(hasher, fromHex(SELF), object.name, object.encoded);
    expect(signing[0]?.message).toEqual(message);
    await sign();
    const served = decodeServedManifest((await answer) ?? new Uint8Array(0));
    expect(served.ok && served.value.manifest).toEqual(object.encoded);
  });

  it("go to members in turns, so that who asks for many is not before who asks for one", async () => {
    const { ask, sign, answers } = makeManifests();
    for (let i = 0; i < WAITING; i++) ask("greedy", named(i));
    const modest = ask("modest", named(100));
    // One was begun before there was another member, and one more was its turn.
    await sign(3);
    expect(answers.get(modest)).toBe("signed");
    expect(answers.size).toBe(3);
  });

  it("are objectManifestsPerPeerBurst of one member at once and then the rate, and others wait for none", async () => {
    const { ask, sign, signed, pass } = makeManifests();
    const most = BURST + 3;
    for (let i = 0; i < most; i++) {
      ask("greedy", named(i));
      await sign();
    }
    expect(signed()).toBe(BURST);
    ask("other", named(100));
    await sign();
    expect(signed()).toBe(BURST + 1);
    for (let more = 1; more <= 3; more++) {
      await pass(Math.ceil(1000 / RATE));
      await sign();
      expect(signed()).toBe(BURST + 1 + more);
    }
  });

  it("wait, objectManifestsWaitingPerPeerMax of one member, and past it that member is told to come again", async () => {
    const { ask, sign, signing, answers, pass } = makeManifests();
    ask("m", named(0));
    await settle();
    expect(signing).toHaveLength(1);
    for (let i = 1; i <= WAITING; i++) ask("m", named(i));
    await settle();
    expect(answers.size).toBe(0);
    const past = ask("m", named(WAITING + 1));
    const other = ask("other", named(WAITING + 2));
    await settle();
    expect([...answers]).toEqual([[past, "busy"]]);
    await sign();
    await pass(Math.ceil(1000 / RATE));
    await sign();
    expect(answers.get(other)).toBe("signed");
    expect([...answers.values()].filter((answer) => answer === "signed")).toHaveLength(WAITING + 2);
  });

  it("are made once for all who ask at the same time", async () => {
    const { ask, sign, signed, answers } = makeManifests();
    for (const peer of ["a", "b", "c"]) ask(peer, named(1));
    await sign();
    expect(signed()).toBe(1);
    expect([...answers.values()]).toEqual(["signed", "signed", "signed"]);
  });

  it("are kept, objectSignedManifestsMax of them, and go that were asked for longest ago", async () => {
    const { ask, sign, signed, pass } = makeManifests();
    const get = async (seed: number): Promise<void> => {
      ask("m", named(seed));
      await pass(1_000);
      await sign();
    };
    for (let i = 0; i < KEPT; i++) await get(i);
    await get(0);
    expect(signed()).toBe(KEPT);
    // One too many: the first one was asked for again meanwhile, so the second goes.
    await get(KEPT);
    expect(signed()).toBe(KEPT + 1);
    await get(0);
    expect(signed()).toBe(KEPT + 1);
    await get(1);
    expect(signed()).toBe(KEPT + 2);
  });

  it("are waited for by nobody after the end, and no timer is left", async () => {
    const { manifests, ask, sign, answers, due } = makeManifests();
    for (let i = 0; i < BURST; i++) {
      ask("m", named(i));
      await sign();
    }
    const waiting = ask("m", named(100));
    await settle();
    expect(due.size).toBe(1);
    manifests.close();
    const late = ask("m", named(101));
    await settle();
    expect([answers.get(waiting), answers.get(late)]).toEqual(["busy", "busy"]);
    expect(due.size).toBe(0);
  });
});
