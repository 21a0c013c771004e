/** Chains of more epochs than one proof may lead over: what a node gives of them, and how clients follow. */
import { describe, expect, it, vi } from "vitest";
import { createClient } from "../../src/client/client.ts";
import { formatSets } from "../../src/client/kept-steps.ts";
import { nearerByFile, nearerTrust, proofFrom } from "../../src/client/nearer-trust.ts";
import type { AsksNode } from "../../src/client/set-step.ts";
import { memoryStore } from "../../src/client/store.ts";
import { parseHead } from "../../src/client/trust-state.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { TetradError } from "../../src/errors.ts";
import { type Bundle, bundleJson, formatBundle } from "../../src/ledger/verify/bundle.ts";
import { type Trust, trustCheckpoint } from "../../src/ledger/verify/trust.ts";
import { LIMITS } from "../../src/limits.ts";
import { World } from "../ledger/verify/support.ts";
import { checkpointOf, verifierOf } from "./fake-node.ts";
import { LongChain, linksBytes } from "./long-chain.ts";
import { serve, type TestServer } from "./support.ts";

// A walk over a thousand sets is seconds of a core.
vi.setConfig({ testTimeout: 300_000 });

const MAX = LIMITS.proofLinksMax;
/** One validator: the count is what ends a proof, and not the bytes. */
const long = new World({ chainId: "long", epochs: MAX + 6, weights: [1n] });
const { verify } = verifierOf(long);
const claim = long.events(1).claim;

