/** The document without a node: what `npm run docs` writes and a test compares. */
import { NOBODY_OBSERVED } from "../../../detect/index.ts";
import type { LedgerHandle } from "../../../ledger/handle.ts";
import type { Metrics, Timers } from "../../../ledger/ports.ts";
import type { ObjectsPort } from "../../objects/port.ts";
import type { Formats, Json } from "../context.ts";
import { createApi } from "../server.ts";
import { openApiDocument } from "./document.ts";
import { type DescribedRoute, objectEntries } from "./operation.ts";

/** Routes only keep what they are given until a request comes, and none comes here. */
const unused = (what: string): never => {
  throw new Error(`${what} is used while routes are registered`);
};

const untouched = <T extends object>(what: string, empty: T): T =>
  new Proxy(empty, { get: (_target, name) => unused(`${what}.${String(name)}`) });

/** All routes that a node registers, in order. */
export const productRoutes = (): readonly DescribedRoute[] =>
  createApi({
    handle: untouched("handle", {} as LedgerHandle),
    formats: untouched("formats", {} as Formats),
    clock: { monotonicMs: () => 0, wallMs: () => 0 },
    timers: untouched("timers", {} as Timers),
    random: untouched("random", { u32: () => 0 }),
    logger: { log: () => {} },
    metrics: untouched("metrics", {} as Metrics),
    peerFigures: () => [],
    observed: () => NOBODY_OBSERVED,
    objects: untouched("objects", {} as ObjectsPort),
    metricsPage: () => "",
    version: "0",
    chainId: "none",
    disposable: false,
    anyHost: false,
  }).routes;

export const productDocument = (version: string): Json => openApiDocument(productRoutes(), version);

const code = (text: string): string => `\`${text}\``;

/** The table of routes of docs/api.md. */
export const routesTable = (): string => {
  const lines = productRoutes().map(({ method, path, operation }) => {
    const names = objectEntries(operation?.query ?? {}).map(([name]) => code(name));
    return `| ${code(`${method} ${path}`)} | ${names.join(", ")} | ${operation?.summary ?? ""} |`;
  });
  return ["| route | parameters | what |", "|---|---|---|", ...lines, ""].join("\n");
};
