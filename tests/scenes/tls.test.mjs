// SPDX-License-Identifier: Apache-2.0
// Over TLS, everything works as without TLS.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import { test } from "node:test";
import tls from "node:tls";
import { file, newFolder, startServer, until } from "./harness.mjs";
import { person } from "./people.mjs";

const folder = newFolder(file);
const key = path.join(folder, "key.pem"), certificate = path.join(folder, "certificate.pem");
execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
  "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], { stdio: "ignore" });
const ca = readFileSync(certificate);
const server = await startServer(file, { set: { "tls.certificate": certificate, "tls.key": key } });
const secure = { ...server, url: server.url.replace("http:", "https:") };

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  test(`people chat over ${transports}`, async (t) => {
    const channel = transports.join("-");
    const alice = await person(t, secure, "alice", { transports, ca });
    const bob = await person(t, secure, "bob", { transports, ca });
    await alice.join(channel);
    await bob.join(channel);
    await until("the transport", () => alice.transport === transports.at(-1));
    const content = "x".repeat(200_000);
    assert.equal((await alice.send(channel, content)).ok, true);
    assert.equal((await bob.next("message:new")).content, content);
  });
}

test("pages and health come over TLS", async () => {
  for (const place of ["/health", "/"]) {
    const status = await new Promise((resolve, reject) => https.get(secure.url + place, { ca }, (reply) => {
      reply.resume();
      resolve(reply.statusCode);
    }).on("error", reject));
    assert.equal(status, 200);
  }
});

test("TLS before 1.2 is refused, 1.2 and 1.3 are spoken", async () => {
  const shake = (version) => new Promise((resolve) => {
    const socket = tls.connect({ host: "127.0.0.1", port: server.port, ca, minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" }, () => {
      resolve(socket.getProtocol());
      socket.destroy();
    });
    socket.on("error", () => resolve(null));
  });
  assert.deepEqual(await Promise.all(["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"].map(shake)), [null, null, "TLSv1.2", "TLSv1.3"]);
});

test("plain HTTP at a TLS port gets no service", async (t) => {
  const status = await fetch(`${server.url}/health`).then((reply) => reply.status, () => "cut");
  assert.ok(status === "cut" || status >= 400, `answered ${status}`);
  const alice = await person(t, secure, "alice", { ca });
  assert.equal((await alice.ask("channel:list")).ok, true);
});
