// Tells errors apart by their codes, and goes on where one node is gone.
import { createClient, TetradError } from "tetrad/client";
import { baseUrl, genesis } from "./network.ts";

const client = createClient({
  baseUrl: ["http://[::1]:1", ...baseUrl],
  trust: { genesis },
  onFailover: (base, { code }) => console.log(`left ${base}: ${code}`),
});
console.log(`the log has ${(await client.status()).logSize} events`);

try {
  await client.row("records", "no-slash");
} catch (error) {
  if (!(error instanceof TetradError)) throw error;
  console.log(error.code, error.message);
}
