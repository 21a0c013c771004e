/**
 * Loaded into a validator before its own script (`node --import`): moves chunks over the class bulk when the
 * benchmark's process says so, beside whatever else uses the class. The receiver hashes each chunk, as a fetcher
 * of objects does, off the main thread.
 */
import { webcrypto } from "node:crypto";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";
import type { PeerId } from "../../src/ledger/ports.ts";
import type { BulkPort, BulkUser } from "../../src/transport/bulk.ts";
import type { QuicTransport } from "../../src/transport/quic-transport.ts";
import type { BulkFigures, BulkOrder } from "./orders.ts";

const CHUNK_BYTES = 1024 * 1024;
/** First byte of a frame of this benchmark: nobody else's frames begin with it. */
const MARK = 0xb1;

const NS_PER_MS = 1e6;

class BulkLoad {
  readonly #transport: QuicTransport;
  readonly #port: BulkPort;
  readonly #chunk: Uint8Array = new Uint8Array(CHUNK_BYTES);
  readonly #delay = monitorEventLoopDelay({ resolution: 2 });
  /** Who gets the frames that are not ours. */
  other: BulkUser | undefined;
  #to: PeerId | undefined;
  #received = 0;
  #hashed = 0;

  constructor(transport: QuicTransport) {
    this.#transport = transport;
    this.#chunk.fill(7);
    this.#chunk[0] = MARK;
    this.#port = transport.bulk({
      peerUp: (peer) => this.other?.peerUp(peer),
      peerDown: (peer) => this.other?.peerDown(peer),
      frame: (peer, bytes) => this.#frame(peer, bytes),
      drained: (peer) => {
        this.#fill();
        this.other?.drained(peer);
      },
      secured: (peer) => this.other?.secured?.(peer),
      note: (peer, bytes) => this.other?.note?.(peer, bytes),
    });
    this.#delay.enable();
  }

  get port(): BulkPort {
    return this.#port;
  }

  obey(order: BulkOrder): BulkFigures {
    const { to } = order;
    this.#to = this.#transport.peerFigures().find(({ address }) => address === to)?.id;
    this.#fill();
    const ms = (ns: number): number => ns / NS_PER_MS;
    const figures: BulkFigures = {
      order: order.number,
      received: this.#received,
      hashed: this.#hashed,
      loopMs: {
        p50: ms(this.#delay.percentile(50)),
        p99: ms(this.#delay.percentile(99)),
        max: ms(this.#delay.max),
      },
    };
    this.#delay.reset();
    return figures;
  }

  #fill(): void {
    if (this.#to === undefined) return;
    while (this.#port.send(this.#to, this.#chunk)) {
      // Until the queue is full: `drained` goes on.
    }
  }

  #frame(peer: PeerId, bytes: Uint8Array): void {
    if (bytes[0] !== MARK) {
      this.other?.frame(peer, bytes);
      return;
    }
    this.#received += bytes.length;
    void webcrypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>).then(() => {
      this.#hashed += bytes.length;
    });
  }
}

if (isMainThread) {
  const { Mesh } = await import("../../src/transport/mesh.ts");
  const create = Mesh.create.bind(Mesh);
  Mesh.create = async (options) => {
    const mesh = await create(options);
    const load = new BulkLoad(mesh);
    mesh.bulk = (user) => {
      load.other = user;
      return load.port;
    };
    process.on("message", (message) => {
      const order = message as Partial<BulkOrder>;
      if (order.bulk === true) process.send?.(load.obey(order as BulkOrder));
    });
    return mesh;
  };
}
