/**
 * Every metric of a node and of an auditor: what it is called, what it counts, what to alert on. The page of `/metrics` has its
 * help from here, docs/metrics.md is made of it, and a test holds it against what the source emits.
 *
 * Names end in their unit; times are seconds and sizes bytes, as Prometheus has it.
 */

export type MetricSpec = {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly unit: "seconds" | "bytes" | "1 or 0" | "height" | "view" | "count";
  readonly labels?: readonly string[];
  readonly about: string;
  /** For people who watch it. */
  readonly alert?: string;
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly buckets?: readonly number[];
};

const gauge = (unit: MetricSpec["unit"], about: string, alert?: string): MetricSpec => ({
  kind: "gauge",
  unit,
  about,
  ...(alert === undefined ? {} : { alert }),
});

const counter = (
  unit: MetricSpec["unit"],
  about: string,
  more: Partial<Pick<MetricSpec, "labels" | "alert">> = {},
): MetricSpec => ({ kind: "counter", unit, about, ...more });

const SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export const METRICS: Readonly<Record<string, MetricSpec>> = {
  // Consensus and the log
  tetrad_final_height: gauge(
    "height",
    "Last height that is final and on this node's disk.",
    "does not grow for a minute: the network stands still, or this node is cut off",
  ),
  tetrad_executed_height: gauge("height", "Last height that is executed: what reads see."),
  tetrad_projection_lag_heights: gauge(
    "count",
    "Final heights that are not executed yet.",
    "over 8 for a minute: execution does not keep up, and consensus will wait for it at 16",
  ),
  tetrad_view: gauge(
    "view",
    "View that this node is in.",
    "grows while the height does not: leaders fail one after the other",
  ),
  tetrad_epoch: gauge("count", "Epoch that runs."),
  tetrad_view_seconds: {
    kind: "histogram",
    unit: "seconds",
    about: "Time between two views that became final, as this node saw them.",
    alert: "the 0.9 quantile is some times what it used to be: a slow disk, network or member",
    buckets: SECONDS_BUCKETS,
  },
  tetrad_committed_events_total: counter("count", "Events in the log, since its beginning."),
  tetrad_voting: gauge(
    "1 or 0",
    "Whether this node votes.",
    "0 for five minutes: it asks in vain for a quorum, or refuses; `nexus doctor` says why",
  ),
  tetrad_problems: gauge(
    "count",
    "Problems that the node reports in its status, such as votes.missing.",
    "not 0",
  ),
  tetrad_ready: gauge("1 or 0", "What /readyz says.", "0 for five minutes"),
  tetrad_checkpoint_size: gauge("count", "Events under the newest cosigned checkpoint."),
  tetrad_checkpoint_age_seconds: gauge(
    "seconds",
    "Age of the newest cosigned checkpoint.",
    "minutes, while the log grows: too few validators cosign",
  ),
  tetrad_cosignatures_dropped_total: counter(
    "count",
    "Signatures of peers on checkpoints that were not taken.",
  ),
  tetrad_location_receipts_total: counter(
    "count",
    "Receipts of places: given to others as a witness, and taken from witnesses.",
    { labels: ["way"] },
  ),
  tetrad_space_failures_total: counter(
    "count",
    "Own sectors, and proofs of them, that could not be made, by code: one is damaged, missing or slow to read, or there is no room for the next.",
    {
      labels: ["code"],
      alert: "grows: `nexus space check` finds what is damaged; power falls after two epochs",
    },
  ),
  tetrad_space_sectors: gauge("count", "Own sectors that the epoch that runs asks for."),
  tetrad_space_sectors_missing: gauge(
    "count",
    "Sectors that space_sectors asks for and that are neither committed to nor made yet.",
    "not 0 for longer than a sector takes to make: the log says why it cannot be made",
  ),
  tetrad_space_renewals_total: counter(
    "count",
    "Sectors that the node has made in the place of others that count no more.",
  ),
  tetrad_claim_failures_total: counter(
    "count",
    "Proofs of time or of shares of an epoch that were not made, by code: too slow, or what was kept is damaged.",
    {
      labels: ["proof", "code"],
      alert: "grows: the validator has no power in the epoch after the next",
    },
  ),
  tetrad_equivocations_total: counter("count", "Contradictions of validators that were met.", {
    alert: "grows: a validator has signed two things; find out whose key is used twice",
  }),
  tetrad_messages_dropped_total: counter(
    "count",
    "Messages of peers that broke a rule and cost their sender nothing.",
    { labels: ["code"] },
  ),
  tetrad_peer_faults_total: counter("count", "Messages that ended the session with their sender.", {
    labels: ["code"],
    alert: "grows steadily: a member runs another version, or is hostile",
  }),

  // Mempool and signatures
  tetrad_mempool_batches: gauge("count", "Batches that wait for a block."),
  tetrad_mempool_bytes: gauge(
    "bytes",
    "Size of those batches.",
    "near its limit for minutes: clients are refused with node.overloaded",
  ),
  tetrad_verify_queue_jobs: gauge(
    "count",
    "Signatures that wait to be checked or are being checked.",
    "thousands for a minute: this node's processor is the bottleneck",
  ),
  tetrad_verify_cpu_seconds_total: counter(
    "seconds",
    "Processor time spent on checking signatures.",
  ),
  tetrad_sign_cpu_seconds_total: counter("seconds", "Processor time spent on signing."),
  tetrad_sign_fallback: gauge(
    "1 or 0",
    "Whether the slower signer has taken over after a fault of the faster one.",
    "1: restart the node when it suits, and report the fault that its log has",
  ),

  // Network
  tetrad_peers: gauge(
    "count",
    "Validators that this node is connected to.",
    "under two thirds of the weight: this node cannot make anything final",
  ),
  tetrad_transport_sessions: gauge("count", "Authenticated QUIC sessions."),
  tetrad_transport_connections: gauge("count", "QUIC connections, those in their handshake too."),
  tetrad_transport_queued_bytes: gauge("bytes", "Frames that wait to be sent."),
  tetrad_transport_frame_bytes_sent_total: counter(
    "bytes",
    "Frames handed to sessions, by class.",
    {
      labels: ["class"],
    },
  ),
  tetrad_transport_frame_bytes_received_total: counter("bytes", "Frames of peers, by class.", {
    labels: ["class"],
  }),
  tetrad_transport_frames_dropped_total: counter(
    "count",
    "Frames that were not sent because the peer was away or its queue full.",
    { labels: ["class"] },
  ),
  tetrad_transport_datagrams_sent_total: counter("count", "UDP datagrams sent."),
  tetrad_transport_datagrams_received_total: counter("count", "UDP datagrams received."),
  tetrad_transport_bytes_sent_total: counter(
    "bytes",
    "UDP payload sent, handshakes and repeats too.",
  ),
  tetrad_transport_bytes_received_total: counter("bytes", "UDP payload received."),
  tetrad_transport_datagrams_dropped_total: counter(
    "count",
    "Datagrams that were of no connection.",
  ),
  tetrad_transport_endpoint_up: gauge(
    "1 or 0",
    "Whether the QUIC endpoint of sessions is there.",
    "0 for a minute: the address that the node listens on is gone, or the port is another process's",
  ),
  tetrad_transport_endpoint_restarts_total: counter(
    "count",
    "QUIC endpoints of sessions that failed and were replaced, by cause: `library`, `socket` or `stall`.",
    { labels: ["cause"], alert: "grows: see `transport.driver-failed` in docs/operating.md" },
  ),
  tetrad_transport_library_faults_total: counter(
    "count",
    "Exceptions of the QUIC library, each of which cost one connection or datagram.",
    { alert: "grows: a bug of the library, or somebody who knows one" },
  ),
  tetrad_transport_refused_total: counter("count", "Connections and datagrams that were refused.", {
    labels: ["code"],
    alert: "transport.certificate-expired grows: a member's certificate needs `nexus key rotate`",
  }),
  tetrad_transport_relayed_sessions: gauge(
    "count",
    "Peers whom this node sends to through a relay.",
    "stays above what the settings of the peers make you expect: a direct way is closed",
  ),
  tetrad_transport_path_changes_total: counter(
    "count",
    "Changes of the path to a peer that is up: `better` at leisure, `silent` at once.",
    { labels: ["change"], alert: "grows all the time: a link is on the edge" },
  ),
  tetrad_transport_relayed_pairs: gauge(
    "count",
    "Pairs of peers that this node has passed packets between lately, as a relay.",
  ),
  tetrad_transport_relayed_packets_total: counter("count", "Packets passed on, as a relay."),
  tetrad_transport_relayed_bytes_total: counter("bytes", "Bytes of those packets."),
  tetrad_transport_relayed_dropped_total: counter(
    "count",
    "Packets that a relay dropped: over a rate, or the way to the addressee was full.",
  ),
  tetrad_transport_handshakes_total: counter(
    "count",
    "Post-quantum handshakes of sessions: `ok`, or the code with which the session ended.",
    {
      labels: ["role", "result"],
      alert:
        "session.identity, session.signature or session.confirmation: somebody has a member's TLS key",
    },
  ),
  tetrad_transport_driver: {
    ...gauge(
      "1 or 0",
      "1 for the QUIC driver over which frames of a class go to and from a member now.",
    ),
    labels: ["peer", "class", "driver"],
  },
  tetrad_bulk_requests_total: counter(
    "count",
    "Requests for bulk to members, by the way that they ended on (`session`, or the worker's driver) and how.",
    { labels: ["path", "outcome"] },
  ),
  tetrad_bulk_bytes_total: counter(
    "bytes",
    "Answers to requests for bulk, `fetched` and `served`.",
    {
      labels: ["direction", "path"],
    },
  ),
  tetrad_bulk_failovers_total: counter(
    "count",
    "Requests that were asked again over the session, since connections or the worker had failed.",
  ),
  tetrad_bulk_worker_faults_total: counter("count", "Bulk workers that ended by themselves.", {
    labels: ["driver"],
    alert: 'grows: bulk goes over sessions; see the log for why, and set `driver = "quiche"`',
  }),
  tetrad_bulk_refused_total: counter(
    "count",
    "Grants of members that were not taken (`bulk.certificate`), and connections that were turned away.",
    { labels: ["code"] },
  ),
  tetrad_transport_handshake_seconds: {
    kind: "histogram",
    unit: "seconds",
    labels: ["role"],
    about: "Time of a post-quantum handshake, from the hello to the first sealed record.",
    buckets: SECONDS_BUCKETS,
  },

  tetrad_peer_session: {
    ...gauge(
      "1 or 0",
      "Whether there is a session with this member, and the QUIC driver that carries it. This and the next are of the first 100 members by id (`peer`: 16 digits of it), while there is a session; counters are of all sessions with it since the node started.",
    ),
    labels: ["peer", "driver"],
  },
  tetrad_peer_bytes_sent_total: counter("bytes", "Bytes of streams, by peer and class.", {
    labels: ["peer", "class"],
  }),
  tetrad_peer_bytes_received_total: counter("bytes", "Bytes of streams, by peer and class.", {
    labels: ["peer", "class"],
  }),
  tetrad_peer_queued_bytes: {
    ...gauge("bytes", "Frames that wait to be sent, by peer and class."),
    labels: ["peer", "class"],
  },
  tetrad_peer_rtt_seconds: {
    ...gauge("seconds", "Smoothed round trip, as QUIC has it."),
    labels: ["peer"],
  },
  tetrad_peer_packets_sent_total: counter("count", "QUIC packets sent to this peer.", {
    labels: ["peer"],
  }),
  tetrad_peer_packets_lost_total: counter("count", "Of these, those that were lost.", {
    labels: ["peer"],
    alert: "over 2 % of those sent for a minute: the path is bad, and everything on it slow",
  }),
  tetrad_peer_handshake_seconds: {
    ...gauge(
      "seconds",
      "Time of the session's handshakes: QUIC with TLS (`tls`), post-quantum (`pq`).",
    ),
    labels: ["peer", "kind"],
  },

  // Certificates
  tetrad_certificates_issued_total: counter(
    "count",
    "Certificates that this node's issuer has signed.",
  ),
  tetrad_certificates_denied_total: counter(
    "count",
    "Requests that this node's issuer has denied.",
  ),

  // API
  tetrad_http_requests_total: counter("count", "Requests answered.", {
    labels: ["path", "status"],
  }),
  tetrad_http_request_seconds: {
    kind: "histogram",
    unit: "seconds",
    labels: ["path"],
    about: "Time from a request to the end of its answer; those that wait for a batch wait in it.",
    buckets: SECONDS_BUCKETS,
  },
  tetrad_http_subscribers: gauge("count", "Streams of events that are open."),
  tetrad_http_subscribers_dropped_total: counter(
    "count",
    "Streams ended because nobody took them.",
  ),
  tetrad_http_incoming_bytes: gauge("bytes", "Bodies of requests that are being read."),
  tetrad_http_work_waiting: gauge(
    "count",
    "Requests for pages and proofs that wait for a place to be worked on.",
  ),
  tetrad_http_outgoing_bytes: gauge("bytes", "Answers that clients have not taken yet."),
  tetrad_http_answers_dropped_total: counter("count", "Answers given up because nobody took them."),

  // Objects
  tetrad_objects: gauge("count", "Objects on the disk of the node."),
  tetrad_object_bytes: gauge("bytes", "Size of those objects, whole, as they count to the budget."),
  tetrad_object_fetches_open: gauge("count", "Objects that are being fetched."),
  tetrad_objects_evicted_total: counter("count", "Objects that went to make room for others."),
  tetrad_object_fetches_total: counter("count", "Fetches that have ended, by how.", {
    labels: ["end"],
  }),
  tetrad_object_fetched_bytes_total: counter("bytes", "Right chunks that came from members."),
  tetrad_object_surplus_bytes_total: counter(
    "bytes",
    "Right chunks that came twice, since they were asked for twice at the end of a fetch.",
  ),
  tetrad_object_served_bytes_total: counter("bytes", "Chunks that members were given."),
  tetrad_object_requests_total: counter(
    "count",
    "Requests of members about objects that are here.",
    {
      labels: ["kind"],
    },
  ),
  tetrad_object_requests_refused_total: counter(
    "count",
    "Requests of members that were told that this node is busy: over what one may ask in a second, or read here.",
  ),
  tetrad_object_lies_total: counter("count", "Answers of members that were not of the object.", {
    labels: ["kind"],
    alert: "grows: `nexus object ls --evidence` says who; its disk is damaged, or it is hostile",
  }),

  // Process and disk
  tetrad_build_info: {
    kind: "gauge",
    unit: "count",
    labels: ["version", "node"],
    about: "Always 1; the version is in its labels.",
  },
  tetrad_start_time_seconds: gauge(
    "seconds",
    "When the process began, since 1970.",
    "changes often: the node restarts again and again",
  ),
  tetrad_resident_bytes: gauge(
    "bytes",
    "Memory of the process.",
    "near the host's: it will be killed",
  ),
  tetrad_heap_bytes: gauge("bytes", "JavaScript heap in use."),
  tetrad_process_cpu_seconds_total: counter("seconds", "Processor time of the whole process."),
  tetrad_event_loop_delay_seconds: gauge(
    "seconds",
    "How late the event loop was, the 0.99 quantile since the page was read last.",
    "over 0.5: votes leave late",
  ),
  tetrad_folder_bytes: {
    kind: "gauge",
    unit: "bytes",
    labels: ["part"],
    about: "Size of the node's folder, by part: db, votes. Looked at twice a minute.",
  },
  tetrad_disk_free_bytes: gauge(
    "bytes",
    "Room left for the node on the disk of its folder. Looked at twice a minute.",
    "under 2 GiB: a node that finds no room stops itself (store.full)",
  ),
};

