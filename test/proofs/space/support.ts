/** Small sectors for tests. */
import { NODE_BYTES, type SpaceParameters } from "../../../src/proofs/space/parameters.ts";
import type { SectorSource } from "../../../src/proofs/space/statement.ts";

export { labelsOf, type MemorySector, memorySector, treeOf } from "../../../sim/memory-sector.ts";

/** Few nodes and layers, so that a test makes a sector in milliseconds. */
export const SMALL: SpaceParameters = {
  ...{ lgNodes: 8, layers: 3, admissionChallenges: 3, responseMs: 1 },
  ...{ sectorOpenings: 2, epochOpenings: 5, blockOpenings: 3, eventOpenings: 1 },
};

export const bytes = (fill: number, length = NODE_BYTES): Uint8Array =>
  new Uint8Array(length).fill(fill);

export const source = (sectorNo = 0, validator = 7): SectorSource => ({
  ...{ validatorId: bytes(validator), sectorNo, beacon: bytes(3) },
  ...{ lgNodes: SMALL.lgNodes, layers: SMALL.layers },
});
