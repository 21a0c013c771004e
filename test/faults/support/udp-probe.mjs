// Says whether anything takes datagrams at an address: "refused" where the system answers that nothing does,
// "silent" where a socket swallows what it cannot read. udp-probe.mjs udp4|udp6 HOST PORT
import { createSocket } from "node:dgram";

const [, , type, host, port] = process.argv;
const socket = createSocket(type);
const say = (text) => {
  process.stdout.write(`${text}\n`);
  process.exit(0);
};
socket.on("error", (error) => say(error.code === "ECONNREFUSED" ? "refused" : error.code));
socket.connect(Number(port), host, () => {
  let sent = 0;
  const timer = setInterval(() => {
    socket.send("x", (error) => {
      if (error) say(error.code === "ECONNREFUSED" ? "refused" : error.code);
    });
    sent += 1;
    if (sent === 10) {
      clearInterval(timer);
      say("silent");
    }
  }, 100);
});
