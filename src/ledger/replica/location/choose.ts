/** Which receipts a certificate is made of. */
import { compareBytes } from "../../../crypto/bytes.ts";
import { LIMITS } from "../../../limits.ts";
import type { LocationParameters, Zone } from "../../../proofs/location/parameters.ts";
import type { ShownReceipt } from "../../projections/zone-events.ts";
import { isMoreThanThird } from "../../projections/zones.ts";
import type { ValidatorSet } from "../../types.ts";

export type Chosen = {
  readonly zone: Zone;
  /** In ascending order of witness, as they are shown. */
  readonly receipts: readonly ShownReceipt[];
};

/**
 * The nearest zone that the receipts reach, and the nearest of them until their witnesses hold more than a third;
 * then as many more of the zone as the last event has room for. Undefined where they reach none.
 */
export const chooseReceipts = (
  { zones }: Pick<LocationParameters, "zones">,
  set: ValidatorSet,
  receipts: Iterable<ShownReceipt>,
): Chosen | undefined => {
  const near = [...receipts].sort(
    (a, b) => a.rttUs - b.rttUs || compareBytes(a.witness, b.witness),
  );
  for (const zone of zones) {
    const within = near.filter(({ rttUs }) => rttUs <= zone.rttMaxUs);
    if (!isMoreThanThird(set, within)) continue;
    let needed = 1;
    while (!isMoreThanThird(set, within.slice(0, needed))) needed += 1;
    const parts = Math.ceil(needed / LIMITS.locationReceiptsMax);
    const shown = within.slice(0, parts * LIMITS.locationReceiptsMax);
    return { zone, receipts: shown.sort((a, b) => compareBytes(a.witness, b.witness)) };
  }
  return undefined;
};
