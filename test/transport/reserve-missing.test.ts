/** The reserve driver where the library is there and its native part is not: it throws at the first dial. */
import { expect, it, vi } from "vitest";
import { ReserveEndpoint } from "../../src/transport/reserve-endpoint.ts";
import { endpointOptions } from "./quic-support.ts";
import { idOf, makeIdentity } from "./support.ts";

const missing = (): never => {
  throw new Error("Cannot find native binding");
};

vi.mock("../../src/transport/reactor-binding.ts", () => ({
  loadReactor: async () => ({ connectQuic: missing, createQuicServer: missing }),
}));

it("has failed, once, and gives nobody", async () => {
  const options = endpointOptions({ identity: makeIdentity(idOf(0)) });
  const reserve = await ReserveEndpoint.bind(options, "/nowhere");
  for (let i = 0; i < 2; i++) expect(reserve.dial({ host: "::1", port: 4433 })).toBeUndefined();
  expect(options.met.failures).toEqual([
    "the reactor cannot dial: Error: Cannot find native binding",
  ]);
  await new Promise<void>((resolve) => {
    reserve.close(0, "", resolve);
  });
});
