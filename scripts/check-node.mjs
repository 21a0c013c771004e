// Refuses to run the tests on a Node that is too old: a silent fall-back to another runtime would make
// their result worthless. bin/nexus.js has the same check for the command.
const NEEDED_MAJOR = 24;
if (!(Number.parseInt(process.versions.node, 10) >= NEEDED_MAJOR)) {
  console.error(
    `Node ${NEEDED_MAJOR} or newer is needed; this is ${process.version} (${process.execPath}).\n` +
      "On Linux x64 `npm ci` brings one; elsewhere install it from https://nodejs.org.",
  );
  process.exit(1);
}
