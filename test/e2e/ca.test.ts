/** Certificates through the bin, with OpenSSL on the other side: makes requests, judges what comes back. */
import { execFileSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { devNetwork } from "./dev-network.ts";
import { background, nexus, until } from "./support.ts";

const net = devNetwork();
const { dir, folder, run, json } = net;

const file = (name: string): string => join(folder, name);
const openssl = (...args: readonly string[]): string =>
  execFileSync("openssl", args, { cwd: folder, encoding: "utf8", stdio: "pipe" });

const KEYS = {
  rsa: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
  weak: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
  ec: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
  ed: ["-algorithm", "ED25519"],
} as const;

/** A request in a file of this name. */
const request = (name: string, key: string, names: string, ...more: readonly string[]): string => {
  const san = names === "" ? [] : ["-addext", `subjectAltName=${names}`];
  openssl("req", "-new", "-key", `${key}.key`, "-subj", "/", "-out", name, ...san, ...more);
  return file(name);
};

type Signed = {
  request: number;
  event: number;
  ctIndex: number;
  serial: string;
  fingerprint: string;
  names: string[];
  chain: string;
};

beforeAll(async () => {
  for (const [name, args] of Object.entries(KEYS)) {
    openssl("genpkey", ...args, "-out", `${name}.key`);
  }
  await net.start();
});
afterAll(net.end);

describe("nexus ca", () => {
  it("gives the root, which says that it is for development", async () => {
    const root = ["ca", "root", "--out", file("root.pem")];
    await until("the issuer is registered", async () => (await run(...root)).code === 0);
    expect(openssl("x509", "-in", "root.pem", "-noout", "-subject")).toContain("Development CA");
    expect(openssl("verify", "-x509_strict", "-CAfile", "root.pem", "root.pem")).toContain("OK");
    const printed = await run("ca", "root");
    expect(printed.stdout).toBe(readFileSync(file("root.pem"), "utf8"));
  });

  it.each(["rsa", "ec", "ed"])("signs a request with a key of kind %s", async (kind) => {
    const csr = request(`${kind}.csr`, kind, `DNS:${kind}.example.org,IP:2001:db8::1`);
    const out = file(`${kind}.pem`);
    const signed = (await json("ca", "sign", "--csr", csr, "--days", "30", "--out", out)) as Signed;
    expect(signed.names).toEqual([`${kind}.example.org`, "2001:db8::1"]);
    expect(openssl("verify", "-x509_strict", "-CAfile", "root.pem", out)).toContain("OK");
    const purpose = ["-purpose", "sslserver", "-verify_hostname", `${kind}.example.org`];
    expect(openssl("verify", "-CAfile", "root.pem", ...purpose, out)).toContain("OK");
    // A file that is there is not replaced, and no second certificate is asked for.
    const entries = async () => (await run("ct", "tail", "--from", "0", "--no-follow")).stdout;
    const before = await entries();
    const again = await run("ca", "sign", "--csr", csr, "--days", "30", "--out", out);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("is already there")]);
    expect(await entries()).toBe(before);
    const text = openssl("x509", "-in", out, "-noout", "-text");
    expect(text).toContain(`DNS:${kind}.example.org, IP Address:2001:DB8:0:0:0:0:0:1`);
    expect(text).toContain("TLS Web Server Authentication");
    const serial = openssl("x509", "-in", out, "-noout", "-serial").trim();
    expect(serial).toBe(`serial=${signed.serial}`);
    // The certificate is of the key that asked.
    expect(openssl("x509", "-in", out, "-noout", "-pubkey")).toBe(
      openssl("pkey", "-in", `${kind}.key`, "-pubout"),
    );
    const row = (await json("get", "certificates", signed.fingerprint)) as {
      value: { event: number; pem: string };
    };
    expect(row.value.event).toBe(signed.event);
    expect(signed.chain.startsWith(row.value.pem)).toBe(true);
  });

  it("takes DER and standard input, and prints the chain where no file is named", async () => {
    request("der.csr", "ec", "DNS:der.example.org");
    openssl("req", "-in", "der.csr", "-outform", "DER", "-out", "der.der");
    const der = await run("ca", "sign", "--csr", file("der.der"), "--hours", "2");
    expect(der.code, der.stderr).toBe(0);
    expect(der.stdout.match(/BEGIN CERTIFICATE/g)?.length).toBe(2);
    const piped = await nexus(["--dir", dir, "ca", "sign", "--csr", "-"], {
      input: readFileSync(file("der.csr"), "utf8"),
    });
    expect(piped.code, piped.stderr).toBe(0);
  });

  it.each([
    ["an RSA key of 1024 bits", "weak", "DNS:a.org", [], "ca.key-refused"],
    ["SHA-1", "rsa", "DNS:a.org", ["-sha1"], "ca.csr-algorithm"],
    ["an IPv4 address", "ec", "IP:192.0.2.1", [], "ca.name-ipv4"],
    ["a wildcard", "ec", "DNS:*.example.org", [], "ca.name-wildcard"],
    ["no names", "ec", "", [], "ca.name-missing"],
    ["a CA", "ec", "DNS:a.org", ["-addext", "basicConstraints=CA:TRUE"], "ca.csr-extension"],
  ] as const)("refuses %s", async (_what, key, names, more, code) => {
    const refused = await run("ca", "sign", "--csr", request("bad.csr", key, names, ...more));
    expect(refused.stderr).toContain(`error ${code}`);
    expect(refused.code).toBe(1);
    expect(refused.stdout).toBe("");
  });

  it("refuses a wrong signature, bytes behind the request, and what is too large", async () => {
    request("good.csr", "ec", "DNS:a.example.org");
    openssl("req", "-in", "good.csr", "-outform", "DER", "-out", "good.der");
    const good = readFileSync(file("good.der"));
    const tries = [
      [
        Buffer.concat([good.subarray(0, -1), Buffer.of((good.at(-1) ?? 0) ^ 1)]),
        "ca.csr-signature",
      ],
      [Buffer.concat([good, Buffer.of(0)]), "ca.csr-malformed"],
      [good.subarray(0, 50), "ca.csr-malformed"],
      [Buffer.alloc(9000, 0x30), "ca.csr-too-large"],
      [Buffer.from("-----BEGIN CERTIFICATE REQUEST-----\nA\n"), "ca.csr-malformed"],
    ] as const;
    for (const [bytes, code] of tries) {
      writeFileSync(file("bad.der"), bytes);
      const refused = await run("ca", "sign", "--csr", file("bad.der"));
      expect(refused.stderr).toContain(`error ${code}`);
    }
    const missing = await run("ca", "sign", "--csr", file("none.csr"));
    expect(missing.stderr).toContain("cannot be read");
    const unknown = await run("ca", "sign", "--csr", file("good.csr"), "--issuer", "nobody");
    expect(unknown.stderr).toContain("ca.issuer-unknown");
    const both = await run("ca", "sign", "--csr", file("good.csr"), "--days", "1", "--hours", "1");
    expect(both.stderr).toContain("cli.usage");
  });

  it("refuses an actor without the permission, and says so in the log", async () => {
    const home = file("guest");
    const made = await nexus(["--dir", home, "init", "--name", "guest", "--actor"]);
    expect(made.code, made.stderr).toBe(0);
    const { publicKey } = JSON.parse(readFileSync(join(home, "guest.json"), "utf8"));
    const data = JSON.stringify({ publicKey, name: "guest", permissions: ["record.*"] });
    expect((await run("append", "--type", "actor.registered", "--data", data)).code).toBe(0);
    const key = join(home, "keys", "guest.key");
    const csr = request("guest.csr", "ec", "DNS:guest.example.org");
    const refused = await run("ca", "sign", "--csr", csr, "--key", key);
    expect(refused.stderr).toContain("event.forbidden");
    expect(refused.code).toBe(1);
    const ls = (await json("ls", "certificates", "--prefix", "guest.example.org")) as unknown[];
    expect(ls).toEqual([]);
  });

  it("keeps a request while the issuer is down, and gives one certificate for it", async () => {
    const killed = await run("dev", "kill", "a");
    expect(killed.code, killed.stderr).toBe(0);
    const other = ["--api", net.url(1)];
    const csr = request("wait.csr", "ec", "DNS:wait.example.org");
    const sign = ["ca", "sign", "--csr", csr, "--days", "2", "-o", "json"];
    const late = await run(...other, ...sign, "--timeout", "4");
    expect(late.code).toBe(4);
    expect(late.stderr).toContain("run the command again");
    expect((await run("dev", "start", "a")).code).toBe(0);
    const again = await run(...other, ...sign, "--timeout", "60");
    expect(again.code, again.stderr).toBe(0);
    const signed = JSON.parse(again.stdout) as Signed;
    expect(signed.names).toEqual(["wait.example.org"]);
    const found = (await json("ls", "certificates", "--prefix", "wait.example.org")) as unknown[];
    expect(found.length).toBe(1);
  });
});

