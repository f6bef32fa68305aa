// SPDX-License-Identifier: Apache-2.0
// The listener for metrics alone.
import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { startServer, within } from "./harness.mjs";

async function scraped(server) {
  const line = await server.waitForLine(/server\.metrics listen=/);
  return `http://${line.match(/listen="?([^\s"]+)/)[1]}`;
}

/** All that comes over a bare connection until its end. */
const said = (server, text) => within("the end", new Promise((resolve) => {
  let answer = "";
  const socket = net.connect(server.port, "127.0.0.1", () => socket.write(text));
  socket.on("data", (bytes) => (answer += bytes)).on("error", () => {}).on("close", () => resolve(answer)); // what is not read is reset
}));

test("with proxy_protocol, metrics need no PROXY header", async (t) => {
  const server = await startServer(t, { set: { "net.proxy_protocol": true, "net.trusted_proxies": ["127.0.0.1"], "metrics.listen": "127.0.0.1:0" } });
  const url = await scraped(server);
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^stoa_connections \d+$/m);
  assert.equal((await (await fetch(`${url}/health`)).json()).status, "ok");
  assert.equal(await said(server, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), "");
  assert.match(await said(server, "PROXY TCP4 127.0.0.2 127.0.0.1 1 2\r\nGET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), /^HTTP\/1\.1 200 /);
});

test("it serves only metrics and health, with a token", async (t) => {
  const server = await startServer(t, { set: { "metrics.listen": ["127.0.0.1:0", "127.0.0.3:0"], "metrics.token": "a token of sixteen" } });
  const url = (await scraped(server)).split(",")[0];
  for (const path of ["/", "/socket.io/?EIO=4&transport=polling", "/ws", "/api/channels/lobby"]) assert.equal((await fetch(url + path)).status, 404, path);
  assert.equal((await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { method: "POST", body: "x" })).status, 413);
  assert.equal((await fetch(`${url}/metrics`)).status, 401);
  assert.equal((await fetch(`${url}/metrics`, { headers: { authorization: "Bearer a token of sixteen" } })).status, 200);
});

test("metrics are served while all connections are taken", async (t) => {
  const server = await startServer(t, { set: { "limits.connections": 1, "metrics.listen": "127.0.0.1:0" } });
  const socket = net.connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  const url = await scraped(server);
  for (let i = 0; i < 3; i++) assert.equal((await fetch(`${url}/metrics`, { headers: { connection: "close" } })).status, 200);
});
