/** `nexus peers` and `nexus validators`: who is in the network, as one node sees it. */
import { TetradError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { byMeaning, type Cell, type Row, short } from "../output.ts";
import { type WatchOptions, watching } from "../watch.ts";

type ClassBytes = { readonly sent: number; readonly received: number; readonly queued: number };

type Peer = {
  readonly id: string;
  readonly address: string;
  readonly state: string;
  readonly remote: string | null;
  readonly dialledBy: string | null;
  /** Id of the relay. */
  readonly via: string | null;
  readonly rttMs: number | null;
  readonly driver: string | null;
  readonly packets: { readonly sent: number; readonly lost: number | null } | null;
  readonly tlsMs: number | null;
  readonly sealed: {
    readonly handshakeMs: number;
    readonly roundTripMs: number | null;
    readonly version: string;
  } | null;
  /** Absent in what an older node tells. */
  readonly bulkBy?: string | null;
  readonly observed?: readonly Observed[];
  readonly upMs: number | null;
  readonly queuedBytes: number;
  readonly bytes: Readonly<Record<string, ClassBytes>> | null;
};

/** What the node has seen the member do; absent in what an older node tells. */
type Observed = { readonly kind: string; readonly count: number };

type Validator = {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  readonly weight: string;
  readonly address: string;
  readonly self: boolean;
  readonly connected: boolean;
  readonly quarantined: unknown;
};

type ValidatorList = {
  readonly epoch: number;
  readonly quorum: string;
  readonly totalWeight: string;
  readonly view: number;
  readonly leaders: readonly number[];
  readonly items: readonly Validator[];
};

const listOf = <T>(value: unknown, what: string): readonly T[] => {
  if (!Array.isArray(value)) throw new TetradError("cli.unreachable", `the node gives no ${what}`);
  return value as readonly T[];
};

const readValidators = async (context: CliContext): Promise<ValidatorList> => {
  const body = await context.client().get("/v1/validators", {}, context.signal);
  listOf(body["items"], "validators");
  return body as unknown as ValidatorList;
};

export const peers = (context: CliContext, options: WatchOptions): Promise<void> =>
  watching(context, options, showPeers);

const KIB = 1024;

/** "12.3 KiB", for people. */
export const bytesText = (bytes: number): string => {
  if (bytes < KIB) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / KIB;
  let unit = 0;
  while (value >= KIB && unit < units.length - 1) {
    value /= KIB;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
};

const traffic = (peer: Peer, name: string): Cell => {
  const of = peer.bytes?.[name];
  if (of === undefined) return null;
  const moved = `${bytesText(of.sent)} / ${bytesText(of.received)}`;
  return of.queued === 0 ? moved : `${moved} (+${bytesText(of.queued)})`;
};

/** Part of the packets sent that were lost, in all sessions since the node started. */
const loss = ({ packets }: Peer): Cell =>
  packets === null || packets.lost === null
    ? null
    : `${((100 * packets.lost) / Math.max(1, packets.sent)).toFixed(1)} %`;

/** Milliseconds for people and machines alike: what is below a tenth of one is noise. */
const tenths = (ms: number | null | undefined): number | null =>
  ms == null ? null : Math.round(10 * ms) / 10;

const handshakes = ({ tlsMs, sealed }: Peer): Cell => {
  if (tlsMs === null) return null;
  return `${Math.round(tlsMs)} / ${sealed === null ? "-" : Math.round(sealed.handshakeMs)}`;
};

/** How often it was seen serving other bytes than an object's. */
const lies = ({ observed = [] }: Peer): number =>
  observed.reduce((sum, { count }) => sum + count, 0);

/** "direct", or the name of the relay; nothing where there is no session. */
const viaText = ({ state, via }: Peer, names: ReadonlyMap<string, string>): Cell => {
  if (state !== "up") return null;
  return via === null ? "direct" : (names.get(via) ?? short(via, 9));
};

const showPeers = async (context: CliContext): Promise<void> => {
  const client = context.client();
  const [body, set] = await Promise.all([
    client.get("/v1/peers", {}, context.signal),
    readValidators(context),
  ]);
  const names = new Map(set.items.map(({ id, name }) => [id, name]));
  const items = listOf<Peer>(body["items"], "peers").map((peer) => ({
    name: names.get(peer.id) ?? null,
    ...peer,
  }));
  const rows = items.map(
    (peer): Row => ({
      name: peer.name ?? short(peer.id, 9),
      state: peer.state,
      address: peer.address,
      dialled_by: peer.dialledBy,
      via: viaText(peer, names),
      up_s: peer.upMs === null ? null : Math.round(peer.upMs / 1000),
      driver: peer.driver,
      rtt_ms: peer.rttMs,
      loss: loss(peer),
      tls_pq_ms: handshakes(peer),
      sealed_ms: tenths(peer.sealed?.roundTripMs),
      version: peer.sealed?.version ?? null,
      bulk_by: peer.bulkBy ?? null,
      lies: lies(peer),
      consensus: traffic(peer, "consensus"),
      mempool: traffic(peer, "mempool"),
      sync: traffic(peer, "sync"),
      control: traffic(peer, "control"),
      bulk: traffic(peer, "bulk"),
    }),
  );
  const columns = [
    "name",
    "state",
    "address",
    "dialled_by",
    "via",
    "up_s",
    "driver",
    "rtt_ms",
    "loss",
    "tls_pq_ms",
    "sealed_ms",
    "version",
    "bulk_by",
    "lies",
  ];
  const classes = ["consensus", "mempool", "sync", "control", "bulk"];
  context.printList(items, [...columns, ...classes], rows, byMeaning("state"));
  if (context.format !== "table") return;
  context.note(
    `as ${client.base} sees them; bytes sent / received since the node started (+ waiting)`,
  );
  context.note(
    "tls_pq_ms: how long the handshakes of QUIC with TLS and of the post-quantum session took",
  );
  context.note("via: the relay on the way; it has ciphertext and no key");
  context.note("rtt_ms: of the session that carries; loss: of all packets since the node started");
  context.note("bulk_by: the QUIC driver of connections for objects, or the session");
  if (items.some((peer) => lies(peer) > 0)) {
    context.note(
      "lies: served other bytes than an object's; `nexus object ls --evidence` has them",
    );
  }
  context.note("sealed_ms: a sealed question and its answer, process to process");
};

export const validators = (context: CliContext, options: WatchOptions): Promise<void> =>
  watching(context, options, showValidators);

/** In how many views a validator leads, of those that the node has told; "now" for the current one. */
const leads = (set: ValidatorList, index: number): Cell => {
  const at = set.leaders.indexOf(index);
  return at === 0 ? "now" : at < 0 ? null : `in ${at}`;
};

const showValidators = async (context: CliContext): Promise<void> => {
  const set = await readValidators(context);
  const rows = set.items.map(
    (one): Row => ({
      index: one.index,
      name: one.name,
      weight: one.weight,
      address: one.address,
      reached: one.self ? "self" : one.connected ? "yes" : "down",
      leads: leads(set, one.index),
      quarantined: one.quarantined === null ? "no" : "quarantined",
      id: short(one.id, 17),
    }),
  );
  const columns = ["index", "name", "weight", "address", "reached", "leads", "quarantined", "id"];
  context.printList(set.items, columns, rows, (column, cell) =>
    column === "quarantined" && cell !== "no" ? "red" : byMeaning("reached")(column, cell),
  );
  if (context.format !== "table") return;
  context.note(`epoch ${set.epoch}, view ${set.view}: ${set.quorum} of ${set.totalWeight} decide`);
};
