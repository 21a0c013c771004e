/** `nexus proof verify --checkpoint`: what is kept as trust is never older than what was kept before. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { proofGet, proofVerify } from "../../src/cli/verbs/proof.ts";
import { formatSets } from "../../src/client/kept-steps.ts";
import { toHex } from "../../src/crypto/bytes.ts";
import { nobleVerifier } from "../../src/crypto/falcon.ts";
import { TetradError } from "../../src/errors.ts";
import { type Bundle, bundleJson, formatBundle } from "../../src/ledger/verify/bundle.ts";
import { type Checkpoint, formatCheckpoint, parseTrust } from "../../src/ledger/verify/trust.ts";
import { serve } from "../client/support.ts";
import { World } from "../ledger/verify/support.ts";
import { createFalconRing } from "../sim/falcon-ring.ts";
import { fakeContext } from "./fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "tetrad-proof-verify-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const world = new World({
  chainId: "kept",
  epochs: 2,
  weights: [1n],
  ring: createFalconRing(5, nobleVerifier),
});
const [first, second] = world.sets;
if (first === undefined || second === undefined) throw new Error("no set");

/** A proof that header `height` of the first epoch commits to the first event, or the boundary's and a later one. */
const proofAt = (height: number): Bundle => {
  const { claim } = world.events(0);
  const header = { ...world.header, height, executedHeight: height - 1 };
  if (height < 20) return world.bundle(claim, [world.link(first, { ...header, epoch: 0 })]);
  const [boundary] = world.links;
  if (boundary === undefined) throw new Error("no boundary");
  return world.bundle(claim, [boundary, world.link(second, header)]);
};

const trusted: Checkpoint = {
  ...{ chainId: "kept", genesisHash: world.genesisHash, epoch: 0, setHash: first.hash },
  ...{ height: 1, blockHash: new Uint8Array(32), timeMs: 0 },
};
const [trust, kept, proof] = [at("trust.json"), at("kept.json"), at("proof.json")];
beforeEach(() => {
  rmSync(kept, { force: true });
  writeFileSync(trust, formatCheckpoint(trusted));
});

