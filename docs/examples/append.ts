// Writes two records and says what became of them.
import { base64, createClient } from "tetrad/client";
import { fileKeeper, fileSigner } from "tetrad/client/node";
import { baseUrl, genesis, keyFile, passphrase } from "./network.ts";

const client = createClient({ baseUrl, trust: { genesis } });
const signer = await fileSigner(keyFile, passphrase);

const results = await client.append(
  [
    { type: "record.put", data: { topic: "notes", key: "first", body: base64("hello") } },
    { type: "record.put", data: { topic: "notes", key: "second", body: base64("world") } },
  ],
  // What is signed is kept until its outcome is known: run this again after a crash, and nothing is lost
  // and nothing is written twice.
  { signer, keeper: fileKeeper("kept-batches") },
);
for (const { index, height, outcome } of results) {
  console.log(`event ${index} at height ${height}: ${outcome?.kind}`);
}
