// Follows the log from where the last run of this program stopped. Ends after a second without anything new.
import { createClient } from "tetrad/client";
import { fileStore } from "tetrad/client/node";
import { baseUrl, genesis } from "./network.ts";

const client = createClient({ baseUrl, trust: { genesis } });
const quiet = new AbortController();
let timer = setTimeout(() => quiet.abort(), 5_000);

try {
  for await (const event of client.events({
    types: ["record.*"],
    checkpointStore: fileStore("position.json"),
    signal: quiet.signal,
  })) {
    console.log(event.index, event.type, event.outcome.kind, event.data);
    clearTimeout(timer);
    timer = setTimeout(() => quiet.abort(), 1_000);
  }
} catch (error) {
  // The loop ends with the signal's reason; anything else is an error.
  if (!quiet.signal.aborted) throw error;
}
