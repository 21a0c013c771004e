/**
 * Where each limit of the API, the client library and the command is tried at its edge and past it. The list
 * is by hand; what is checked is that it is whole, that each file names the limit, and that the test it points
 * to is there. A limit that has none says why.
 */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../src/limits.ts";

/** Limits whose names begin so are of the face. */
const FACE = new RegExp(
  `^(${[
    ...["http", "cursor", "audit", "replay", "cli", "dev", "config", "passphrase", "logText"],
    ...["backup", "restore", "admin", "pem", "client", "proof(Text|Links|Items)", "note"],
    "checkpoint(Time|Refresh|Keep)",
  ].join("|")})`,
);

type Place = readonly [file: string, title: string];

const node = (file: string, title: string): Place => [`test/node/${file}.test.ts`, title];
const cli = (file: string, title: string): Place => [`test/cli/${file}.test.ts`, title];
const audit = (file: string, title: string): Place => [`test/ledger/audit/${file}.test.ts`, title];
const replica = (file: string, title: string): Place => [
  `test/ledger/replica/${file}.test.ts`,
  title,
];
const client = (file: string, title: string): Place => [`test/client/${file}.test.ts`, title];
const verify = (file: string, title: string): Place => [
  `test/ledger/verify/${file}.test.ts`,
  title,
];

const TRIED: Readonly<Record<string, Place>> = {
  adminRequestBytesMax: node(
    "admin",
    "reads requests up to adminRequestBytesMax, and no longer ones",
  ),
  auditBlocksMax: audit("item", "are at most auditBlocksMax in one piece"),
  auditBytesMax: audit(
    "item",
    "gives the first block whatever its size, and no second one past the bytes",
  ),
  auditFindingsMax: node(
    "audit/findings",
    "are listed up to auditFindingsMax, and counted beyond it",
  ),
  auditLookupsMax: audit(
    "item",
    "gives the first block whatever its size, and no second one past the bytes",
  ),
  auditStateAgeMsMax: node("audit/forget", "stay up to the age and go above it"),
  auditStatesMax: node(
    "audit/forget",
    "stay up to the number, and the longest unused ones go above it",
  ),
  backupKeyBytesMax: node("backup", "takes a row at its limits and refuses one past them"),
  backupValueBytesMax: node("backup", "takes a row at its limits and refuses one past them"),
  checkpointRefreshMs: replica(
    "cosigner",
    "is quiet while nothing is written, but for a new time every minute",
  ),
  checkpointTimeSMax: replica("frames", "refuses a cosignature of a time that no calendar has"),
  cliStatusMsMax: cli("ask", "gives up on one that hangs, also within its answer"),
  clientAnswerBytesMax: client("api", "are read up to their limit and no further"),
  clientDecodeBytesPerSecond: replica(
    "hashing",
    "from clients, who may be anybody, is decoded within one rate",
  ),
  clientChunkMsMax: client("limits", "has clientChunkMsMax to come"),
  clientEmptyPagesMax: client("api", "nor through empty pages for ever"),
  clientMaxAgeMs: client(
    "verified",
    "is bounded: an older one is left for a newer one, or refused",
  ),
  clientMessageCharactersMax: client("api", "is refused when a message is over the limit"),
  clientNodesMax: client("pool", "has 1 to 64 nodes"),
  clientStreamBytesMax: client(
    "objects",
    "of a stream waits in memory up to clientStreamBytesMax, and no further",
  ),
  clientRequestMsMax: client("limits", "is waited for as long as a request may take"),
  clientSilenceMsMax: client(
    "limits",
    "is left when it is silent for longer than heartbeats allow, and not before",
  ),
  clientUnprovenEventsMax: client("verified", "asks for a proof before more events wait than may"),
  clientVerifiedSignatures: client("limits", "are not verified again, up to so many"),
  clientWorkEffortMax: client("work", "is at most the effort that the client makes"),
  configBytesMax: node("config", "takes a file at the limit and refuses one past it"),
  cursorBytesMax: node(
    "cursor",
    "have a position of at most cursorBytesMax, which the longest key of a row is",
  ),
  devAnswerMsMax: cli("control", "is waited for until devAnswerMsMax, and no longer"),
  devHoldMsMax: cli(
    "control",
    "reads hostile requests without a throw, and holds at most as long as the limit",
  ),
  devRequestBytesMax: cli(
    "control",
    "takes no request that others can write, no link, and none that is too large",
  ),
  httpBodyBytesMax: node(
    "api-write-limits",
    "reads bodies up to httpBodyBytesMax, and no more of one that is longer",
  ),
  httpClientConnectionsMax: node("api-stream", "closes what one client opens past its connections"),
  httpClientIncomingBytesMax: node("api-incoming", "up to the limit of a client, refuses the next"),
  httpClientOutgoingBytesMax: node(
    "api-outgoing",
    "hold no more than the limit of one client, and are told so past it",
  ),
  httpClientSubscribersMax: node(
    "api-stream",
    "takes subscribers of one client up to its limit and answers 503 past it",
  ),
  httpClientWaitersMax: node(
    "api-conventions",
    "wait up to the limit of one client, and refuse the next",
  ),
  httpClientWorkMax: node("api-work", "are few for one client and more for all"),
  httpConnectionsMax: node("api-limits", "has the limits of connections, and of the time"),
  httpHeaderBytesMax: node("api-stream", "refuses headers over the limit"),
  httpHeadersTimeoutMs: node("api-limits", "has the limits of connections, and of the time"),
  httpHeartbeatMs: node("api-stream", "sends a heartbeat when nothing else was sent"),
  httpIdleTimeoutMs: node("api-limits", "has the limits of connections, and of the time"),
  httpIncomingBytesMax: node("api-limits", "of bodies that are read is httpIncomingBytesMax"),
  httpOutgoingBytesMax: node("api-outgoing", "get a small answer even so, up to its limit"),
  httpPageBytesMax: node("api", "bounds a page in bytes"),
  httpPageDefault: node("api-limits", "has pages of httpPageDefault items, of up to httpPageMax"),
  httpPageMax: node("api-limits", "has pages of httpPageDefault items, of up to httpPageMax"),
  httpProofWaitMs: node(
    "api-proof",
    "ends with 503 when the time is over, and says when to come again",
  ),
  httpRequestTimeoutMs: node("api-limits", "has the limits of connections, and of the time"),
  httpScanMax: node("api", "stops a filtered scan at its bound and goes on by the cursor"),
  httpSmallAnswerBytesMax: node("api-outgoing", "get a small answer even so, up to its limit"),
  httpStallMsMax: node("api-outgoing", "are dropped when they have not taken their answer in time"),
  httpStreamBytesMax: node(
    "api-shares",
    "are dropped in the order in which they stalled when they hold too much",
  ),
  httpStreamPagesMax: node("api-shares", "are few: the oldest is forgotten"),
  httpSubscribersMax: node(
    "api-limits",
    "of streams is httpSubscribersMax, and the one behind is told to come again",
  ),
  httpUrlBytesMax: node("api-limits", "reads targets up to httpUrlBytesMax, and no longer ones"),
  httpWaitMsMax: node("api-write-limits", "waits from 1 ms to httpWaitMsMax"),
  httpWaitersMax: node("api-limits", "of requests that wait is httpWaitersMax"),
  httpWorkMax: node("api-work", "are few for one client and more for all"),
  httpWorkWaitMs: node(
    "api-work",
    "are waited for so long and by so many, and by nobody when the node stops",
  ),
  logTextMax: node("log-fields", "are printable and short, whatever came from the network"),
  noteBytesMax: verify("note", " bytes, and no more"),
  noteSignaturesMax: verify("note", " signatures and "),
  passphraseBytesMax: node(
    "keys",
    "that are missing, empty, too long, no text or readable by others are refused",
  ),
  pemBytesMax: node("keys-format", "takes PEM files at their limit and no longer file"),
  proofItemsMax: verify("bundle", "takes each count at its limit and none past it"),
  proofLinksMax: verify("bundle", "takes each count at its limit and none past it"),
  proofTextMax: verify("bundle", "takes each count at its limit and none past it"),
};

