/**
 * Ports as the replica uses them: what a callback throws because the disk cannot be read stops the node
 * with the store's code instead of ending the process, and checks that do not fit a full verifier wait.
 * Any other exception is a mistake in this program and is left to end it loudly.
 */
import { type Failure, fail, TetradError } from "../../errors.ts";
import type { EpochKeyring, Ports, Store, TransportHandler, Verifier } from "../ports.ts";

/** Pause before jobs that a full verifier refused are offered again, milliseconds. */
const VERIFIER_FULL_MS = 50;

/** What a store answers or throws when it cannot read; anything else that is thrown is a mistake in this program. */
export const isStoreFailure = (error: unknown): error is TetradError =>
  error instanceof TetradError && error.code.startsWith("store.");

type Guard = <A extends readonly unknown[]>(callback: (...args: A) => void) => (...args: A) => void;

const guardKeyring = (keyring: EpochKeyring, guard: Guard): EpochKeyring => ({
  held: () => keyring.held(),
  erase: (epoch) => keyring.erase(epoch),
  make: (epoch, done) => keyring.make(epoch, guard(done)),
  sign: (publicKey, message, done) => keyring.sign(publicKey, message, guard(done)),
});

export const guardPorts = (ports: Ports, failed: (failure: Failure) => void): Ports => {
  const guard =
    <A extends readonly unknown[]>(callback: (...args: A) => void) =>
    (...args: A): void => {
      try {
        callback(...args);
      } catch (error) {
        if (!isStoreFailure(error)) throw error;
        failed(fail(error.code, error.message, error.data));
      }
    };
  const guardReads = (reads: Pick<Store, "get" | "range">): Pick<Store, "get" | "range"> => ({
    get: (key) => reads.get(key),
    range: (range, done) => reads.range(range, guard(done)),
  });
  const guardStore = (store: Store): Store => ({
    ...guardReads(store),
    write: (ops, options, done) => store.write(ops, options, guard(done)),
    snapshot: () => {
      const snapshot = store.snapshot();
      const { isGone, release } = snapshot;
      return { ...guardReads(snapshot), isGone, release };
    },
    close: (done) => store.close(done),
  });
  const guardHandler = (handler: TransportHandler): TransportHandler => ({
    peerUp: guard((peer) => handler.peerUp(peer)),
    peerDown: guard((peer, reason) => handler.peerDown(peer, reason)),
    frame: guard((peer, trafficClass, bytes) => handler.frame(peer, trafficClass, bytes)),
  });
  const { timers, transport, signer, verifier, checkpointSigner, workProver, revealer } = ports;
  const { epochKeys } = ports;
  /** Offers jobs until the verifier has room for them. */
  const offer = (give: () => void): void => {
    try {
      give();
    } catch (error) {
      if (!(error instanceof TetradError) || error.code !== "node.overloaded") throw error;
      timers.set(VERIFIER_FULL_MS, () => offer(give));
    }
  };
  const verify: Verifier["verify"] = (jobs, priority, done) =>
    offer(() => verifier.verify(jobs, priority, guard(done)));
  const verifyWork: NonNullable<Verifier["verifyWork"]> = (chainId, checks, priority, done) =>
    offer(() => verifier.verifyWork?.(chainId, checks, priority, guard(done)));
  return {
    ...ports,
    timers: { set: (delayMs, callback) => timers.set(delayMs, guard(callback)) },
    store: guardStore(ports.store),
    voteStore: guardStore(ports.voteStore),
    transport: {
      start: (handler) => transport.start(guardHandler(handler)),
      send: (peer, trafficClass, bytes) => transport.send(peer, trafficClass, bytes),
      disconnect: (peer, reason) => transport.disconnect(peer, reason),
      peers: () => transport.peers(),
      know: (members) => transport.know?.(members),
      close: (done) => transport.close(done),
    },
    signer: {
      publicKey: signer.publicKey,
      sign: (message, done) => signer.sign(message, guard(done)),
    },
    verifier: verifier.verifyWork === undefined ? { verify } : { verify, verifyWork },
    ...(workProver === undefined
      ? {}
      : {
          workProver: {
            prove: (chainId, task, done) => workProver.prove(chainId, task, guard(done)),
          },
        }),
    ...(revealer === undefined
      ? {}
      : { revealer: { ...revealer, make: (first, done) => revealer.make(first, guard(done)) } }),
    ...(epochKeys === undefined ? {} : { epochKeys: guardKeyring(epochKeys, guard) }),
    ...(checkpointSigner === undefined
      ? {}
      : {
          checkpointSigner: {
            sign: (messages, done) => checkpointSigner.sign(messages, guard(done)),
            verify: (keys, messages, signatures, done) =>
              checkpointSigner.verify(keys, messages, signatures, guard(done)),
          },
        }),
  };
};
