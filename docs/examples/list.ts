// Lists rows, page after page, each with its proof. That no row was left out is not proven.
import { createClient } from "tetrad/client";
import { baseUrl, genesis } from "./network.ts";

const client = createClient({ baseUrl, trust: { genesis } });
for await (const row of client.rows("records", { prefix: "notes" })) {
  console.log(row.key, row.value, `after height ${row.height}, verified: ${row.verified}`);
}