const nodeOf = (chain: LongChain): AsksNode => ({
  get: (path, query) => chain.answer(path, Number(query["trustedEpoch"]), claim),
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "ok",
    (error: TetradError) => error.code,
  );

describe("one proof of a long chain", () => {
  it("leads over so many epochs and no more", async () => {
    const chain = new LongChain(long);
    const last = long.sets.length - 1;
    expect(await chain.links(last - MAX + 1)).toHaveLength(MAX);
    expect(await codeOf(chain.links(last - MAX))).toBe("proof.too-long");
    expect(await codeOf(chain.links(last + 1))).toBe("http.bad-parameter");
  });

  it("has so many bytes of links and no more, and a node remembers no more than that", async () => {
    const weights = Array<bigint>(16).fill(1n);
    const wide = new World({ chainId: "wide", epochs: 230, weights });
    const chain = new LongChain(wide);
    // All links have one length here.
    const room = Math.floor(LIMITS.setStepBytesMax / (linksBytes(wide.links) / 230));
    expect(room).toBeLessThan(220);
    expect(await chain.links(230 - room)).toHaveLength(room);
    expect(await codeOf(chain.links(230 - room - 1))).toBe("proof.too-long");
    const { reads } = chain;
    await chain.links(230 - room + 9);
    expect(chain.reads).toBe(reads);
    // What was read long before is read again: it has made room for the first ones.
    expect(await codeOf(chain.links(0))).toBe("proof.too-long");
    await chain.links(230 - room);
    expect(chain.reads).toBeGreaterThan(reads + room);
  });

  it("is refused without reading it again, and takes no bundle's place", async () => {
    const wide = new World({ chainId: "wide", epochs: 230, weights: Array<bigint>(16).fill(1n) });
    const chain = new LongChain(wide);
    const readsOf = async (ask: () => Promise<unknown>): Promise<number> => {
      const { reads } = chain;
      await ask();
      return chain.reads - reads;
    };
    const room = Math.floor(LIMITS.setStepBytesMax / (linksBytes(wide.links) / 230));
    const step = (from: number) => chain.answer("/v1/validators", from, wide.events(1).claim);
    expect(await readsOf(() => step(0))).toBe(room + 1);
    expect(await readsOf(() => codeOf(chain.links(0)))).toBe(0);
    expect(await codeOf(chain.links(0))).toBe("proof.too-long");
    // The next step needs one boundary more, and one to see that there is no room for it.
    expect(await readsOf(() => step(1))).toBe(2);
  });
});

describe("who trusts the genesis of a long chain", () => {
  it("asks once where one proof is enough", async () => {
    const world = new World({ chainId: "long", epochs: MAX, weights: [1n] });
    const chain = new LongChain(world);
    const { trust } = world;
    const shown = await proofFrom(nodeOf(chain), { path: "/v1/events/1" }, trust, { verify });
    expect(shown.trust).toBe(trust);
    expect(shown.proven.header.epoch).toBe(MAX - 1);
    expect(chain.asked).toEqual([["/v1/events/1", 0]]);
  });

  it("follows the sets in steps and has its proof, and so has who is given the steps", async () => {
    const chain = new LongChain(long);
    const steps: Bundle[] = [];
    const shown = await proofFrom(nodeOf(chain), { path: "/v1/events/1" }, long.trust, {
      verify,
      onStep: (bundle) => steps.push(bundle),
    });
    expect(shown.proven.header.epoch).toBe(MAX + 5);
    expect(shown.bundle.links).toHaveLength(1);
    const [first, ...others] = chain.asked.map(([, epoch]) => epoch);
    expect([first, others[0]]).toEqual([0, 0]);
    expect(others.at(-1)).toBe(MAX + 5);
    // No answer has more than a step may have.
    for (const { links } of steps) {
      expect(links.length).toBeLessThanOrEqual(MAX);
      expect(linksBytes(links)).toBeLessThanOrEqual(LIMITS.setStepBytesMax);
    }
    const text = formatSets(steps);
    if (!text.ok) throw new Error(text.detail);
    const offline = nearerByFile(text.value, long.trust, verify);
    expect(offline).toMatchObject({ ok: true, value: { epoch: MAX + 5 } });
    if (!offline.ok) throw new Error(offline.detail);
    expect(long.verdict(shown.bundle, offline.value)).toBe("ok");
    expect(long.verdict(shown.bundle)).toBe("proof.unanchored");
    expect(nearerByFile("", long.trust, verify)).toMatchObject({ ok: true, value: { epoch: 0 } });
    const [, second = ""] = text.value.split("\n");
    expect(nearerByFile(second, long.trust, verify)).toMatchObject({ code: "proof.unanchored" });
    expect(nearerByFile(`${text.value}x\n`, long.trust, verify)).toMatchObject({
      code: "proof.malformed",
    });
  });

  it("goes so many steps and no more", async () => {
    const chain = new LongChain(long);
    const count = async (answersMax: number): Promise<string> =>
      codeOf(nearerTrust(nodeOf(chain), long.trust, { verify, answersMax }));
    expect(await count(2)).toBe("ok");
    expect(await count(1)).toBe("proof.too-long");
  });

  it("believes no step of a liar", async () => {
    const liar = new World({ chainId: "long", epochs: 3, weights: [1n], seed: 6 });
    const path = "/v1/events/1";
    const get = (node: AsksNode) => codeOf(proofFrom(node, { path }, long.trust, { verify }));
    const [forged, chain] = [new LongChain(liar), new LongChain(long)];
    const lying: AsksNode = {
      get: async (at, query) => {
        if (at === "/v1/validators") return forged.answer(at, 0, claim);
        return nodeOf(chain).get(at, query, undefined);
      },
    };
    expect(await get(lying)).toMatch(/^proof\.(untrusted|invalid)$/);
    // It says for ever that no proof is short enough: it is asked again once, and no more.
    const asked: string[] = [];
    const refusing: AsksNode = {
      get: async (at, query) => {
        asked.push(at);
        if (at === path) throw new TetradError("proof.too-long", "too long");
        return nodeOf(chain).get(at, query, undefined);
      },
    };
    expect(await get(refusing)).toBe("proof.too-long");
    expect(asked.filter((at) => at === path)).toHaveLength(2);
    // A step that leads nowhere ends the walk.
    const still = long.bundle({ kind: "no-event", index: 5 }, long.links.slice(1, 2));
    const steps = formatSets([stepOf(0, 1), still]);
    if (!steps.ok) throw new Error(steps.detail);
    expect(nearerByFile(steps.value, long.trust, verify)).toMatchObject({ code: "proof.invalid" });
  });
});

/** A true step from the set of an epoch to that of another. */
const stepOf = (from: number, to: number): Bundle => {
  const none = { kind: "no-event", index: long.entries.length } as const;
  return long.bundle(none, long.links.slice(from, to + 1));
};

/** Steps 0–2, 2–4 and 4–6, and what may be trusted by who has come so far. */
describe("a file of steps", () => {
  const steps = formatSets([stepOf(0, 2), stepOf(2, 4), stepOf(4, 6)]);
  const text = steps.ok ? steps.value : "";
  const reached = (trust: Trust) => {
    const found = nearerByFile(text, trust, verify);
    return found.ok ? found.value.epoch : found.code;
  };
  /** The last block of an epoch, as a checkpoint has it. */
  const trustOf = (epoch: number): Trust => {
    const verification = long.verify(stepOf(0, epoch));
    if (!verification.result.ok) throw new Error(verification.result.detail);
    return trustCheckpoint(verification.result.value.checkpoint);
  };

  it("leads on from every set on its way, and has nothing for who is past its end", () => {
    expect([0, 1, 2, 3, 4, 5].map((epoch) => reached(trustOf(epoch)))).toEqual(Array(6).fill(6));
    // Of a later block of the set that the last step leads to, and of a later set.
    const last = trustOf(6);
    const { height = 0, hash = new Uint8Array(32) } = last.block ?? {};
    expect(reached({ ...last, block: { height: height + 1, hash, timeMs: 0 } })).toBe(6);
    expect(reached(trustOf(9))).toBe(9);
  });

  it("is refused where one of the steps to be taken is missing or forged", () => {
    const [first = "", second = "", third = ""] = text.split(/(?<=\n)/);
    const by = (lines: readonly string[], trust: Trust) =>
      nearerByFile(lines.join(""), trust, verify);
    expect(by([first, third], long.trust)).toMatchObject({ code: "proof.unanchored" });
    expect(by([first, third], trustOf(4))).toMatchObject({ ok: true, value: { epoch: 6 } });
    const liar = new World({ chainId: "long", epochs: 7, weights: [1n], seed: 6 });
    const none = { kind: "no-event", index: 5 } as const;
    const forged = formatBundle(liar.bundle(none, liar.links.slice(4, 7)));
    const refused = by([first, second, forged], trustOf(3));
    expect(refused.ok ? "ok" : refused.code).toMatch(/^proof\.(untrusted|invalid)$/);
  });
});

/** An answer of the long chain, as an HTTP server gives it. */
type Answer = (path: string, trustedEpoch: number) => Promise<unknown>;

/** A node that answers so; what it refuses is the problem that it answers with. */
const serveLong = (answer: Answer): Promise<TestServer> =>
  serve(async ({ url = "" }, response) => {
    const { pathname, searchParams } = new URL(url, "http://[::1]");
    const genesis = { "ledger-genesis": toHex(long.genesisHash) };
    try {
      const body =
        pathname === "/v1/status"
          ? status
          : await answer(pathname, Number(searchParams.get("trustedEpoch")));
      response.writeHead(200, genesis).end(JSON.stringify(body));
    } catch (error) {
      if (!(error instanceof TetradError)) throw error;
      const problem = { code: error.code, detail: error.message };
      response.writeHead(error.spec.status, genesis).end(JSON.stringify(problem));
    }
  });

const status = {
  ...{ chainId: "long", genesisHash: toHex(long.genesisHash) },
  ...{ executedHeight: long.header.executedHeight, logSize: long.entries.length },
};

/** A client waits 15 s for an answer: what takes a busy machine long is made before. */
const readyChain = async (): Promise<LongChain> => {
  const chain = new LongChain(long);
  for (const from of [0, 3, MAX - 1, MAX + 2]) await chain.answer("/v1/validators", from, claim);
  chain.asked.length = 0;
  return chain;
};

/** A true step that leads on by one epoch, as no honest node makes them. */
const shortStep = (epoch: number): unknown => bundleJson(stepOf(epoch, epoch + 1));

const trust = { checkpoint: checkpointOf(long) };
const verifier = verifierOf(long);

describe("the client library on a long chain", () => {
  it("reads an event by the genesis, and remembers where it came to", async () => {
    const chain = await readyChain();
    const node = await serveLong((path, from) => chain.answer(path, from, claim));
    try {
      const stateStore = memoryStore();
      const options = { baseUrl: node.base, verifier, stateStore };
      const client = createClient({ ...options, trust });
      expect(await client.event(1)).toMatchObject({ index: 1, verified: true });
      const steps = chain.asked.filter(([path]) => path === "/v1/validators");
      expect(steps.map(([, epoch]) => epoch)).toEqual([0, MAX - 1]);
      const head = parseHead((await stateStore.load()) ?? "");
      expect(head.checkpoint.epoch).toBe(MAX + 5);
      expect(toHex(head.checkpoint.setHash)).toBe(
        toHex(long.sets.at(-1)?.hash ?? new Uint8Array()),
      );
      // From then on it begins where it was, and so does the next one with this state.
      chain.asked.length = 0;
      await client.event(1);
      await createClient({ ...options, trust }).event(1);
      expect(chain.asked.map(([, epoch]) => epoch)).toEqual([MAX + 5, MAX + 5]);
    } finally {
      await node.close();
    }
  });

  it("goes on from the last step that it took, where the walk was broken off", async () => {
    const chain = await readyChain();
    const asked: number[] = [];
    let isBroken = true;
    const node = await serveLong(async (path, from) => {
      if (path !== "/v1/validators") return chain.answer(path, from, claim);
      asked.push(from);
      if (from < 3) return shortStep(from);
      if (isBroken) throw new Error("the connection ends");
      return chain.answer(path, from, claim);
    });
    try {
      const client = createClient({ baseUrl: node.base, verifier, trust });
      expect(await codeOf(client.event(1))).toBe("cli.unreachable");
      expect(asked).toEqual([0, 1, 2, 3]);
      isBroken = false;
      asked.length = 0;
      expect(await client.event(1)).toMatchObject({ index: 1, verified: true });
      expect(asked).toEqual([3, MAX + 2]);
    } finally {
      await node.close();
    }
  });

  it("leaves a node whose steps lead nowhere near, and goes on from them with the next", async () => {
    const chain = await readyChain();
    const asked: number[] = [];
    const slow = await serveLong(async (path, from) => {
      if (path !== "/v1/validators") throw new TetradError("proof.too-long", "too long");
      asked.push(from);
      return shortStep(from);
    });
    const good = await serveLong((path, from) => chain.answer(path, from, claim));
    try {
      const client = createClient({ baseUrl: [slow.base, good.base], verifier, trust });
      expect(await client.event(1)).toMatchObject({ index: 1, verified: true });
      expect(asked).toHaveLength(LIMITS.setStepsMax);
      // What it proved is true all the same: the next node is asked from there on.
      expect(chain.asked).toEqual([["/v1/events/1", LIMITS.setStepsMax]]);
    } finally {
      await Promise.all([slow.close(), good.close()]);
    }
  });

  it("says that a chain is too long once every node has said so", async () => {
    const asked: string[] = [];
    const refusing = (name: string) =>
      serveLong(async () => {
        asked.push(name);
        throw new TetradError("proof.too-long", "too long");
      });
    const nodes = [await refusing("a"), await refusing("b")];
    try {
      const baseUrl = nodes.map(({ base }) => base);
      const client = createClient({ baseUrl, verifier, trust });
      expect(await codeOf(client.event(1))).toBe("proof.too-long");
      expect(asked).toEqual(["a", "a", "b", "b"]);
    } finally {
      await Promise.all(nodes.map((node) => node.close()));
    }
  });
});
