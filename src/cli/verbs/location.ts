/** `nexus location show`: the newest certificate of every validator, with what it bounds. */
import type { RowJson } from "../../client/api.ts";
import { TetradError } from "../../errors.ts";
import { KM_PER_RTT_MS } from "../../proofs/location/receipt.ts";
import type { CliContext } from "../context.ts";
import { type Row, short } from "../output.ts";
import { type WatchOptions, watching } from "../watch.ts";

type LocationOptions = WatchOptions & { readonly zone?: string };

type Bound = { readonly witness: string; readonly rttUs: number };
type Zone = { readonly name: string; readonly rttMaxUs: number };

/** A row of the projection: what is asked for, or a certificate. */
type ZoneRow = {
  readonly zones?: readonly Zone[];
  readonly validator?: string;
  readonly epoch?: number;
  readonly state?: string;
  readonly zone?: string;
  readonly sector?: number;
  readonly height?: number;
  readonly bounds?: readonly Bound[];
};

type Item = {
  readonly id: string;
  readonly name: string | null;
  readonly epoch: number | null;
  readonly zone: string | null;
  readonly sector: number | null;
  readonly height: number | null;
  readonly bounds: readonly (Bound & { readonly name: string | null })[] | null;
  /** Of the farthest witness, by the speed of light: an honest one of them is no farther. */
  readonly withinKm: number | null;
};

const COLUMNS = ["name", "epoch", "zone", "witnesses", "least_ms", "most_ms", "within_km"];

const rowsOf = async (context: CliContext): Promise<readonly ZoneRow[]> => {
  const client = context.client();
  const { items } = await client.get("/v1/projections", {}, context.signal);
  const names = (items as readonly { readonly name?: unknown }[]).map(({ name }) => name);
  if (!names.includes("zones")) {
    throw new TetradError(
      "http.not-found",
      "this chain does not ask its validators where they are",
    );
  }
  const rows: ZoneRow[] = [];
  const all = Number.MAX_SAFE_INTEGER;
  for await (const row of client.items("/v1/projections/zones", {}, all, context.signal)) {
    rows.push((row as RowJson).value as ZoneRow);
  }
  return rows;
};

const kmOf = (bounds: readonly Bound[]): number => {
  const most = Math.max(...bounds.map(({ rttUs }) => rttUs));
  return Math.ceil((most * KM_PER_RTT_MS.vacuum) / 1_000);
};

const ms = (us: number): string => (us / 1_000).toFixed(1);

/** Names of the zones that are asked for; all of them where none is. Throws location.zone-unknown. */
const wantedZones = (rows: readonly ZoneRow[], zone: string | undefined): ReadonlySet<string> => {
  const names = rows.flatMap(({ zones }) => zones ?? []).map(({ name }) => name);
  if (zone === undefined) return new Set(names);
  const at = names.indexOf(zone);
  if (at >= 0) return new Set(names.slice(0, at + 1));
  const detail = `"${zone}" is none of the chain's zones: ${names.join(", ")}`;
  throw new TetradError("location.zone-unknown", detail);
};

const show = async (context: CliContext, { zone }: LocationOptions): Promise<void> => {
  const rows = await rowsOf(context);
  const wanted = wantedZones(rows, zone);
  const set = await context.client().get("/v1/validators", {}, context.signal);
  const validators = set["items"] as readonly { readonly id: string; readonly name: string }[];
  const names = new Map(validators.map(({ id, name }) => [id, name]));
  const newest = new Map<string, ZoneRow>();
  for (const row of rows) {
    if (row.validator === undefined || row.state !== "certified") continue;
    const before = newest.get(row.validator);
    if ((before?.epoch ?? -1) < (row.epoch ?? 0)) newest.set(row.validator, row);
  }
  const items = [...new Set([...names.keys(), ...newest.keys()])].map((id): Item => {
    const { epoch, zone: reached, sector, height, bounds } = newest.get(id) ?? {};
    return {
      ...{ id, name: names.get(id) ?? null, epoch: epoch ?? null, zone: reached ?? null },
      ...{ sector: sector ?? null, height: height ?? null },
      bounds: bounds?.map((one) => ({ ...one, name: names.get(one.witness) ?? null })) ?? null,
      withinKm: bounds === undefined ? null : kmOf(bounds),
    };
  });
  const shown = items.filter((item) =>
    item.zone === null ? zone === undefined : wanted.has(item.zone),
  );
  const cells = shown.map((item): Row => {
    const times = item.bounds?.map(({ rttUs }) => rttUs) ?? [];
    return {
      name: item.name ?? short(item.id, 9),
      ...{ epoch: item.epoch, zone: item.zone ?? "none", witnesses: times.length },
      least_ms: times.length === 0 ? null : ms(Math.min(...times)),
      most_ms: times.length === 0 ? null : ms(Math.max(...times)),
      within_km: item.withinKm,
    };
  });
  context.printList(shown, COLUMNS, cells);
  if (context.format !== "table") return;
  context.note(
    `epoch ${String(set["epoch"])}: within so many km of one honest witness; a bound is no place`,
  );
};

export const locationShow = (context: CliContext, options: LocationOptions): Promise<void> =>
  watching(context, options, (one) => show(one, options));
