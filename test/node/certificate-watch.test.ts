import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { watchCertificate } from "../../src/node/certificate-watch.ts";
import { realClock } from "../../src/node/real-ports.ts";
import type { TlsIdentity } from "../../src/node/unlock.ts";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
import { readCertificate } from "../../src/transport/tls.ts";
import { idOf, makeIdentity, sleep, until } from "../transport/support.ts";

let folder = "";
let stop: (() => void) | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tetrad-certificate-"));
});

afterEach(() => {
  stop?.();
  rmSync(folder, { recursive: true });
});

const NODE = idOf(0);
const DAY_MS = 24 * 60 * 60 * 1000;
const REFUSED = "warn the certificate in the folder is not used";

const watching = () => {
  const paths = { tlsCertificate: join(folder, "tls.crt"), tlsKey: join(folder, "tls.key") };
  const put = (path: string, text: string): void => {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  };
  const tls = makeIdentity(NODE);
  put(paths.tlsCertificate, tls.certPem);
  put(paths.tlsKey, tls.keyPem);
  const used: TlsIdentity[] = [];
  const told: string[] = [];
  let aheadMs = 0;
  let due: (() => void) | undefined;
  stop = watchCertificate({
    ...{ paths, tls, self: undefined, clock: { ...realClock, wallMs: () => Date.now() + aheadMs } },
    timers: {
      set: (_delayMs, callback) => {
        due = callback;
        return () => {
          due = undefined;
        };
      },
    },
    logger: {
      log: (level, message, fields) => told.push(`${level} ${message} ${fields?.["code"]}`),
    },
    use: (identity) => used.push(identity),
  });
  /** One look, to its end. */
  const look = async (): Promise<void> => {
    const now = due;
    due = undefined;
    now?.();
    await until(() => due !== undefined, "the next look is planned");
  };
  /** Of two days, where nothing else is said: later than the one in use, which has one. */
  const renewed = (keyPem: string, fromMs = -1_000, toMs = 2 * DAY_MS): string => {
    const nowMs = Date.now();
    const dates = { notBeforeMs: nowMs + fromMs, notAfterMs: nowMs + toMs };
    return createIdentityCertificate({ nodeId: NODE, keyPem, ...dates }).certPem;
  };
  const passDays = (days: number): void => {
    aheadMs += days * DAY_MS;
  };
  const isWatching = (): boolean => due !== undefined;
  return { paths, put, tls, used, told, look, renewed, passDays, isWatching };
};

describe("the certificate of a node that runs", () => {
  it("is replaced when another one of its key is in the folder, and once", async () => {
    const { paths, put, tls, used, told, look, renewed } = watching();
    await look();
    expect(used).toEqual([]);
    const certPem = renewed(tls.keyPem);
    put(paths.tlsCertificate, certPem);
    await look();
    await look();
    expect(used).toEqual([{ certPem, keyPem: tls.keyPem }]);
    expect(told).toEqual(["info a renewed certificate is in use undefined"]);
  });

  it("stays where what is there is none, or of another key, which is told once", async () => {
    const { paths, put, used, told, look, renewed } = watching();
    put(paths.tlsCertificate, "nothing");
    await look();
    await look();
    expect(told).toEqual([`${REFUSED} key.invalid`]);
    const other = makeIdentity(NODE);
    put(paths.tlsKey, other.keyPem);
    put(paths.tlsCertificate, renewed(other.keyPem));
    await look();
    expect(told.at(-1)).toBe(`${REFUSED} folder.foreign`);
    expect(used).toEqual([]);
  });

  it("is taken when its mode is put right, which changes neither its bytes nor its time", async () => {
    const { paths, put, tls, used, told, look, renewed } = watching();
    const certPem = renewed(tls.keyPem);
    put(paths.tlsCertificate, certPem);
    chmodSync(paths.tlsCertificate, 0o644);
    await look();
    await look();
    expect(told).toEqual([`${REFUSED} key.modes`]);
    chmodSync(paths.tlsCertificate, 0o600);
    await look();
    expect(used).toEqual([{ certPem, keyPem: tls.keyPem }]);
  });

  it("is taken when a fault of the key file beside it is over, and each fault is told once", async () => {
    const { paths, put, tls, used, told, look, renewed } = watching();
    const certPem = renewed(tls.keyPem);
    put(paths.tlsCertificate, certPem);
    rmSync(paths.tlsKey);
    await look();
    await look();
    put(paths.tlsKey, "nothing");
    await look();
    await look();
    put(paths.tlsKey, tls.keyPem);
    await look();
    expect(used).toEqual([{ certPem, keyPem: tls.keyPem }]);
    expect(told.length).toBe(3);
  });

  it("stays where the other one has ended, and is replaced by one that begins later when it does", async () => {
    const { paths, put, tls, used, told, look, renewed, passDays } = watching();
    put(paths.tlsCertificate, renewed(tls.keyPem, -2_000, -1_000));
    await look();
    expect(told).toEqual([`${REFUSED} key.invalid`]);
    const certPem = renewed(tls.keyPem, DAY_MS / 2);
    put(paths.tlsCertificate, certPem);
    await look();
    await look();
    expect(used).toEqual([]);
    expect(told.length).toBe(2);
    passDays(1);
    await look();
    expect(used).toEqual([{ certPem, keyPem: tls.keyPem }]);
  });

  it("stays where the other one ends before it, and not where that ends when it does", async () => {
    const { paths, put, tls, used, told, look, renewed } = watching();
    put(paths.tlsCertificate, renewed(tls.keyPem, -1_000, DAY_MS - 5_000));
    await look();
    expect(used).toEqual([]);
    expect(told).toEqual([`${REFUSED} key.invalid`]);
    const { notAfterMs } = readCertificate(tls.certPem) ?? { notAfterMs: 0 };
    const certPem = renewed(tls.keyPem, -1_000, notAfterMs - Date.now() + 100);
    put(paths.tlsCertificate, certPem);
    await look();
    expect(used).toEqual([{ certPem, keyPem: tls.keyPem }]);
  });

  it("is not looked at any more when the node stops", async () => {
    const { isWatching } = watching();
    expect(isWatching()).toBe(true);
    stop?.();
    await sleep(1);
    expect(isWatching()).toBe(false);
  });
});
