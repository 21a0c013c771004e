import { QuicheEndpoint } from "../../src/transport/quiche-endpoint.ts";
import { ReactorEndpoint } from "../../src/transport/reactor-endpoint.ts";
import { quicEndpointContract } from "../contract/quic-endpoint-contract.ts";

quicEndpointContract("quiche", QuicheEndpoint.bind);
quicEndpointContract("reactor", (options) => ReactorEndpoint.bind(options));
quicEndpointContract("quiche serves reactor", QuicheEndpoint.bind, (options) =>
  ReactorEndpoint.bind(options),
);
quicEndpointContract(
  "reactor serves quiche",
  (options) => ReactorEndpoint.bind(options),
  QuicheEndpoint.bind,
);