describe("POST /ca/v1/certificates and its neighbours", () => {
  const at = (path: string): string => `${net.url(2)}${path}`;
  const codeOf = async (response: Response): Promise<string> =>
    ((await response.json()) as { code: string }).code;
  const post = (body: Uint8Array<ArrayBuffer>): Promise<Response> =>
    fetch(at("/ca/v1/certificates"), {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body,
    });

  it("refuse what is no request, and forget nothing that is one", async () => {
    expect(await codeOf(await post(new Uint8Array(20_000)))).toBe("ca.request-shape");
    expect(await codeOf(await post(new Uint8Array(100)))).toBe("encoding.version");
    expect(await codeOf(await fetch(at("/ca/v1/requests/0")))).toBe("ca.request-unknown");
    expect(await codeOf(await fetch(at("/ca/v1/requests/x")))).toBe("http.bad-parameter");
    const [first] = (await json("ls", "certificates")) as { value: { request: number } }[];
    const index = first?.value.request ?? 0;
    const answer = (await (await fetch(at(`/ca/v1/requests/${index}`))).json()) as Signed;
    expect(answer.request).toBe(index);
    const issuers = (await (await fetch(at("/ca/v1/issuers"))).json()) as { items: unknown[] };
    expect(issuers.items.length).toBe(1);
  });
});