/** Verifies a proof and keeps what it gives; "kept", or the code of the refusal. */
const keep = async (height: number): Promise<string> => {
  writeFileSync(proof, formatBundle(proofAt(height)));
  try {
    await proofVerify(fakeContext({}).context, { trust, checkpoint: kept }, proof);
    return "kept";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

const heightKept = (): number | undefined => {
  const read = parseTrust(readFileSync(kept, "utf8"));
  return read.ok ? read.value.block?.height : undefined;
};

describe("trust that a verification leaves", () => {
  it("is written, and goes on from what is there", async () => {
    for (const height of [10, 10, 15, 25, 27]) {
      expect(await keep(height), String(height)).toBe("kept");
      expect(heightKept()).toBe(height);
    }
  });

  it("does not go back, within an epoch nor to one before", async () => {
    expect(await keep(15)).toBe("kept");
    expect(await keep(14)).toBe("proof.unanchored");
    expect(heightKept()).toBe(15);
    expect(await keep(25)).toBe("kept");
    expect(await keep(15)).toBe("proof.unanchored");
    expect(heightKept()).toBe(25);
  });

  it("takes the place of no trust of another chain, of no fork and of no other file", async () => {
    const other = (change: Partial<Checkpoint>): string =>
      formatCheckpoint({ ...trusted, height: 15, ...change });
    const texts: readonly (readonly [string, string])[] = [
      [other({ chainId: "other" }), "proof.untrusted"],
      [other({ setHash: new Uint8Array(32) }), "proof.invalid"],
      [other({ blockHash: new Uint8Array(32).fill(1) }), "proof.invalid"],
      ["notes", "proof.trust"],
    ];
    for (const [text, code] of texts) {
      writeFileSync(kept, text);
      expect(await keep(15)).toBe(code);
      expect(readFileSync(kept, "utf8")).toBe(text);
    }
  });
});

describe("a proof that begins at a later set than what is trusted", () => {
  const sets = at("sets.ndjson");
  const [, later] = world.links;
  if (later === undefined) throw new Error("no link");
  const { claim } = world.events(0);
  const step = formatSets([world.rows("records-1")]);
  const stepText = step.ok ? step.value : "";

  /** Asks a node of the chain for the proof of an event, one that says that it is too far away or one that does not. */
  const get = async (isFar: boolean, out: string): Promise<string> => {
    const node = await serve(({ url = "" }, response) => {
      const { pathname, searchParams } = new URL(url, "http://[::1]");
      const genesis = { "ledger-genesis": toHex(world.genesisHash) };
      if (pathname === "/v1/validators") {
        const answer = bundleJson(world.rows("records-1"));
        response.writeHead(200, genesis).end(JSON.stringify(answer));
      } else if (isFar && searchParams.get("trustedEpoch") === "0") {
        const problem = { code: "proof.too-long", detail: "too long" };
        response.writeHead(400, genesis).end(JSON.stringify(problem));
      } else {
        const answer = bundleJson(world.bundle(claim, isFar ? [later] : world.links));
        response.writeHead(200, genesis).end(JSON.stringify(answer));
      }
    });
    try {
      await proofGet(fakeContext({ api: node.base }).context, { trust, sets, out }, "0");
      return "ok";
    } catch (error) {
      return error instanceof TetradError ? error.code : String(error);
    } finally {
      await node.close();
    }
  };

  it("comes with a file of the steps, which never takes the place of another's", async () => {
    const out = at("got.json");
    rmSync(sets, { force: true });
    // One bundle is enough: there is nothing to write.
    expect(await get(false, out)).toBe("ok");
    expect(existsSync(sets)).toBe(false);
    expect(await get(true, out)).toBe("ok");
    expect(readFileSync(sets, "utf8")).toBe(stepText);
    // The same steps, and an empty file, may be written over.
    expect(await get(true, out)).toBe("ok");
    writeFileSync(sets, "");
    expect(await get(true, out)).toBe("ok");
    expect(readFileSync(sets, "utf8")).toBe(stepText);
    const kept = `${stepText}${stepText}`;
    writeFileSync(sets, kept);
    expect(await get(false, out)).toBe("ok");
    expect(readFileSync(sets, "utf8")).toBe(kept);
    // What is refused has written nothing.
    rmSync(out);
    expect(await get(true, out)).toBe("cli.usage");
    expect(readFileSync(sets, "utf8")).toBe(kept);
    expect(existsSync(out)).toBe(false);
  });

  /** "ok", or the code of the refusal. */
  const verify = async (steps: string | undefined): Promise<string> => {
    writeFileSync(proof, formatBundle(world.bundle(claim, [later])));
    if (steps !== undefined) writeFileSync(sets, steps);
    const options = { trust, ...(steps === undefined ? {} : { sets }) };
    return proofVerify(fakeContext({}).context, options, proof).then(
      () => "ok",
      (error: { code: string }) => error.code,
    );
  };

  it("is verified by the steps that lead there, and by no others", async () => {
    const steps = formatSets([world.rows("records-1")]);
    if (!steps.ok) throw new Error(steps.detail);
    expect(await verify(undefined)).toBe("proof.unanchored");
    expect(await verify("")).toBe("proof.unanchored");
    expect(await verify(steps.value)).toBe("ok");
    expect(await verify(steps.value.replace('"header":"', '"header":"AAAA'))).toBe(
      "proof.malformed",
    );
    // Steps that a quorum has not signed: the certificate is another one.
    const [boundary] = world.links;
    if (boundary === undefined) throw new Error("no link");
    const stolen = { ...boundary, certificate: later.certificate };
    const forged = formatSets([world.bundle(claim, [stolen, later])]);
    expect(await verify(forged.ok ? forged.value : "")).toBe("proof.invalid");
  });
});
