// What an administrator does who wants other words in the database of a node, and nobody to notice: it changes
// a record in the copy of a stopped node's database and gives the row a fresh checksum, so that a node would
// start on it and serve it. docs/audit.md uses it to show what an audit says. Never on a folder that you need.
//
//     node change-row.mjs DB TOPIC/KEY OLD NEW       OLD and NEW of one length
import { crc32 } from "node:zlib";
import { Level } from "level";

const [db, record = "", old = "", fresh = ""] = process.argv.slice(2);
const slash = record.indexOf("/");
if (db === undefined || slash < 1 || old === "" || Buffer.byteLength(old) !== Buffer.byteLength(fresh)) {
  console.error("usage: node change-row.mjs DB TOPIC/KEY OLD NEW, the last two of one length");
  process.exit(1);
}

// A row of the projection: its name, and then topic and key, each with two zero bytes behind it.
const key = Buffer.from(`r/records/${record.slice(0, slash)}\0\0${record.slice(slash + 1)}\0\0`);
const store = new Level(db, { keyEncoding: "buffer", valueEncoding: "buffer", createIfMissing: false });
await store.open();
const row = await store.get(key);
// The last four bytes are the checksum over key and value.
const value = row?.subarray(0, -4);
const at = value?.lastIndexOf(old) ?? -1;
if (value === undefined || at < 0) {
  console.error(`${db} has no record ${record} with "${old}" in it`);
  process.exitCode = 1;
} else {
  value.write(fresh, at);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(value, crc32(key)));
  await store.put(key, Buffer.concat([value, checksum]));
  console.log(`${record} says "${fresh}" instead of "${old}" in ${db}, with a fresh checksum`);
}
await store.close();
