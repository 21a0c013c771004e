/** Assets: what may be imported from outside of this folder, but for the probe (probe.ts). */
export {
  type HostFacts,
  type HostRegistered,
  hostAssetId,
  hostRegistered,
  hostRetired,
} from "./events.ts";
export { type Asset, assetAt, assets } from "./projection.ts";
