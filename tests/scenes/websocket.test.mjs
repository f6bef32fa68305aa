// SPDX-License-Identifier: Apache-2.0
// Raw WebSocket endpoints of scripts, and clients that were written for other servers.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { file, newFolder, root, startServer, until } from "./harness.mjs";
import { person } from "./people.mjs";
import { Wire } from "./raw.mjs";

const folder = newFolder(file);
const key = path.join(folder, "key.pem"), certificate = path.join(folder, "certificate.pem");
execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
  "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], { stdio: "ignore" });
const ca = readFileSync(certificate);
const set = { scripts: [path.join(root, "scripts/auth.lua"), path.join(root, "tests/scenes/endpoints.lua")], "limits.connects": false };
const server = await startServer(file, { set });
const secure = await startServer(file, { set: { ...set, "tls.certificate": certificate, "tls.key": key } });
secure.url = secure.url.replace("http:", "https:");

const ends = []; // the ends that the script was told of

/** Takes an end with that code from what the script was told. */
function told(code) {
  return until(`the script is told of ${code}`, async () => {
    ends.push(...(await (await fetch(`${server.url}/heard`)).json()));
    const place = ends.findIndex((end) => end.code === code);
    return place >= 0 && ends.splice(place, 1)[0];
  });
}

for (const [what, at] of Object.entries({ plain: server, TLS: secure })) {
  test(`text and bytes come back as they were, ${what}, compressed or not`, async (t) => {
    for (const perMessageDeflate of [false, true]) {
      const wire = new Wire(t, `${at.url}/echo`, { ca, perMessageDeflate });
      assert.equal(await wire.next(), "welcome nil /echo");
      assert.equal(wire.socket.extensions, perMessageDeflate ? "permessage-deflate" : "");
      const big = "é".repeat(400_000);
      wire.send("hello", Buffer.from([0, 255]), "", big);
      assert.equal(await wire.next(), "hello");
      assert.deepEqual(await wire.next(), Buffer.from([0, 255]));
      assert.equal(await wire.next(), "");
      assert.equal(await wire.next(), big);
    }
  });
}

test("the client's first subprotocol in the script's list is chosen", async (t) => {
  const socket = connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write("GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: v3\r\n" +
    "Sec-WebSocket-Protocol: v1, v2\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  const [first] = await once(socket, "data");
  assert.match(first.toString("latin1"), /^HTTP\/1\.1 101 [^]*\r\nsec-websocket-protocol: v1\r\n\r\n\x81\x10welcome v1 \/echo$/,
    "what open sends leaves with the answer to the handshake");
});

test("a connection that `open` refuses is closed with 1008", async (t) => {
  const wire = new Wire(t, `${server.url}/echo?refused=1`);
  assert.deepEqual(await wire.end(), { code: 1008, reason: "not you" });
  const later = new Wire(t, `${server.url}/door`);
  await later.opened();
  later.send("4008");
  await told(4008);
  assert.ok(!ends.some(({ code }) => code === 1008), "no script hears of the end of whom it refused");
});

test("both sides get the other one's close code and reason", async (t) => {
  const alice = new Wire(t, `${server.url}/door`);
  await alice.opened();
  alice.socket.close(4321, "good night");
  assert.deepEqual(await alice.end(), { code: 4321, reason: "good night" });
  assert.deepEqual(await told(4321), { code: 4321, reason: "good night" });
  const bob = new Wire(t, `${server.url}/door`);
  await bob.opened();
  bob.send("4001");
  assert.deepEqual(await bob.end(), { code: 4001, reason: "so be it" });
  assert.deepEqual(await told(4001), { code: 4001, reason: "so be it" });
  const carol = new Wire(t, `${server.url}/door`);
  await carol.opened();
  carol.socket.terminate();
  assert.deepEqual(await told(1006), { code: 1006, reason: "" });
});

test("the endpoint's limit holds, and invalid text is refused", async (t) => {
  for (const [message, code] of [["x".repeat(1_000_001), 1009], [Buffer.from([0xff]), 1007]]) {
    const wire = new Wire(t, `${server.url}/echo`);
    await wire.next();
    wire.socket.send(message, { binary: false });
    assert.equal((await wire.end()).code, code);
  }
});

test("a foreign page and plain HTTP requests are refused", async (t) => {
  const wire = new Wire(t, `${server.url}/echo`, { origin: "https://evil.example" });
  assert.deepEqual(await wire.end(), { status: 403 });
  assert.equal((await fetch(`${server.url}/echo`)).status, 426);
  const below = new Wire(t, `${server.url}/echo/below`);
  assert.deepEqual(await below.end(), { status: 404 });
});

test("a client that answers no ping is closed, others stay", async (t) => {
  const alive = new Wire(t, `${server.url}/pings`);
  let pings = 0;
  alive.socket.on("ping", () => pings++);
  const dead = new Wire(t, `${server.url}/pings`, { autoPong: false });
  assert.deepEqual(await dead.end(), { code: 1000, reason: "ping timeout" });
  assert.deepEqual(await told(1000), { code: 1000, reason: "ping timeout" });
  await until("some pings", () => pings > 8);
  assert.equal(alive.closed, null);
});

test("a client that does not read is closed, others are served meanwhile", async (t) => {
  const slow = new Wire(t, `${server.url}/flood`);
  await slow.opened();
  slow.socket.pause();
  slow.send("100000");
  const alice = new Wire(t, `${server.url}/echo`);
  await alice.next();
  alice.send("still here?");
  assert.equal(await alice.next(), "still here?");
  assert.deepEqual(await told(1013), { code: 1013, reason: "slow_consumer" });
});

test("a room holds clients of both kinds", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = new Wire(t, `${server.url}/feed`), carol = new Wire(t, `${server.url}/feed`);
  await Promise.all([alice.ask("join"), bob.opened(), carol.opened()]);
  bob.send("hello", Buffer.from([1, 2]));
  for (const wire of [bob, carol]) {
    assert.equal(await wire.next(), "hello");
    assert.deepEqual(await wire.next(), Buffer.from([1, 2]));
  }
  assert.equal(await alice.next("message"), "hello");
  assert.deepEqual(await alice.next("message"), Buffer.from([1, 2]));
});

test("clients are told to reconnect when the server shuts down", async (t) => {
  const going = await startServer(t, { set });
  const wire = new Wire(t, `${going.url}/echo`);
  await wire.next();
  await going.stop();
  const { code, reason } = await wire.end();
  assert.equal(code, 1012);
  assert.match(reason, /^\{"retryAfterMs":\d+\}$/);
});
