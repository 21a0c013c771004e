import { it } from "vitest";
import { loadReactor } from "../../src/transport/reactor-binding.ts";
import { transportContract } from "../contract/transport-contract.ts";
import { skipUnlessCi } from "../faults/support/sandbox.ts";
import { reactorDriver } from "./reactor-mesh.ts";
import { makeTestNetwork, sleep, until } from "./support.ts";

const problem = await loadReactor().then(() => undefined, String);

if (problem !== undefined) {
  it("transport contract: reactor on [::1]", (context) => skipUnlessCi(context, problem));
} else {
  transportContract("reactor on [::1]", async (count) => {
    const network = await makeTestNetwork(count, undefined, reactorDriver());
    return {
      ids: network.identities.map((identity) => identity.id),
      transports: network.transports,
      until,
      run: sleep,
      dispose: network.dispose,
    };
  });
}
