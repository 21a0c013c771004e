/** What tests of certificates share: requests made by OpenSSL, an issuer, and a chain that knows it. */
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  certificateRequested,
  certificates,
  ct,
  developmentName,
  issuerCreated,
  leafBody,
  type Profile,
  parseCertificate,
  parseCsr,
  readSubjectKey,
  rootBody,
  sealCertificate,
  secondsOf,
  validityOf,
} from "../../src/ca/index.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import type { EncodedEvent } from "../../src/ledger/types.ts";
import { LIMITS } from "../../src/limits.ts";
import { ALL_PROJECTIONS, genesis, runnerOptions, TestChain } from "../ledger/execution-support.ts";

export const PROJECTIONS = [...ALL_PROJECTIONS, certificates, ct];

/** Runs openssl in a folder of its own; gives the bytes of the file `out` where the arguments name it. */
export const openssl = (
  args: readonly string[],
  files: Readonly<Record<string, Uint8Array | string>> = {},
): { readonly stdout: string; readonly out: Uint8Array } => {
  const folder = mkdtempSync(join(tmpdir(), "tetrad-ca-"));
  try {
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    const stdout = execFileSync("openssl", args, {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const out = args.includes("out") ? readFileSync(join(folder, "out")) : new Uint8Array(0);
    return { stdout, out: new Uint8Array(out) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const pemOfKey = (key: KeyObject): string =>
  key.export({ type: "pkcs8", format: "pem" }).toString();

export const KEYS = {
  p256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  p384: () => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
  p521: () => generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey,
  ed25519: () => generateKeyPairSync("ed25519").privateKey,
  rsa1024: () => generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey,
  rsa2048: () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
} as const;

export type CsrOptions = {
  readonly key?: KeyObject;
  /** Of subjectAltName; undefined for a request without it. */
  readonly names?: string;
  readonly more?: readonly string[];
};

const ONE_KEY = KEYS.p256();

/** A request by OpenSSL, DER. */
export const csrOf = ({ key = ONE_KEY, names, more = [] }: CsrOptions = {}): Uint8Array =>
  openssl(
    [
      ...["req", "-new", "-key", "key.pem", "-subj", "/", "-outform", "DER", "-out", "out"],
      ...(names === undefined ? [] : ["-addext", `subjectAltName=${names}`]),
      ...more,
    ],
    { "key.pem": pemOfKey(key) },
  ).out;

/** A request with other attributes than an extension request, which openssl takes from a file only. */
export const csrWithChallenge = (): Uint8Array =>
  openssl(["req", "-new", "-key", "key.pem", "-config", "conf", "-outform", "DER", "-out", "out"], {
    "key.pem": pemOfKey(ONE_KEY),
    conf: [
      "[req]\nprompt=no\ndistinguished_name=dn\nattributes=at\nreq_extensions=ex",
      "[dn]\nCN=x\n[at]\nchallengePassword=secret12\n[ex]\nsubjectAltName=DNS:a.example.org\n",
    ].join("\n"),
  }).out;

/** Signs as an issuer does: r and s. */
export const signWith = (key: KeyObject, body: Uint8Array): Uint8Array =>
  new Uint8Array(sign("sha256", body, { key, dsaEncoding: "ieee-p1363" }));

export const spkiOf = (key: KeyObject): Uint8Array => {
  const pair = createPrivateKey({ key: pemOfKey(key), format: "pem" });
  const jwk = pair.export({ format: "jwk" });
  const point = Buffer.concat([
    Buffer.from([4]),
    Buffer.from(jwk.x ?? "", "base64url"),
    Buffer.from(jwk.y ?? "", "base64url"),
  ]);
  const prefix = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
  return new Uint8Array(Buffer.concat([prefix, point]));
};

export const issuerPrivateKey: KeyObject = KEYS.p256();
export const issuerSpki: Uint8Array = spkiOf(issuerPrivateKey);
export const issuerId: Uint8Array = sha256(issuerSpki);

const serialOf = (number: number): Uint8Array => {
  const serial = new Uint8Array(17).fill(0x11);
  new DataView(serial.buffer).setUint32(13, number);
  return serial;
};

/** The issuer's certificate as of a ledger time. */
export const rootAt = (timeMs: number, key = issuerPrivateKey): Uint8Array => {
  const notBeforeS = secondsOf(timeMs) - LIMITS.caBackdateS;
  const body = rootBody({
    serial: serialOf(0),
    subject: developmentName("test"),
    subjectKey: readSubjectKey(spkiOf(key)),
    notBeforeS,
    notAfterS: notBeforeS + 365 * 86_400,
  });
  return sealCertificate(body, signWith(key, body));
};

export const ROOT: Uint8Array = rootAt(genesis.timeMs);

export type LeafOptions = {
  readonly serial?: number;
  /** The second that counts is that of the request. */
  readonly requestedMs?: number;
  readonly lifetimeSeconds?: number;
  readonly profile?: Profile;
  readonly by?: KeyObject;
  /** Changes the body before it is signed. */
  readonly spoil?: (body: Uint8Array) => Uint8Array;
  readonly sign?: (body: Uint8Array) => Uint8Array;
};

/** What an issuer makes of a request. */
export const leafFor = (csr: Uint8Array, options: LeafOptions = {}): Uint8Array => {
  const { serial = 1, requestedMs = genesis.timeMs, lifetimeSeconds = 3600 } = options;
  const { profile = "server", by = issuerPrivateKey, spoil = (body) => body } = options;
  const issuer = parseCertificate(ROOT);
  const request = parseCsr(csr);
  if (!issuer.ok || !request.ok) throw new Error("the fixtures do not parse");
  const { subjectKey, names } = request.value;
  const body = spoil(
    leafBody({
      issuer: issuer.value,
      subjectKey,
      names,
      profile,
      serial: serialOf(serial),
      ...validityOf(secondsOf(requestedMs), lifetimeSeconds, issuer.value.notAfterS),
    }),
  );
  return sealCertificate(body, options.sign?.(body) ?? signWith(by, body));
};

export const created: EncodedEvent = issuerCreated.encode({ name: "test", certificate: ROOT });

export const requestOf = (
  csr: Uint8Array,
  { profile = "server", lifetimeSeconds = 3600, issuer = issuerId } = {},
): EncodedEvent => certificateRequested.encode({ issuer, profile, lifetimeSeconds, csr });

/** A chain of all projections, whose issuer is root's. */
export const chainWithIssuer = (): TestChain => {
  const chain = new TestChain(runnerOptions(PROJECTIONS));
  chain.block({ by: "root", events: [created] });
  return chain;
};
