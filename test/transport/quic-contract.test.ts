import { transportContract } from "../contract/transport-contract.ts";
import { makeTestNetwork, sleep, until } from "./support.ts";

transportContract("QUIC on [::1]", async (count) => {
  const network = await makeTestNetwork(count);
  return {
    ids: network.identities.map((identity) => identity.id),
    members: network.peers,
    transports: network.transports,
    until,
    run: sleep,
    dispose: network.dispose,
  };
});
