// Where the other examples find the development network that `npx nexus dev` runs in this folder. With a
// network of your own: the genesis that your organisation has agreed to, and addresses of its nodes.
import { existsSync, readFileSync } from "node:fs";

type DevRecord = { readonly nodes: readonly { readonly api: string }[] };

const dir = process.env["NEXUS_DIR"] ?? ".tetrad";
if (!existsSync(`${dir}/dev.json`)) {
  console.error(`${dir} has no development network: name its folder with NEXUS_DIR`);
  process.exit(1);
}
const record = JSON.parse(readFileSync(`${dir}/dev.json`, "utf8")) as DevRecord;

/** Every node: a client asks the first that can answer. */
export const baseUrl: readonly string[] = record.nodes.map((node) => `http://${node.api}`);

export const genesis: string = readFileSync(`${dir}/genesis.json`, "utf8");

export const keyFile: string = `${dir}/operator/operator.key`;
export const passphrase: string = readFileSync(`${dir}/operator/passphrase`, "utf8").trim();
