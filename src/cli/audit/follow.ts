/**
 * `nexus audit --follow`: an auditor that stays. It goes on with the log as the node does, tells metrics,
 * outlives restarts of the node, and goes on from its own state after a restart of itself.
 */
import { createServer, type Server } from "node:http";
import { setTimeout } from "node:timers/promises";
import { TetradError } from "../../errors.ts";
import { formatAddress, isLocalHost, isLoopback, parseBindAddress } from "../../node/address.ts";
import { Auditor } from "../../node/audit/auditor.ts";
import { Findings } from "../../node/audit/folder.ts";
import { type AuditReport, reportOf } from "../../node/audit/report.ts";
import { createMetrics, type MetricsRegistry } from "../../node/metrics.ts";
import { AUDIT_METRICS } from "../../node/metrics-catalogue.ts";
import { realClock } from "../../node/real-ports.ts";
import type { CliContext } from "../context.ts";
import { type ApiSource, openApiSource } from "./api-source.ts";
import { type OpenAudit, openAudit, unverified } from "./open.ts";
import { mismatchError, placeOf, printReport } from "./print.ts";
import { auditToClaim, checkChain } from "./run-api.ts";
import type { AuditOptions, AuditTarget } from "./target.ts";

/** Between two looks at a node that has nothing new, and the longest pause while it does not answer. */
const POLL_MS = 1_000;
const PAUSE_MS_MAX = 30_000;

type Daemon = {
  readonly context: CliContext;
  readonly open: OpenAudit;
  readonly source: ApiSource;
  readonly auditor: Auditor;
  readonly metrics: MetricsRegistry;
  readonly findings: Findings;
  readonly startedMs: number;
};

export const follow = async (
  context: CliContext,
  options: AuditOptions,
  target: AuditTarget,
): Promise<void> => {
  if (target.kind !== "api") {
    throw new TetradError("cli.usage", "--follow audits a running node: name its API with --api");
  }
  const signaturesFrom = Math.max(1, options.from);
  const wanted = { resume: options.rebuild !== true, finished: true, signaturesFrom };
  await using open = await openAudit(target, wanted, options.workers).catch((error: unknown) => {
    throw unverified(error);
  });
  const metrics = createMetrics(AUDIT_METRICS);
  await using closing = new AsyncDisposableStack();
  const served = await serveMetrics(options.metrics, metrics, context);
  if (served !== undefined) {
    closing.defer(() => new Promise<void>((done) => void served.close(() => done())));
  }
  const source = openApiSource(target.place);
  const { rules, verifier, state } = open;
  const auditor = await Auditor.open(
    {
      rules,
      scratch: state.scratch,
      verifier,
      signaturesFrom,
      onStep: (at) => tellPosition(metrics, at),
    },
    state.saved,
  );
  const startedMs = realClock.monotonicMs();
  const findings = new Findings();
  const daemon = { context, open, source, auditor, metrics, findings, startedMs };
  context.note(`auditing ${source.name} from height ${auditor.height} on`);
  tellPosition(metrics, auditor);
  await loop(daemon);
  await ended(daemon, options.keepRunning === true);
};

