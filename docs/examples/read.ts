// Reads an event, a row and an absence, each with its proof, and remembers what was verified.
import { createClient } from "tetrad/client";
import { fileStore } from "tetrad/client/node";
import { baseUrl, genesis } from "./network.ts";

const client = createClient({
  baseUrl,
  trust: { genesis },
  // A later run of this program finds out when it is shown another history than this one.
  stateStore: fileStore("trust-state.json"),
});

const event = await client.event(0);
console.log(`event 0 is a ${event?.type}, verified: ${event?.verified}`);

const row = await client.row("records", "notes/first");
console.log(`notes/first is ${JSON.stringify(row.value)} after height ${row.height}`);

const none = await client.row("records", "notes/nowhere");
console.log(`notes/nowhere is there: ${none.value !== undefined}, verified: ${none.verified}`);

const head = await client.head();
console.log(`verified up to height ${head?.height}, ${head?.logSize} events`);
