/** The peer: fastify's own hello-world, in a process of its own. Prints the port. */
import { fastify } from "fastify";

const app = fastify();
app.get("/", async () => ({ hello: "world" }));
await app.listen({ host: "::1", port: 0, ipv6Only: true });
const address = app.server.address();
process.stdout.write(`${typeof address === "object" ? address?.port : 0}\n`);
process.on("SIGTERM", () => process.exit());
// The benchmark has ended, in whatever way.
process.on("disconnect", () => process.exit());