/** Until a finding; a signal ends it by its reason. */
const loop = async (daemon: Daemon): Promise<void> => {
  const { context, source, metrics, findings } = daemon;
  const { signal } = context;
  let pauseMs = POLL_MS;
  let up = true;
  for (;;) {
    try {
      if (!(await round(daemon))) return;
      if (!up) context.note(`${source.name} answers again`);
      up = true;
      pauseMs = POLL_MS;
    } catch (error) {
      signal.throwIfAborted();
      if (!isAway(error)) throw unverified(error);
      if (up) context.note(`${error.message}; trying again`);
      up = false;
      pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX);
    }
    metrics.gauge("tetrad_audit_node_up", up ? 1 : 0);
    if (findings.total > 0) return;
    await setTimeout(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
};

/** The node does not answer, or not now: that says nothing about the log. */
const isAway = (error: unknown): error is TetradError =>
  error instanceof TetradError &&
  (error.code === "cli.unreachable" || error.code === "audit.unverified");

/** One look at the node; false once there is a finding. */
const round = async (daemon: Daemon): Promise<boolean> => {
  const { open, source, auditor, metrics, findings, context } = daemon;
  const claim = await source.claim(context.signal);
  checkChain(claim, source.name, open.rules.genesisHash);
  const lag = Math.max(0, claim.finalHeight - auditor.height);
  metrics.gauge("tetrad_audit_lag_heights", lag);
  const clean = await auditToClaim(
    auditor,
    source,
    open.state.scratch,
    claim,
    findings,
    context.signal,
  );
  metrics.gauge("tetrad_audit_mismatches", findings.total);
  if (!clean) return false;
  metrics.gauge("tetrad_audit_lag_heights", Math.max(0, claim.finalHeight - auditor.height));
  metrics.gauge("tetrad_audit_last_success_timestamp_seconds", realClock.wallMs() / 1000);
  return true;
};

const tellPosition = (metrics: MetricsRegistry, auditor: Auditor): void => {
  const { counts, record, height, position } = auditor;
  metrics.gauge("tetrad_audit_position", height);
  metrics.gauge("tetrad_audit_certified_height", position.certifiedHeight);
  metrics.gauge("tetrad_audit_log_events", record.logSize);
  metrics.gauge("tetrad_audit_signatures_checked", counts.signatures);
  metrics.gauge("tetrad_audit_mismatches", 0);
};

/** Prints what was found and ends with exit code 2, at once or when somebody ends the daemon. */
const ended = async (daemon: Daemon, stay: boolean): Promise<void> => {
  const { context, findings, source } = daemon;
  const report = reportOfDaemon(daemon);
  printReport(context, report);
  const [first] = findings.sorted();
  if (!stay || first === undefined) throw mismatchError(report);
  context.note(
    `MISMATCH at ${placeOf(first)}: ${first.detail}; ${source.name} is not audited further, ` +
      "the metrics go on saying so until this process is ended",
  );
  await new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve();
    // A timer keeps the process alive where no metrics are served.
    const timer = setInterval(() => {}, PAUSE_MS_MAX);
    context.signal.addEventListener("abort", () => {
      clearInterval(timer);
      resolve();
    });
  });
  throw mismatchError(report);
};

const reportOfDaemon = ({ auditor, source, open, startedMs, findings }: Daemon): AuditReport =>
  reportOf(
    auditor,
    { source: source.name, genesisHash: open.rules.genesisHash },
    {
      seconds: (realClock.monotonicMs() - startedMs) / 1000,
      eventsBefore: open.state.saved?.counts.events ?? 0,
    },
    { list: findings.sorted(), total: findings.total },
  );

/** Binds loopback only: the page has no login. */
const serveMetrics = async (
  address: string | undefined,
  metrics: MetricsRegistry,
  context: CliContext,
): Promise<Server | undefined> => {
  if (address === undefined) return undefined;
  const bind = parseBindAddress(address, "metrics", { zeroPort: true });
  if (!isLoopback(bind.host)) {
    throw new TetradError("cli.usage", "the metrics of an auditor are served on [::1] only");
  }
  const server = createServer((request, response) => {
    if (!isLocalHost(request.headers.host)) {
      response.writeHead(421).end();
      return;
    }
    const known = request.url === "/metrics" || request.url === "/livez";
    if (!known || (request.method !== "GET" && request.method !== "HEAD")) {
      response.writeHead(known ? 405 : 404).end();
      return;
    }
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
    response.end(request.url === "/livez" ? "ok\n" : metrics.page());
  });
  server.maxConnections = 16;
  server.headersTimeout = 5_000;
  server.requestTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new TetradError("cli.usage", `metrics cannot listen on ${address} (${error.code})`));
    });
    server.listen({ host: bind.host, port: bind.port, ipv6Only: true }, resolve);
  });
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : bind.port;
  context.note(`metrics: http://${formatAddress({ host: bind.host, port })}/metrics`);
  return server;
};
