import { beforeEach, describe } from "vitest";
import { transportContract } from "../contract/transport-contract.ts";
import { needsReactor } from "./reactor-here.ts";
import { reactorDriver } from "./reactor-mesh.ts";
import { makeTestNetwork, sleep, until } from "./support.ts";

describe("where the reactor loads", () => {
  beforeEach(needsReactor);
  transportContract("reactor on [::1]", async (count) => {
    const network = await makeTestNetwork(count, undefined, reactorDriver());
    return {
      ids: network.identities.map((identity) => identity.id),
      members: network.peers,
      transports: network.transports,
      until,
      run: sleep,
      dispose: network.dispose,
    };
  });
});
