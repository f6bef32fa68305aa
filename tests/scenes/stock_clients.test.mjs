// SPDX-License-Identifier: Apache-2.0
// Requests as HTTP clients and proxies of other kinds send them.
import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { file, startServer, within } from "./harness.mjs";
import { Engine, Wire } from "./raw.mjs";

const KEY = "the-back-office";
const server = await startServer(file, { set: { api_keys: [KEY] } });
const engine = new Engine(server, "/socket.io/");

function ask(path, { body, ...options } = {}) {
  return within(`an answer of ${path}`, new Promise((resolve, reject) => {
    const request = http.request(server.url + path, options, async (response) => {
      resolve({ status: response.statusCode, body: (await response.setEncoding("utf8").toArray()).join("") });
    });
    request.on("upgrade", (response, socket) => (socket.destroy(), resolve({ status: response.statusCode })));
    request.on("error", reject);
    for (const part of [body ?? []].flat()) request.write(part);
    request.end();
  }));
}

test("an offer of HTTP/2 is answered in HTTP/1.1, on every route", async () => {
  const headers = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABkAAQCAAAAAAIAAAAA" };
  const authorization = `Bearer ${KEY}`;
  const rows = [["/health", 200], ["/metrics", 200], ["/nothing", 404], ["/socket.io/?EIO=4&transport=polling", 200], ["/ws", 426], ["/api/channels/nowhere", 404]];
  for (const [path, status] of rows) assert.equal((await ask(path, { headers: { ...headers, authorization } })).status, status, path);
  const body = JSON.stringify({ name: "Offered" });
  assert.equal((await ask("/api/channels/offered", { method: "PUT", headers: { ...headers, authorization, "content-length": body.length }, body })).status, 200);
});

test("a WebSocket with unknown subprotocols opens without one", async (t) => {
  for (const path of ["/ws", "/socket.io/?EIO=4&transport=websocket"]) {
    const status = await within("a handshake", new Promise((resolve, reject) => {
      const key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: arduino, mqtt\r\n\r\n";
      const socket = net.connect(server.port, "127.0.0.1", () => socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}`));
      socket.once("data", (bytes) => (socket.destroy(), resolve(bytes.toString()))).on("error", reject);
    }));
    assert.match(status, /^HTTP\/1\.1 101 /);
    assert.doesNotMatch(status, /sec-websocket-protocol/i);
  }
  await new Wire(t, `${server.url}/ws`).opened();
});

test("REST and polling take bodies in chunks", async () => {
  const headers = { authorization: `Bearer ${KEY}`, "transfer-encoding": "chunked" };
  assert.equal((await ask("/api/channels/pieces", { method: "PUT", headers, body: ['{"na', 'me":"Pie', 'ces"}'] })).status, 200);
  assert.match((await ask("/api/channels/pieces", { headers: { authorization: `Bearer ${KEY}` } })).body, /"name":"Pieces"/);
  const { sid } = await engine.handshake();
  const path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  assert.deepEqual(await ask(path, { method: "POST", headers: { "transfer-encoding": "chunked" }, body: ["4", '0{"user":"alice"}'] }), { status: 200, body: "ok" });
  assert.match((await ask(path)).body, /^40/);
});

test("a client that expects 100 gets it or a refusal", async () => {
  const told = (path, headers, body) => within("an answer", new Promise((resolve, reject) => {
    const heard = [];
    const request = http.request(server.url + path, { method: "PUT", headers: { expect: "100-continue", "content-length": body.length, ...headers } });
    request.on("continue", () => (heard.push(100), request.end(body)));
    request.on("response", (response) => (response.resume(), request.destroy(), resolve([...heard, response.statusCode])));
    request.on("error", reject).flushHeaders();
  }));
  const body = JSON.stringify({ name: "Waits", about: "w".repeat(100) });
  assert.deepEqual(await told("/api/channels/waits", { authorization: `Bearer ${KEY}` }, body), [100, 200]);
  assert.deepEqual(await told("/api/channels/waits", { authorization: "Bearer wrong" }, body), [401]);
  assert.deepEqual(await told("/api/channels/waits", { authorization: `Bearer ${KEY}`, "content-length": 9_000_000 }, body), [413]);
});

test("large cookies pass, as far as net.head_bytes says", async (t) => {
  const status = (to, bytes) => new Promise((resolve, reject) => http.get(`${to.url}/health`, { headers: { cookie: "c".repeat(bytes) } }, (response) => resolve(response.resume().statusCode)).on("error", reject));
  assert.equal(await status(server, 12_000), 200);
  assert.equal(await status(server, 17_000), 431);
  const larger = await startServer(t, { set: { "net.head_bytes": 40_000 } });
  assert.equal(await status(larger, 39_000), 200);
  assert.equal(await status(larger, 41_000), 431);
});

test("a connection without a request ends after net.keepalive_ms", async (t) => {
  const brief = await startServer(t, { set: { "net.keepalive_ms": 200 } });
  const ends = await within("the end", new Promise((resolve, reject) => {
    let text = "";
    const socket = net.connect(brief.port, "127.0.0.1", () => socket.write("GET /health HTTP/1.1\r\nHost: a\r\n\r\n"));
    socket.on("data", (bytes) => (text += bytes)).on("error", reject).on("close", () => resolve(text));
  }));
  assert.match(ends, /^HTTP\/1\.1 200 /);
});
