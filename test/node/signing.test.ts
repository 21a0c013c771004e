import type { Worker } from "node:worker_threads";
import { beforeAll, describe, expect, it } from "vitest";
import { equalBytes } from "../../src/crypto/bytes.ts";
import { utf8 } from "../../src/crypto/codec.ts";
import {
  type FalconKeyPair,
  type FalconVerifier,
  falconSign,
  falconVerify,
  nobleVerifier,
} from "../../src/crypto/falcon.ts";
import { loadFalconWasm } from "../../src/crypto/falcon-wasm.ts";
import { TetradError } from "../../src/errors.ts";
import type { LogFields, Logger, LogLevel, Verifier, VerifyJob } from "../../src/ledger/ports.ts";
import { LIMITS } from "../../src/limits.ts";
import { createInlineVerifier } from "../../src/node/signing/inline-verifier.ts";
import { selectVerifier } from "../../src/node/signing/select-verifier.ts";
import { createInlineSigner, createWorkerSigner } from "../../src/node/signing/signer.ts";
import { threadCpuMs } from "../../src/node/signing/thread-cpu.ts";
import { createVerifier } from "../../src/node/signing/verifier.ts";
import { createVerifierPool } from "../../src/node/signing/verifier-pool.ts";
import { startWorker, workerUrl } from "../../src/node/signing/worker.ts";
import { signerContract, verifierContract, workContract } from "../contract/signing-contract.ts";
import { keptKeys } from "../crypto/kept-keys.ts";

type Line = { level: LogLevel; message: string; fields: LogFields };
const recorder = (): { lines: Line[]; logger: Logger } => {
  const lines: Line[] = [];
  const logger: Logger = {
    log: (level, message, fields = {}) => lines.push({ level, message, fields }),
  };
  return { lines, logger };
};

let keys: FalconKeyPair;
let jobs: VerifyJob[];

beforeAll(() => {
  keys = keptKeys(9);
  jobs = Array.from({ length: 4 }, (_, i) => {
    const message = utf8(`statement ${i}`);
    const signature = falconSign(message, keys.secretKey, new Uint8Array(48).fill(i));
    return { message, signature, publicKey: keys.publicKey };
  });
});

const neverFails = (error: TetradError): void => {
  throw error;
};

signerContract("inline", async () => createInlineSigner(keys.secretKey), falconVerify);
signerContract(
  "worker thread",
  () => createWorkerSigner({ keys, onFailure: neverFails }),
  falconVerify,
);
const { logger: quiet } = recorder();
verifierContract(
  "inline, JavaScript",
  async () => createInlineVerifier(nobleVerifier),
  () => jobs,
);
verifierContract(
  "inline, WebAssembly",
  async () => createInlineVerifier(await loadFalconWasm()),
  () => jobs,
);
verifierContract(
  "pool of one",
  () => createVerifierPool({ logger: quiet }),
  () => jobs,
);
verifierContract(
  "pool of two",
  () => createVerifierPool({ logger: quiet, workers: 2 }),
  () => jobs,
);
verifierContract(
  "pool of one, JavaScript",
  () => createVerifierPool({ logger: quiet, wasm: false }),
  () => jobs,
);
workContract(
  "inline, JavaScript",
  async () => createInlineVerifier(nobleVerifier),
  () => jobs,
);
workContract(
  "pool of two",
  () => createVerifierPool({ logger: quiet, workers: 2 }),
  () => jobs,
);

/** Starts threads that the test can end. */
const mortal = (): { start: typeof startWorker; kill: () => Promise<unknown> } => {
  const workers: Worker[] = [];
  return {
    start: (...args) => {
      const started = startWorker(...args);
      workers.push(started.worker);
      return started;
    },
    kill: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
};

/** Resolves when the condition holds; the event loop decides when, not a clock. */
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};

