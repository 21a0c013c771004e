// Lists rows, page after page. Lists are the word of the node in this version, so it has to be said.
import { createClient } from "tetrad/client";
import { baseUrl, genesis } from "./network.ts";

const client = createClient({ baseUrl, trust: { genesis } });
for await (const row of client.rows("records", { prefix: "notes", unverified: true })) {
  console.log(row.key, row.value);
}
