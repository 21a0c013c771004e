/**
 * Round trips between cities, milliseconds. The first ten: the monthly averages that IBM Cloud publishes for
 * its VPC regions (28 September to 27 October 2024; the larger of both directions). Hong Kong and Cape Town:
 * the medians that cloudping.co publishes for AWS regions; there Dallas is taken to be as far as Ohio, and
 * Toronto as Montreal. Two nodes of one city: 1 ms.
 */
export type WorldMap = {
  readonly places: readonly string[];
  readonly rttMs: readonly (readonly number[])[];
};

const PLACES = [
  "Dallas",
  "Toronto",
  "Washington",
  "Frankfurt",
  "London",
  "Madrid",
  "Osaka",
  "Sydney",
  "Tokyo",
  "São Paulo",
  "Hong Kong",
  "Cape Town",
] as const;

/** Row by row, what lies below the diagonal. */
const BELOW: readonly (readonly number[])[] = [
  [],
  [34],
  [31, 19],
  [123, 93, 92],
  [114, 84, 76, 13],
  [119, 108, 90, 29, 27],
  [150, 171, 176, 234, 245, 259],
  [185, 214, 214, 250, 261, 275, 122],
  [143, 164, 169, 231, 243, 257, 9, 115],
  [144, 131, 119, 198, 188, 207, 292, 328, 287],
  [190, 203, 202, 199, 199, 199, 50, 125, 53, 312],
  [237, 222, 227, 155, 150, 130, 279, 295, 286, 337, 238],
];
const SAME_PLACE_MS = 1;

const rttOf = (a: number, b: number): number =>
  a === b ? SAME_PLACE_MS : (BELOW[Math.max(a, b)]?.[Math.min(a, b)] ?? 0);

const mapOf = (indexes: readonly number[]): WorldMap => ({
  places: indexes.map((index) => PLACES[index] ?? ""),
  rttMs: indexes.map((a) => indexes.map((b) => rttOf(a, b))),
});

/** Washington, Frankfurt, Tokyo. */
export const THREE: WorldMap = mapOf([2, 3, 8]);
export const TWELVE: WorldMap = mapOf(PLACES.map((_, index) => index));