describe("worker signer", () => {
  it("keeps its own copy of the key: the caller may overwrite its own at once", async () => {
    const copy = { publicKey: keys.publicKey.slice(), secretKey: keys.secretKey.slice() };
    const starting = createWorkerSigner({ keys: copy, onFailure: neverFails });
    copy.secretKey.fill(0);
    copy.publicKey.fill(0);
    const signer = await starting;
    const message = utf8("x");
    const signature = await new Promise<Uint8Array>((resolve) => signer.sign(message, resolve));
    expect(falconVerify(signature, message, keys.publicKey)).toBe(true);
    expect(equalBytes(signer.publicKey, keys.publicKey)).toBe(true);
    expect(signer.cpuMs()).toBeGreaterThan(0);
    await signer.close();
  });

  it("signs one message twice with different bytes", async () => {
    const signer = await createWorkerSigner({ keys, onFailure: neverFails });
    const sign = (): Promise<Uint8Array> =>
      new Promise((resolve) => signer.sign(utf8("same"), resolve));
    expect(equalBytes(await sign(), await sign())).toBe(false);
    await signer.close();
  });

  it("refuses keys that do not fit each other, and bytes that are no key, with key.invalid", async () => {
    const start = (pair: FalconKeyPair) =>
      createWorkerSigner({ keys: pair, onFailure: neverFails });
    const otherKey = keys.publicKey.slice().reverse();
    const invalid = expect.objectContaining({ code: "key.invalid" });
    await expect(start({ ...keys, publicKey: otherKey })).rejects.toEqual(invalid);
    await expect(start({ ...keys, secretKey: new Uint8Array(2305) })).rejects.toEqual(invalid);
    await expect(start({ ...keys, secretKey: new Uint8Array(7) })).rejects.toEqual(invalid);
    expect(() => createInlineSigner(new Uint8Array(2305))).toThrow(TetradError);
  });

  it("never tells the key: not in the error of a bad one either", async () => {
    const secretKey = keys.secretKey.slice();
    secretKey[0] = 0;
    const error = await createWorkerSigner({
      keys: { ...keys, secretKey },
      onFailure: neverFails,
    }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TetradError);
    expect(String(error).length).toBeLessThan(200);
  });

  it("fails loudly, once, when it cannot sign", async () => {
    const failures: TetradError[] = [];
    const signer = await createWorkerSigner({ keys, onFailure: (error) => failures.push(error) });
    const signed: string[] = [];
    signer.sign(new Uint8Array(LIMITS.signedMessageBytesMax + 1), () => signed.push("too long"));
    signer.sign(utf8("after"), () => signed.push("after"));
    await until(() => failures.length > 0);
    signer.sign(utf8("later"), () => signed.push("later"));
    await signer.close();
    expect(signed).toEqual([]);
    expect(failures.map(({ code }) => code)).toEqual(["internal"]);
    expect(failures[0]?.message).toContain("the signer has died");
  });

  it("fails loudly, once, when its thread dies", async () => {
    const failures: TetradError[] = [];
    const { start, kill } = mortal();
    const onFailure = (error: TetradError) => failures.push(error);
    const signer = await createWorkerSigner({ keys, onFailure, start });
    let signed = 0;
    for (let i = 0; i < 50; i++) signer.sign(utf8("x"), () => (signed += 1));
    await kill();
    await until(() => failures.length > 0);
    await signer.close();
    expect(signed).toBeLessThan(50);
    expect(failures.map(({ message }) => message)).toEqual([
      "the signer has died: it ended with code 1",
    ]);
  });

  it("says who signs, and passes on what its thread says of a fault", async () => {
    const faults: string[] = [];
    const faulty: typeof startWorker = (entry, name, onMessage, ...rest) =>
      startWorker(
        entry,
        name,
        (message) => {
          const { type } = message as { type: string };
          if (type === "signed") onMessage({ type: "fault", detail: "one went wrong" });
          const noble = { ...(message as object), implementation: "noble" };
          onMessage(type === "signed" ? noble : message);
        },
        ...rest,
      );
    const onFault = (detail: string) => faults.push(detail);
    const options = { keys, onFailure: neverFails, onFault };
    const signer = await createWorkerSigner({ ...options, start: faulty });
    expect(signer.implementation()).toBe("expanded");
    await new Promise((resolve) => signer.sign(utf8("x"), resolve));
    expect(signer.implementation()).toBe("noble");
    expect(faults).toEqual(["one went wrong"]);
    await signer.close();
  });

  it("does not call back after close", async () => {
    const signer = await createWorkerSigner({ keys, onFailure: neverFails });
    let signed = 0;
    for (let i = 0; i < 5; i++) signer.sign(utf8("x"), () => (signed += 1));
    await signer.close();
    const atClose = signed;
    signer.sign(utf8("y"), () => (signed += 1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(signed).toBe(atClose);
    expect(signed).toBeLessThan(5);
    await signer.close();
  });
});

describe("threadCpuMs", () => {
  it("counts work that is shorter than the kernel's tick", async () => {
    let ofThread = 0;
    let ofProcess = 0;
    for (let i = 0; i < 150; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      const before = process.cpuUsage();
      const startMs = threadCpuMs();
      nobleVerifier.verify(jobs[0]?.signature ?? utf8(""), utf8("x"), keys.publicKey);
      ofThread += threadCpuMs() - startMs;
      const { user, system } = process.cpuUsage(before);
      ofProcess += (user + system) / 1000;
    }
    // Without the account brought up to date, four fifths of it were missing.
    expect(ofThread).toBeGreaterThan(ofProcess / 2);
  });
});

describe("startWorker", () => {
  it("finds .ts beside .ts and .js beside .js", () => {
    expect(workerUrl("a-worker", "file:///app/src/node/x.ts").href).toBe(
      "file:///app/src/node/a-worker.ts",
    );
    expect(workerUrl("a-worker", "file:///app/dist/node/x.js").href).toBe(
      "file:///app/dist/node/a-worker.js",
    );
  });

  it("says why a thread ended, unless it was asked to", async () => {
    const missing = await new Promise((resolve) => {
      startWorker("no-such-worker", "test", () => {}, resolve);
    });
    expect(missing).toContain("no-such-worker");
    const killed = await new Promise((resolve) => {
      const { worker } = startWorker("verify-worker", "test", () => {}, resolve);
      void worker.terminate();
    });
    expect(killed).toContain("it ended with code");
    const stopped = await new Promise((resolve) => {
      const { stop } = startWorker("verify-worker", "test", () => {}, resolve);
      void stop();
    });
    expect(stopped).toBeUndefined();
  });
});

describe("selectVerifier", () => {
  const broken: FalconVerifier = { name: "liboqs-wasm", verify: () => true };

  it("takes WebAssembly when it passes", async () => {
    expect((await selectVerifier()).verifier.name).toBe("liboqs-wasm");
  });

  it("takes JavaScript, and says why, when WebAssembly is off, missing or wrong", async () => {
    const off = await selectVerifier({ wasm: false });
    const missing = await selectVerifier({ load: () => Promise.reject(new Error("no module")) });
    const wrong = await selectVerifier({ load: async () => broken });
    const names = [off, missing, wrong].map(({ verifier }) => verifier.name);
    expect(names).toEqual(["noble", "noble", "noble"]);
    expect(off.reason).toContain("switched off");
    expect(missing.reason).toContain("no module");
    expect(wrong.reason).toContain("another message");
  });
});

describe("verifier pool", () => {
  const verify = (verifier: Verifier, list: readonly VerifyJob[]) =>
    new Promise<readonly boolean[]>((resolve) => verifier.verify(list, "batch", resolve));

  it("says through the logger which implementation each thread uses and why", async () => {
    const { lines, logger } = recorder();
    const pool = await createVerifierPool({ logger, wasm: false });
    expect(pool.implementation).toBe("noble");
    expect(lines).toHaveLength(1);
    expect(lines[0]?.fields).toEqual({
      implementation: "noble",
      reason: "WebAssembly is switched off",
    });
    await pool.close();
    const fast = await createVerifierPool({ logger });
    expect(fast.implementation).toBe("liboqs-wasm");
    await fast.close();
  });

  it("counts what is pending and the CPU time of its threads", async () => {
    const pool = await createVerifierPool({ logger: quiet });
    const answer = verify(pool, [...jobs, ...jobs]);
    expect(pool.pending()).toBe(8);
    await answer;
    expect(pool.pending()).toBe(0);
    expect(pool.cpuMs()).toBeGreaterThan(0);
    await pool.close();
  });

  it("answers every job although its threads die, and reports each death", async () => {
    const { lines, logger } = recorder();
    const failures: TetradError[] = [];
    const { start, kill } = mortal();
    const pool = await createVerifierPool({
      logger,
      workers: 2,
      onFailure: (error) => failures.push(error),
      start,
    });
    const many = Array.from({ length: 50 }, () => jobs).flat();
    const mixed = many.map((job, i) => (i % 5 === 0 ? { ...job, message: utf8("forged") } : job));
    const answer = verify(pool, mixed);
    await Promise.resolve();
    await kill();
    expect(await answer).toEqual(mixed.map((_, i) => i % 5 !== 0));
    expect(failures.map(({ code }) => code)).toEqual(["internal", "internal"]);
    expect(lines.filter(({ level }) => level === "error")).toHaveLength(2);
    expect(pool.implementation).toBe("noble");
    expect(await verify(pool, jobs)).toEqual([true, true, true, true]);
    expect(pool.pending()).toBe(0);
    await pool.close();
  });

  it("does not answer after close", async () => {
    const pool = await createVerifierPool({ logger: quiet });
    let answered = false;
    pool.verify(jobs, "batch", () => {
      answered = true;
    });
    await pool.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).toBe(false);
  });
});

describe("createVerifier", () => {
  const load = () => Promise.reject(new Error("no module"));

  it("verifies on the calling thread with WebAssembly, and in a thread without", async () => {
    const { lines, logger } = recorder();
    const fast = await createVerifier({ logger });
    const slow = await createVerifier({ logger, load });
    const pool = await createVerifier({ logger, workers: 1 });
    const forced = await createVerifier({ logger, workers: 0, load });
    const made = [fast, slow, pool, forced];
    const names = made.map(({ implementation }) => implementation);
    expect(names).toEqual(["liboqs-wasm", "noble", "liboqs-wasm", "noble"]);
    expect(lines.map(({ message }) => message)).toEqual([
      "signatures are verified on the main thread",
      "signatures are verified in JavaScript, in a thread",
      "signature verification thread started",
      "signature verification thread started",
      "signatures are verified on the main thread",
    ]);
    expect(lines[1]?.fields["reason"]).toContain("no module");
    for (const verifier of made) {
      const answer = await new Promise((resolve) => verifier.verify(jobs, "batch", resolve));
      expect(answer).toEqual([true, true, true, true]);
      await verifier.close();
    }
  });
});

describe("inline verifier", () => {
  it("lets the event loop go round within one big call", async () => {
    const verifier = createInlineVerifier(await loadFalconWasm());
    let rounds = 0;
    let finished = false;
    const round = (): void => {
      rounds += 1;
      if (!finished) setImmediate(round);
    };
    setImmediate(round);
    const list = Array.from({ length: 80 }, () => jobs).flat();
    const answer = await new Promise<readonly boolean[]>((resolve) => {
      verifier.verify(list, "sync", resolve);
    });
    finished = true;
    expect(answer.every(Boolean)).toBe(true);
    expect(rounds).toBeGreaterThanOrEqual(5);
    expect(verifier.cpuMs()).toBeGreaterThan(0);
  });

  it("goes on after a callback that throws", async () => {
    const verifier = createInlineVerifier(await loadFalconWasm());
    const caught = new Promise((resolve) => {
      process.prependOnceListener("uncaughtException", resolve);
    });
    const others = process.listeners("uncaughtException").slice(1);
    for (const listener of others) process.off("uncaughtException", listener);
    const list = Array.from({ length: 20 }, () => jobs).flat();
    const rest = new Promise<readonly boolean[]>((resolve) => {
      verifier.verify(jobs, "consensus", () => {
        throw new Error("from a callback");
      });
      verifier.verify(list, "sync", resolve);
    });
    expect(String(await caught)).toContain("from a callback");
    for (const listener of others) process.on("uncaughtException", listener);
    expect((await rest).every(Boolean)).toBe(true);
  });

  it("does not answer after close", async () => {
    const verifier = createInlineVerifier(nobleVerifier);
    let answered = false;
    verifier.verify(jobs, "batch", () => {
      answered = true;
    });
    await verifier.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).toBe(false);
  });
});
