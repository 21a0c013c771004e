// Puts a stream as an object at one node, gets it from another one, and believes neither.
import { createClient, type Objects } from "tetrad/client";
import { fileSigner, getFile } from "tetrad/client/node";
import { baseUrl, genesis, keyFile, passphrase } from "./network.ts";

const at = (base: string | undefined): Objects =>
  createClient({ baseUrl: base ?? "", trust: { genesis } }).objects;
const [first, second] = baseUrl;

async function* lines(): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 5_000; i++) yield new TextEncoder().encode(`line ${i}\n`);
}

const signer = await fileSigner(keyFile, passphrase);
const { root, length } = await at(first).put(lines(), { signer });
console.log(`${root}: ${length} bytes, kept by another node`);

const got = await getFile(at(second), root, "object.txt", {
  onProgress: ({ bytes, totalBytes }) => console.error(`${bytes} of ${totalBytes} bytes`),
});
console.log(`object.txt has ${got.length} bytes, each held against the name`);

const { checked, damaged } = await at(first).verify(root);
console.log(`${checked} of ${got.chunks} chunks checked at the node, ${damaged.length} damaged`);
