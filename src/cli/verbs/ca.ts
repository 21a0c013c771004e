/** `nexus ca`: certificates from an issuer on the log. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { certificateRequested, fromPem, parseCsr } from "../../ca/index.ts";
import type { ApiClient, ReceiptJson } from "../../client/api.ts";
import { problemError } from "../../client/http.ts";
import type { Submitted } from "../../client/submit.ts";
import { fromHex } from "../../crypto/bytes.ts";
import { createHasher } from "../../crypto/hash.ts";
import { TetradError } from "../../errors.ts";
import { decodeBatch } from "../../ledger/batch.ts";
import { LIMITS } from "../../limits.ts";
import { provesPossession } from "../../node/ca/possession.ts";
import { writeFileAtomic } from "../../node/folder.ts";
import type { CliContext } from "../context.ts";
import { withSubmitter } from "../submitter.ts";
import type { AppendOptions } from "./append.ts";
import { printReceipts, refusalOf, takeRepeated } from "./append.ts";

export type SignOptions = Pick<AppendOptions, "key" | "timeout" | "effort"> & {
  readonly csr: string;
  readonly profile: string;
  readonly days?: number;
  readonly hours?: number;
  readonly issuer?: string;
  readonly out?: string;
};

type IssuerJson = { readonly issuer: string; readonly name: string; readonly pem: string };

type CertificateJson = {
  readonly request: number;
  readonly event: number;
  readonly ctIndex: number;
  readonly serial: string;
  readonly fingerprint: string;
  readonly names: readonly string[];
  readonly notAfterMs: number;
  readonly chain: string;
};

const isCertificate = (body: object): body is CertificateJson => {
  const one: Partial<Record<keyof CertificateJson, unknown>> = body;
  const numbers = [one.request, one.event, one.ctIndex, one.notAfterMs];
  const texts = [one.serial, one.fingerprint, one.chain];
  return (
    numbers.every((value) => typeof value === "number") &&
    texts.every((value) => typeof value === "string") &&
    Array.isArray(one.names) &&
    one.names.every((name) => typeof name === "string")
  );
};

/** The certificate of a request as the node shows it. Throws client.bad-answer for anything else. */
const certificateAt = async (context: CliContext, request: number): Promise<CertificateJson> => {
  const body = await context.client().get(`/ca/v1/requests/${request}`, {}, context.signal);
  if (isCertificate(body)) return body;
  throw problemError(context.client().base, 200, undefined);
};

const usage = (detail: string): TetradError => new TetradError("cli.usage", detail);

const HOUR_S = 3600;

/** Seconds asked for; a day where nothing is said. */
const lifetimeOf = ({ days, hours }: SignOptions): number => {
  if (days !== undefined && hours !== undefined) throw usage("give --days or --hours, not both");
  return days === undefined ? (hours ?? 24) * HOUR_S : days * 24 * HOUR_S;
};