describe("a request that reaches the log by another way", () => {
  it("is denied when its key did not sign it, and whoever asks is told so", async () => {
    request("other.csr", "ec", "DNS:other.example.org");
    openssl("req", "-in", "other.csr", "-outform", "DER", "-out", "other.der");
    const csr = readFileSync(file("other.der"));
    csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1;
    const [issuer] = (
      (await (await fetch(`${net.url()}/ca/v1/issuers`)).json()) as {
        items: { issuer: string }[];
      }
    ).items;
    const data = {
      issuer: issuer?.issuer,
      profile: "server",
      lifetimeSeconds: 3600,
      csr: csr.toString("base64"),
    };
    const type = "ca.certificate.requested";
    const [receipt] = (await json(
      ...["append", "--type", type, "--data", JSON.stringify(data)],
    )) as { firstIndex: number }[];
    const asked = await fetch(`${net.url(1)}/ca/v1/requests/${receipt?.firstIndex}`);
    expect(asked.status).toBe(422);
    expect(await asked.json()).toMatchObject({ code: "ca.csr-signature" });
    const row = await json("get", "certificates", `request/${receipt?.firstIndex}`);
    expect(row).toMatchObject({ value: { code: "ca.csr-signature" } });
  });
});

describe("nexus init --issuer", () => {
  it("makes the keys of an issuer beside a node's, and a file for the genesis", async () => {
    const home = file("member");
    const made = await nexus([
      ...["--dir", home, "init", "--name", "m", "--listen", "[::1]:5555", "--issuer"],
    ]);
    expect(made.code, made.stderr).toBe(0);
    for (const key of ["issuer.key", "issuer-ca.key"]) {
      expect(statSync(join(home, "keys", key)).mode & 0o777).toBe(0o600);
    }
    const out = file("genesis.json");
    const files = [join(home, "identity.json"), join(home, "issuer.json")];
    const joined = await nexus(["init", "--join", ...files, "--chain-id", "x-1", "--out", out]);
    expect(joined.code, joined.stderr).toBe(0);
    const { actors } = JSON.parse(readFileSync(out, "utf8"));
    expect(actors).toMatchObject([
      {
        name: "m-issuer",
        permissions: ["ca.certificate.denied", "ca.certificate.issued", "ca.issuer.created"],
      },
    ]);
  });
});

describe("nexus ct tail", () => {
  it("prints the entries in order, each once, and resumes where it is told", async () => {
    const all = await run("ct", "tail", "--no-follow", "-o", "ndjson");
    const entries = all.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: number; names: string[]; fingerprint: string });
    expect(entries.map((entry) => entry.names[0])).toEqual([
      "rsa.example.org",
      "ec.example.org",
      "ed.example.org",
      "der.example.org",
      "der.example.org",
      "wait.example.org",
    ]);
    const third = String(entries[2]?.event);
    const later = await run(
      "ct",
      "tail",
      "--no-follow",
      "--from",
      third,
      "-n",
      "2",
      "-o",
      "ndjson",
    );
    const events = later.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).event);
    expect(events).toEqual(entries.slice(2, 4).map(({ event }) => event));
    const tree = (await json("get", "ct", "tree")) as { value: { size: number } };
    expect(tree.value.size).toBe(entries.length);
    for (const [i, { fingerprint }] of entries.entries()) {
      const entry = (await json("get", "ct", String(i))) as { value: { fingerprint: string } };
      expect(entry.value.fingerprint).toBe(fingerprint);
    }
  });

  it("shows a domain's names only, and nothing but names where asked", async () => {
    const names = await run(
      "ct",
      "tail",
      "--no-follow",
      "--domains-only",
      "--domain",
      "ec.example.org",
    );
    expect(names.stdout).toBe("ec.example.org\n");
    const below = await run(
      "ct",
      "tail",
      "--no-follow",
      "--domains-only",
      "--domain",
      "*.example.org",
    );
    expect(below.stdout.trim().split("\n").length).toBe(6);
    const none = await run("ct", "tail", "--domain", "nobody.example", "--no-follow");
    expect([none.code, none.stdout]).toEqual([0, ""]);
    expect(none.stderr).toMatch(/^no certificate for nobody\.example is among the \d+ events/);
    const wrong = await run("ct", "tail", "--domain", "ex ample");
    expect(wrong.stderr).toContain("cli.usage");
  });

  it("follows", async () => {
    const tail = background(["--dir", dir, "ct", "tail", "--from", "end"]);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const csr = request("live.csr", "ec", "DNS:live.example.org");
    expect((await run("ca", "sign", "--csr", csr)).code).toBe(0);
    await tail.sees("live.example.org");
    expect(await tail.stop()).toBe(0);
  });
});
