// SPDX-License-Identifier: Apache-2.0
// Engine.IO v4 at a bare path: every case of the official suite, in our own words, and what it leaves out.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { engineCases } from "./engine_cases.mjs";
import { file, startServer, until } from "./harness.mjs";
import { Engine } from "./raw.mjs";

const PATH = "/engine.io/";
const server = await startServer(file, { config: "tests/conformance/stoa.lua" });
const engine = new Engine(server, PATH);

engineCases(engine);

test("the open packet comes together with the WebSocket's handshake answer", async (t) => {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  socket.write(
    `GET ${PATH}?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  const [first] = await once(socket, "data");
  assert.match(first.toString("latin1"), /^HTTP\/1\.1 101 [^]*\r\n\r\n\x81..?.?0\{"sid":"/);
});

for (const [what, payload] of Object.entries({
  "a text packet": "4hello",
  "several text packets": "4test1\x1e4test2\x1e4test3",
  "text and binary packets": "4hello\x1ebAQIDBA==",
  "text beyond ASCII": "4grüße 👋 \u2028",
})) {
  test(`polling brings ${what} back unchanged`, async () => {
    const { sid } = await engine.handshake();
    const push = await engine.push(sid, payload);
    assert.deepEqual([push.status, push.body], [200, "ok"]);
    const poll = await engine.poll(sid);
    assert.deepEqual([poll.status, poll.body], [200, payload]);
  });
}

test("polling that sends invalid packets is closed", async () => {
  const { sid } = await engine.handshake();
  const status = await engine.push(sid, "abc").then((push) => push.status, () => "closed");
  assert.ok([400, "closed"].includes(status), `answered ${status}`);
  assert.equal((await engine.poll(sid)).status, 400);
});

test("a second poll at a time ends the session for both", async () => {
  const { sid } = await engine.handshake();
  const polls = await Promise.all([engine.poll(sid), engine.poll(sid)]);
  polls.sort((a, b) => a.status - b.status);
  assert.deepEqual([polls[0].status, polls[0].body, polls[1].status], [200, "1", 400]);
  assert.equal((await engine.poll(sid)).status, 400);
});

test("an aborted poll ends the session", async () => {
  const { sid } = await engine.handshake();
  const giveUp = new AbortController();
  const poll = engine.poll(sid, { signal: giveUp.signal }).catch((error) => error.name);
  // Nothing shows when the server holds the poll, but requests sent before it are answered before it.
  await engine.request({ EIO: 4, transport: "polling" });
  giveUp.abort();
  assert.equal(await poll, "AbortError");
  await until("the end of the session", async () => (await engine.poll(sid)).status === 400);
});

test("a body beyond maxPayload is refused with 413 and the session stays", async () => {
  const { sid } = await engine.handshake();
  assert.equal((await engine.push(sid, `4${"x".repeat(1_000_001)}`)).status, 413);
  assert.equal((await engine.push(sid, "4still here")).status, 200);
  assert.equal((await engine.poll(sid)).body, "4still here");
});

test("a WebSocket brings text back unchanged", async (t) => {
  const wire = await engine.session(t);
  assert.equal(await wire.send("4hello").nextButPing(), "4hello");
});

test("a WebSocket brings binary back unchanged", async (t) => {
  const wire = await engine.session(t);
  const bytes = Buffer.from([0, 1, 2, 255]);
  assert.deepEqual(await wire.send(bytes).nextButPing(), bytes);
});

test("a WebSocket whose client has no binary frames sends binary as base64", async (t) => {
  const wire = await engine.session(t);
  assert.deepEqual(await wire.send("bAAEC/w==").nextButPing(), Buffer.from([0, 1, 2, 255]));
});

test("a WebSocket that sends invalid packets is closed", async (t) => {
  const wire = await engine.session(t);
  await wire.send("abc").end();
});

test("an upgrade keeps the order of what was sent", async (t) => {
  const { sid } = await engine.handshake();
  await engine.push(sid, "4first");
  const wire = await engine.upgrade(t, sid);
  wire.send("4second");
  assert.equal(await wire.nextButPing(), "4first");
  assert.equal(await wire.nextButPing(), "4second");
});

test("a WebSocket cannot take over a session that was opened over WebSocket", async (t) => {
  const wire = engine.websocket(t);
  const { sid } = JSON.parse((await wire.next()).slice(1));
  const thief = engine.websocket(t, { sid });
  await thief.end();
  assert.equal(await wire.send("4mine").nextButPing(), "4mine");
});
