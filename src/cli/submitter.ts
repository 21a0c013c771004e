/** The submitter of a command: with the signing key that its options name, and that key's outbox. */
import { type SubmitOptions, Submitter } from "../client/submit.ts";
import { realClock } from "../node/real-ports.ts";
import type { CliContext } from "./context.ts";
import { openSigningKey } from "./key.ts";
import { openOutbox } from "./outbox.ts";
import { workMeter } from "./work/meter.ts";

type Wanted = {
  readonly client: SubmitOptions["client"];
  readonly wait: SubmitOptions["wait"];
  /** The key file, if one was named. */
  readonly key: string | undefined;
  /** In seconds. */
  readonly timeout: number;
  /** Times the work that the chain asks for; undefined: what the node takes now. */
  readonly effort?: number | undefined;
};

/**
 * Runs `use` with a submitter; the outbox is this command's alone until it ends. Throws what opening the
 * key, the outbox (folder.locked) and the submitter (folder.foreign) throw.
 */
export const withSubmitter = async <T>(
  context: CliContext,
  wanted: Wanted,
  use: (submitter: Submitter) => Promise<T>,
): Promise<T> => {
  const keyFile = context.keyFile(wanted.key);
  const note = (text: string): void => context.note(text);
  const key = await openSigningKey(keyFile, context.env, note);
  const outbox = await openOutbox(keyFile);
  const meter = workMeter(context.terminal);
  try {
    const submitter = await Submitter.open({
      client: wanted.client,
      chain: context.signedChain(),
      key,
      outbox,
      wait: wanted.wait,
      patienceMs: wanted.timeout * 1000,
      signal: context.signal,
      note,
      now: realClock.monotonicMs,
      work: {
        ...meter.options,
        ...(wanted.effort === undefined ? {} : { times: wanted.effort }),
      },
    });
    return await use(submitter);
  } finally {
    meter.end();
    await outbox.close();
  }
};