/** Limits that no test drives to their edge, and why. */
const UNTRIED: Readonly<Record<string, string>> = {
  adminStallMsMax: "a socket that stands still for a minute, which Node's own timeout ends",
  auditAheadBlocksMax: "bounds what is read ahead, which no answer shows",
  auditAheadBytesMax: "bounds what is read ahead, which no answer shows",
  checkpointKeepMs: "how often a file is written; that it is written is tried",
  clientUnprovenBytesMax: "the bytes beside clientUnprovenEventsMax, in the same expression",
  httpSubscriberBytesMax:
    "a page's bound in bytes, tried for pages, given to the reads of a stream",
  replayRowsMax: "a million rows that differ",
  restoreWriteBytes: "how many rows are written at a time, which no folder shows",
};

const root = new URL("../", import.meta.url);

describe("limits of the face", () => {
  const face = Object.keys(LIMITS).filter((name) => FACE.test(name));

  it("are each tried, or named with the reason why not", () => {
    const named = [...Object.keys(TRIED), ...Object.keys(UNTRIED)];
    expect(named.toSorted()).toEqual(face.toSorted());
  });

  it.each(Object.entries(TRIED))("%s is named where it is tried", (name, [file, title]) => {
    const url = new URL(file, root);
    expect(existsSync(url), file).toBe(true);
    const text = readFileSync(url, "utf8");
    expect(text).toContain(title);
    expect(new RegExp(`\\b${name}\\b`).test(text.replaceAll(title, "")), file).toBe(true);
  });
});