const CSR_LABELS: readonly string[] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/** DER of a request in PEM or DER, checked as the node will check it: what it refuses need not be sent. */
const readRequest = (path: string, cwd: string): Uint8Array => {
  let bytes: Uint8Array;
  try {
    bytes = path === "-" ? readFileSync(0) : readFileSync(resolve(cwd, path));
  } catch (error) {
    throw usage(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? "?"})`);
  }
  if (bytes.length > 4 * LIMITS.caCsrBytesMax) {
    throw new TetradError("ca.csr-too-large", `${path} has ${bytes.length} bytes`);
  }
  const text = new TextDecoder("latin1").decode(bytes);
  const der = text.includes("-----BEGIN ") ? fromPem(text, CSR_LABELS) : bytes;
  if (der === undefined) {
    throw new TetradError("ca.csr-malformed", `${path} has not exactly one PEM block of a request`);
  }
  const csr = parseCsr(der);
  if (!csr.ok) throw new TetradError(csr.code, `${path}: ${csr.detail}`);
  if (!provesPossession(csr.value)) {
    throw new TetradError("ca.csr-signature", `${path} is not signed by the key in it`);
  }
  return Uint8Array.from(der);
};

const issuersOf = async (client: ApiClient, signal: AbortSignal): Promise<readonly IssuerJson[]> =>
  ((await client.get("/ca/v1/issuers", {}, signal))["items"] ?? []) as readonly IssuerJson[];

/** The issuer named by id or name; the only one where none is. */
const chooseIssuer = async (
  context: CliContext,
  wanted: string | undefined,
): Promise<IssuerJson> => {
  const issuers = await issuersOf(context.client(), context.signal);
  const fitting = issuers.filter(
    ({ issuer, name }) => wanted === undefined || issuer === wanted || name === wanted,
  );
  const [only, second] = fitting;
  const known = issuers.map(({ name, issuer }) => `${name} (${issuer.slice(0, 12)}…)`).join(", ");
  if (only === undefined) {
    const there = known === "" ? "this network has none" : `there are ${known}`;
    throw new TetradError(
      "ca.issuer-unknown",
      `no issuer${wanted ? ` "${wanted}"` : ""}: ${there}`,
    );
  }
  if (second !== undefined) throw usage(`say which with --issuer: there are ${known}`);
  return only;
};

/** A client that sends certificate requests where they are answered, and everything else as ever. */
const certificateClient = (client: ApiClient) => ({
  base: client.base,
  get: client.get.bind(client),
  lane: client.lane.bind(client),
  status: client.status.bind(client),
  async submit(...args: Parameters<ApiClient["submit"]>): Promise<ReceiptJson> {
    const [bytes, , signal, waitMs] = args;
    const { chainId } = await client.status(signal);
    const batch = decodeBatch(createHasher(chainId), bytes);
    const [event, second] = batch.ok ? batch.value.events : [];
    const asks = event?.type === certificateRequested.type && second === undefined;
    return asks ? client.requestCertificate(bytes, signal, waitMs) : client.submit(...args);
  },
});

/** Sends the request, or an earlier command's that asks for the same, and gives what became of it. */
const request = async (
  context: CliContext,
  options: SignOptions,
  terms: Parameters<typeof certificateRequested.encode>[0],
): Promise<Submitted> => {
  const { key, timeout, effort } = options;
  const client = certificateClient(context.client());
  return withSubmitter(
    context,
    { client, wait: "projected", key, timeout, effort },
    async (submitter) => {
      const kept: Submitted[] = [];
      for await (const one of submitter.flush()) kept.push(one);
      const events = [certificateRequested.encode(terms)];
      const done = takeRepeated(kept, events) ?? (await submitter.submit(events));
      if (kept.length > 0) printReceipts(context, [], kept);
      return done;
    },
  );
};

/** Where the answer goes: said before anything is asked for, since a certificate may have been there. */
const newFile = (context: CliContext, out: string | undefined): string | undefined => {
  if (out === undefined) return undefined;
  const path = resolve(context.cwd, out);
  if (existsSync(path)) throw usage(`${path} is already there; it is not replaced`);
  return path;
};

export const sign = async (context: CliContext, options: SignOptions): Promise<void> => {
  const out = newFile(context, options.out);
  const csr = readRequest(options.csr, context.cwd);
  const lifetimeSeconds = lifetimeOf(options);
  const { issuer } = await chooseIssuer(context, options.issuer);
  const { profile } = options;
  const terms = { issuer: fromHex(issuer), profile, lifetimeSeconds, csr };
  const { receipt } = await request(context, options, terms);
  const refused = refusalOf([receipt]);
  if (refused !== undefined) throw refused;
  const index = receipt.firstIndex ?? 0;
  const inReceipt = (receipt as { readonly certificate?: CertificateJson }).certificate;
  // The answer to a repeated batch may be the receipt alone.
  const certificate = inReceipt ?? (await certificateAt(context, index));
  if (out !== undefined) writeFileAtomic(out, certificate.chain);
  const { names, serial, event, ctIndex, notAfterMs } = certificate;
  if (context.format === "table" && options.out === undefined) {
    context.terminal.out(certificate.chain);
    context.note(`event ${event}, CT entry ${ctIndex}, valid to ${isoTime(notAfterMs)}`);
  } else {
    context.print(certificate, [
      ["names", names.join(", ")],
      ["serial", serial],
      ["valid to", isoTime(notAfterMs)],
      ["event", event],
      ["CT entry", ctIndex],
      ...(options.out === undefined ? [] : [["file", options.out] as const]),
    ]);
  }
  context.suggest("nexus ct tail --from 0 --no-follow", "nexus ca root > root.pem");
};

const isoTime = (ms: number): string => new Date(ms).toISOString();

export const root = async (
  context: CliContext,
  options: Pick<SignOptions, "issuer" | "out">,
): Promise<void> => {
  const out = newFile(context, options.out);
  const issuer = await chooseIssuer(context, options.issuer);
  if (out !== undefined) writeFileAtomic(out, issuer.pem);
  if (context.format !== "table") context.print(issuer, []);
  else if (options.out === undefined) context.terminal.out(issuer.pem);
};
