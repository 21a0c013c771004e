import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { watchCertificate } from "../../src/node/certificate-watch.ts";
import type { TlsIdentity } from "../../src/node/unlock.ts";
import { createIdentityCertificate } from "../../src/transport/identity-certificate.ts";
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
  let due: (() => void) | undefined;
  stop = watchCertificate({
    ...{ paths, tls, self: undefined },
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
  const renewed = (keyPem: string): string => {
    const nowMs = Date.now();
    const dates = { notBeforeMs: nowMs - 1_000, notAfterMs: nowMs + 60_000 };
    return createIdentityCertificate({ nodeId: NODE, keyPem, ...dates }).certPem;
  };
  return { paths, put, tls, used, told, look, renewed, isWatching: () => due !== undefined };
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
    expect(told).toEqual(["warn the certificate in the folder is not used key.invalid"]);
    const other = makeIdentity(NODE);
    put(paths.tlsKey, other.keyPem);
    put(paths.tlsCertificate, renewed(other.keyPem));
    await look();
    expect(told.at(-1)).toBe("warn the certificate in the folder is not used folder.foreign");
    expect(used).toEqual([]);
  });

  it("is not looked at any more when the node stops", async () => {
    const { isWatching } = watching();
    expect(isWatching()).toBe(true);
    stop?.();
    await sleep(1);
    expect(isWatching()).toBe(false);
  });
});
