/**
 * A node of a chain that is made in the test, with every key at hand: it can serve what validators have
 * signed, leave out, change, go back, and show two histories under valid signatures.
 */
import type { ServerResponse } from "node:http";
import { toHex } from "../../src/crypto/bytes.ts";
import type { FalconVerifier } from "../../src/crypto/falcon.ts";
import { bundleJson, type Claim } from "../../src/ledger/verify/bundle.ts";
import { formatCheckpoint } from "../../src/ledger/verify/trust.ts";
import { entryJson } from "../../src/node/api/json.ts";
import { FORMATS } from "../../src/node/formats.ts";
import { World } from "../ledger/verify/support.ts";
import { serve, type TestServer } from "./support.ts";

const json = (response: ServerResponse, genesis: string, body: unknown, status = 200): void => {
  response.writeHead(status, { "content-type": "application/json", "ledger-genesis": genesis });
  response.end(JSON.stringify(body));
};

export type FakeNode = TestServer & {
  readonly genesisHash: string;
  /** How many proofs were asked for. */
  proofs(): number;
  /** Moves to another log, at a height. Logs of 3, 6, 9… events of one chain contain each other. */
  show(world: World, height: number): void;
  /** Changes an event on its way to the stream. */
  forge: ((event: Record<string, unknown>) => Record<string, unknown> | undefined) | undefined;
  /** Answers for a page of rows behind a key: a claim, and the height of its header if not the node's. */
  page: ((query: URLSearchParams) => { readonly claim: Claim; readonly at?: number }) | undefined;
  /** Says so of the size of its log. */
  says: number | undefined;
  /** Answers with the proof of another event than was asked for. */
  proves: ((index: number) => number) | undefined;
  /** Streams events from this index on, and says of each that no header covers it. */
  withholds: number | undefined;
  /** Ends all streams. */
  cut(): void;
};

/** The worlds of one chain differ in how many events they have, or by `seed` in their keys. */
export const worldOf = (events: number): World => new World({ chainId: "fake", events, seed: 5 });

export const verifierOf = (world: World): FalconVerifier => ({
  name: "noble",
  verify: (signature, message, publicKey) => world.ring.verify({ signature, message, publicKey }),
});

/** The trust of who knows the chain's first validators. */
export const checkpointOf = (world: World): string =>
  formatCheckpoint({
    chainId: world.chainId,
    genesisHash: world.genesisHash,
    epoch: 0,
    setHash: world.trust.setHash,
    height: 1,
    blockHash: new Uint8Array(32),
    timeMs: 0,
  });

export const startFakeNode = async (start: World, startHeight: number): Promise<FakeNode> => {
  let world = start;
  let height = startHeight;
  let proofs = 0;
  const genesis = toHex(world.genesisHash);
  const { chainId } = world;
  const streams = new Set<{ response: ServerResponse; next: number }>();

  const bundleOf = (claim: Claim, at = height) => {
    const set = world.sets[0];
    if (set === undefined) throw new Error("no set");
    const header = {
      ...world.header,
      height: at,
      executedHeight: at - 1,
      timeMs: 2e12 + at,
    };
    return bundleJson(world.bundle(claim, [world.link(set, header)]));
  };

  const pump = (stream: { response: ServerResponse; next: number }): void => {
    for (; stream.next < world.entries.length; stream.next++) {
      const entry = world.entries[stream.next];
      if (entry === undefined) continue;
      const event = entryJson(entry, FORMATS, () => 1.9e12) as Record<string, unknown>;
      const sent = node.forge === undefined ? event : node.forge(event);
      if (sent !== undefined) {
        stream.response.write(`id: ${entry.index}\ndata: ${JSON.stringify(sent)}\n\n`);
      }
    }
    const { next } = stream;
    const data = JSON.stringify({ genesisHash: genesis, height, logSize: next, next });
    stream.response.write(`id: ${next - 1}\nevent: checkpoint\ndata: ${data}\n\n`);
  };

  const server = await serve((request, response) => {
    const url = new URL(request.url ?? "/", "http://[::1]");
    const logSize = world.entries.length;
    if (url.pathname === "/v1/status") {
      const executedHeight = height - 1;
      return json(response, genesis, {
        chainId,
        genesisHash: genesis,
        executedHeight,
        logSize: node.says ?? logSize,
      });
    }
    if (url.pathname === "/v1/events/stream") {
      const last = request.headers["last-event-id"];
      response.writeHead(200, { "content-type": "text/event-stream", "ledger-genesis": genesis });
      const next =
        typeof last === "string" ? Number(last) + 1 : Number(url.searchParams.get("from"));
      const stream = { response, next };
      streams.add(stream);
      response.on("close", () => streams.delete(stream));
      return pump(stream);
    }
    const index = /^\/v1\/events\/([0-9]+)$/.exec(url.pathname)?.[1];
    if (index !== undefined && url.searchParams.get("proof") === "true") {
      proofs += 1;
      const at = node.proves?.(Number(index)) ?? Number(index);
      if (at >= (node.withholds ?? Number.POSITIVE_INFINITY)) {
        return json(response, genesis, { code: "proof.pending", detail: "not yet" }, 503);
      }
      const claim: Claim = at < logSize ? world.events(at).claim : { kind: "no-event", index: at };
      return json(response, genesis, bundleOf(claim));
    }
    if (url.pathname.startsWith("/v1/projections/") && node.page !== undefined) {
      proofs += 1;
      const { claim, at } = node.page(url.searchParams);
      return json(response, genesis, bundleOf(claim, at));
    }
    json(response, genesis, { code: "http.not-found", detail: "nothing here" }, 404);
  });
  const node: FakeNode = {
    ...server,
    genesisHash: genesis,
    forge: undefined,
    page: undefined,
    says: undefined,
    withholds: undefined,
    proves: undefined,
    proofs: () => proofs,
    show(next, at) {
      world = next;
      height = at;
      for (const stream of streams) pump(stream);
    },
    cut() {
      for (const { response } of streams) response.destroy();
    },
  };
  return node;
};
