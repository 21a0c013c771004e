import { beforeEach, describe } from "vitest";
import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { ReactorEndpoint } from "../../src/transport/reactor-endpoint.ts";
import { type BindEndpoint, quicEndpointContract } from "../contract/quic-endpoint-contract.ts";
import { needsReactor } from "./reactor-here.ts";

const reactor: BindEndpoint = (options) => ReactorEndpoint.bind(options);

quicEndpointContract("quiche", QuicheEndpoint.bind);

describe("where the reactor loads", () => {
  beforeEach(needsReactor);
  quicEndpointContract("reactor", reactor);
  quicEndpointContract("quiche serves reactor", QuicheEndpoint.bind, reactor);
  quicEndpointContract("reactor serves quiche", reactor, QuicheEndpoint.bind);
});
