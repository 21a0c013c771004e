/** Objects of the nodes of a client: files by the name of their bytes (docs/sdk.md, "Objects"). */
import type { Nodes } from "./ask.ts";
import { describeObject, getObject } from "./get.ts";
import { dropObject, type OrderChain, putObject } from "./put.ts";
import { listObjects, objectState, verifyObject } from "./told.ts";
import type { Objects } from "./types.ts";

/** `chain`: the one that orders are signed for; undefined: the one that the node names. */
export const objectsOf = (nodes: Nodes, chain: OrderChain): Objects => ({
  put: (source, options) => putObject(nodes, chain, source, options),
  get: (root, options) => getObject(nodes, root, options),
  describe: (root, options) => describeObject(nodes, root, options),
  list: (options) => listObjects(nodes, options),
  state: (root, options) => objectState(nodes, root, options),
  verify: (root, options) => verifyObject(nodes, root, options),
  drop: (root, options) => dropObject(nodes, chain, root, options),
});