/** What `nexus audit --follow` serves; an auditor has none of a node's. */
export const AUDIT_METRICS: Readonly<Record<string, MetricSpec>> = {
  tetrad_audit_position: gauge(
    "height",
    "Last height that is checked.",
    "does not grow while the node's does: the auditor is stuck or has found something",
  ),
  tetrad_audit_certified_height: gauge("height", "Last checked height that a certificate covers."),
  tetrad_audit_lag_heights: gauge(
    "count",
    "Heights that the node has and the auditor has not checked.",
  ),
  tetrad_audit_log_events: gauge("count", "Events that are checked."),
  tetrad_audit_signatures_checked: gauge("count", "Signatures checked since the auditor began."),
  tetrad_audit_mismatches: gauge(
    "count",
    "Mismatches that were found.",
    "not 0: keep the folder of the node and read what the auditor has printed",
  ),
  tetrad_audit_node_up: gauge(
    "1 or 0",
    "Whether the node that is audited answers.",
    "0 for five minutes",
  ),
  tetrad_audit_last_success_timestamp_seconds: gauge(
    "seconds",
    "When a round without a mismatch ended last, since 1970.",
    "older than ten minutes",
  ),
};

const escaped = (text: string): string => text.replaceAll("|", "\\|");

const rowsOf = (metrics: Readonly<Record<string, MetricSpec>>): string => {
  const rows = Object.entries(metrics).map(([name, spec]) => {
    const { kind, unit, labels = [], about, alert = "" } = spec;
    const full = labels.length === 0 ? name : `${name}{${labels.join(",")}}`;
    return `| \`${full}\` | ${kind} | ${unit} | ${escaped(about)} | ${escaped(alert)} |\n`;
  });
  return `${TABLE_HEAD}${rows.join("")}`;
};

const TABLE_HEAD = `| metric | type | unit | what | alert when |
|---|---|---|---|---|
`;

/** docs/metrics.md. */
export const metricsPage = (): string =>
  `# Metrics

Made by \`npm run docs\` from \`src/node/metrics-catalogue.ts\`: do not change it here. A node serves them as
Prometheus text on \`GET /metrics\` of its API. A counter without labels is there from the start; one with labels
from its first count. Histograms have \`_bucket\`, \`_sum\` and \`_count\`. The number of series is bounded: what comes
from the network never becomes a label's value, but for codes of [errors.md](errors.md).

Rules for the alerts in the last column are in \`packaging/alerts.yml\`.

## A node

${rowsOf(METRICS)}
## An auditor

\`nexus audit --follow\` with metrics ([audit.md](audit.md)):

${rowsOf(AUDIT_METRICS)}`;
