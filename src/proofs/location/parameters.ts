/**
 * Network location (docs/proofs.md): what a chain asks for. A zone is a bound on a round-trip time and nothing
 * else. It has no list of witnesses: one whose members hold at most a third of the power could be bought whole
 * without breaking what safety rests on, and one that holds more is no neighbourhood. So a zone counts receipts
 * of any validators, and which of them gave one stands in the row for whoever knows where they are.
 */
import { fail, ok, type Result } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";

export type Zone = {
  readonly name: string;
  /** A receipt of more than this does not count, microseconds. */
  readonly rttMaxUs: number;
};

export type LocationParameters = {
  /** Challenges of one measurement, one after another; half of them count (`boundUs`). */
  readonly rounds: number;
  /** Labels of a sector that each of them opens. */
  readonly labels: number;
  /** The nearest first. */
  readonly zones: readonly Zone[];
};

/**
 * What `nexus init --location` asks for. 5, 15 and 40 ms are 500, 1,500 and 4,000 km of fibre; "world" is wider
 * than the Earth and says only that somebody answered.
 */
export const LOCATION_DEFAULT: LocationParameters = {
  rounds: 8,
  labels: 8,
  zones: [
    { name: "metro", rttMaxUs: 5_000 },
    { name: "region", rttMaxUs: 15_000 },
    { name: "continent", rttMaxUs: 40_000 },
    { name: "world", rttMaxUs: 400_000 },
  ],
};

export const ZONE_NAME: RegExp = /^[a-z0-9]+([.-][a-z0-9]+)*$/;

const isWithin = (value: number, [min, max]: readonly [number, number]): boolean =>
  Number.isSafeInteger(value) && value >= min && value <= max;

/** Code: location.parameters. */
export const checkLocationParameters = (
  parameters: LocationParameters,
): Result<LocationParameters> => {
  const { rounds, labels, zones } = parameters;
  const wrong = (detail: string) => fail("location.parameters", detail);
  if (!isWithin(rounds, LIMITS.locationRounds)) return wrong(`rounds is ${rounds}`);
  if (!isWithin(labels, LIMITS.locationLabels)) return wrong(`labels is ${labels}`);
  if (!isWithin(zones.length, LIMITS.locationZones)) return wrong(`${zones.length} zones`);
  for (const [i, { name, rttMaxUs }] of zones.entries()) {
    if (name.length > LIMITS.nameBytesMax || !ZONE_NAME.test(name)) {
      return wrong(`"${name.slice(0, LIMITS.nameBytesMax)}" names no zone`);
    }
    if (!isWithin(rttMaxUs, LIMITS.locationRttUs)) return wrong(`${name}: ${rttMaxUs} us`);
    if (rttMaxUs <= (zones[i - 1]?.rttMaxUs ?? 0)) return wrong("zones go from near to far");
    if (zones.findIndex((zone) => zone.name === name) !== i) return wrong(`two zones ${name}`);
  }
  return ok(parameters);
};
