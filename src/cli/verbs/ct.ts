/**
 * `nexus ct`: the Certificate Transparency log as a stream. An entry is an accepted event
 * `ca.certificate.issued`, so the stream is that of the ledger's events and resumes as it does.
 */
import { certificateJson, matchesDomain } from "../../ca/index.ts";
import type { EventJson } from "../../client/api.ts";
import { TetradError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { eventsFrom } from "../follow-events.ts";
import { formatNdjson, paint, printable } from "../output.ts";
import { startOf } from "./tail.ts";

type CtTailOptions = {
  readonly domain?: string;
  readonly from?: string;
  readonly limit?: number;
  readonly follow: boolean;
  readonly domainsOnly?: boolean;
};

const TYPE = "ca.certificate.issued";

type Entry = {
  readonly event: number;
  readonly time: string | undefined;
  readonly names: readonly string[];
  readonly [key: string]: unknown;
};

/** The entry that an event is; undefined for a refused one, which issued nothing. */
const entryOf = (event: EventJson): Entry | undefined => {
  if (event.type !== TYPE || event.outcome.kind !== "accepted") return undefined;
  const data = (event.data ?? {}) as { readonly certificate?: unknown; readonly request?: unknown };
  if (typeof data.certificate !== "string") return undefined;
  const certificate = new Uint8Array(Buffer.from(data.certificate, "base64"));
  const parsed = certificateJson(certificate);
  return {
    event: event.index,
    time: event.time,
    ...parsed,
    names: parsed["names"] as readonly string[],
    request: data.request,
    certificate: data.certificate,
  };
};

const DOMAIN = /^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*|[0-9a-f:]+)$/;

const checkDomain = (text: string | undefined): string => {
  const domain = (text ?? "*").toLowerCase();
  if (DOMAIN.test(domain) && domain.length <= 255) return domain;
  throw new TetradError("cli.usage", `--domain ${text} is not a name, "*.example.org" or "*"`);
};

/** Prints what fits; says whether it was an entry that counts. */
const printerOf = (
  context: CliContext,
  options: CtTailOptions,
): ((event: EventJson) => boolean) => {
  const domain = checkDomain(options.domain);
  const { terminal } = context;
  return (event) => {
    const entry = entryOf(event);
    const names = entry?.names.filter((name) => matchesDomain(name, domain)) ?? [];
    if (entry === undefined || names.length === 0) return false;
    if (options.domainsOnly === true) {
      const lines = context.format === "table" ? names.map((name) => `${printable(name)}\n`) : [];
      terminal.out(lines.join("") || names.map((name) => formatNdjson(name)).join(""));
    } else if (context.format !== "table") terminal.out(formatNdjson(entry));
    else {
      const time = printable(String(entry.time ?? "").slice(0, 19));
      const until = new Date(Number(entry["notAfterMs"])).toISOString().slice(0, 16);
      const index = String(entry.event).padStart(7);
      const text = entry.names.map(printable).join(" ");
      const color = terminal.colorOut;
      terminal.out(`${index}  ${paint(color, "dim", time)}  to ${until}  ${text}\n`);
    }
    return true;
  };
};

export const ctTail = async (context: CliContext, options: CtTailOptions): Promise<void> => {
  const print = printerOf(context, options);
  const client = context.client();
  const { logSize } = await client.status(context.signal);
  // Certificates are rare among events: without a start, all of them.
  const from = startOf(options.from ?? "0", logSize, 0);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  const { follow } = options;
  let isEmpty = true;
  for await (const event of eventsFrom(context, { client, from, type: TYPE, follow })) {
    if (!print(event)) continue;
    isEmpty = false;
    if (--left === 0) return;
  }
  if (!isEmpty || follow) return;
  const what = options.domain === undefined ? "certificate" : `certificate for ${options.domain}`;
  context.note(printable(`no ${what} is among the ${logSize} events of the log`));
};
