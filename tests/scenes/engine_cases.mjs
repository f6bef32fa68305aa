// SPDX-License-Identifier: Apache-2.0
// What must hold at any path that speaks Engine.IO v4: the cases that both official suites have.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./harness.mjs";

const PING_INTERVAL_MS = 300, PING_TIMEOUT_MS = 200;

// The settings in tests/conformance/stoa.lua.
const openPacket = (upgrades) => ({ upgrades, pingInterval: PING_INTERVAL_MS, pingTimeout: PING_TIMEOUT_MS, maxPayload: 1000000 });

async function isGone(engine, sid) {
  assert.equal((await engine.poll(sid)).status, 400);
}

function handshakes(engine) {
  test("polling opens a session that offers WebSocket", async () => {
    const { status, body } = await engine.request({ EIO: 4, transport: "polling" });
    assert.equal(status, 200);
    assert.equal(body[0], "0");
    const { sid, ...rest } = JSON.parse(body.slice(1));
    assert.equal(typeof sid, "string");
    assert.deepEqual(rest, openPacket(["websocket"]));
  });

  test("WebSocket opens a session that offers nothing more", async (t) => {
    const frame = await engine.websocket(t).next();
    assert.equal(frame[0], "0");
    const { sid, ...rest } = JSON.parse(frame.slice(1));
    assert.equal(typeof sid, "string");
    assert.deepEqual(rest, openPacket([]));
  });

  for (const [what, query] of Object.entries({
    "no EIO": { transport: "polling" },
    "EIO=abc": { EIO: "abc", transport: "polling" },
    "EIO=3": { EIO: 3, transport: "polling" },
    "no transport": { EIO: 4 },
    "an unknown transport": { EIO: 4, transport: "abc" },
    "an unknown sid": { EIO: 4, transport: "polling", sid: "nobody" },
  })) {
    test(`a request with ${what} is refused with 400`, async () => {
      assert.equal((await engine.request(query)).status, 400);
    });
    test(`a WebSocket with ${what} is refused`, async (t) => {
      const { transport, ...others } = query;
      const wire = engine.websocket(t, { EIO: "", ...others, transport: transport === "polling" ? "websocket" : (transport ?? "") });
      await wire.end();
      assert.deepEqual(wire.frames, []);
    });
  }

  for (const method of ["POST", "PUT"]) {
    test(`${method} opens no session`, async () => {
      assert.equal((await engine.request({ EIO: 4, transport: "polling" }, { method })).status, 400);
    });
  }
}

function heartbeats(engine) {
  test("polling is pinged, and stays while it answers", async () => {
      const { sid } = await engine.handshake();
    for (let i = 0; i < 3; i++) {
      const poll = await engine.poll(sid);
      assert.deepEqual([poll.status, poll.body], [200, "2"]);
      assert.equal((await engine.push(sid, "3")).status, 200);
    }
  });

  test("polling that answers no ping is gone", async () => {
      const { sid } = await engine.handshake();
    assert.deepEqual((await engine.poll(sid)).body, "2");
    // A waiting poll is told of the end; a later request finds no session.
    await until("the end of the session", async () => (await engine.poll(sid)).status === 400);
  });

  test("a WebSocket is pinged, and stays while it answers", async (t) => {
    const wire = await engine.session(t);
    for (let i = 0; i < 3; i++) {
      assert.equal(await wire.next(), "2");
      wire.send("3");
    }
    assert.equal(wire.closed, null);
  });

  test("a WebSocket that answers no ping is closed", async (t) => {
    const wire = await engine.session(t);
    const opened_ms = Date.now();
    await wire.end();
    assert.deepEqual(wire.frames.slice(1), ["2"]);
    assert.ok(Date.now() - opened_ms >= PING_INTERVAL_MS, "not before its ping");
  });
}

function endings(engine) {
  test("a close over polling ends the waiting poll with a noop", async () => {
      const { sid } = await engine.handshake();
    const [poll] = await Promise.all([engine.poll(sid), engine.push(sid, "1")]);
    assert.deepEqual([poll.status, poll.body], [200, "6"]);
    await isGone(engine, sid);
  });

  test("a WebSocket that says it closes is closed", async (t) => {
    const wire = await engine.session(t);
    await wire.send("1").end();
  });
}

function upgrades(engine) {
  test("a probe is answered, and ends the waiting poll", async (t) => {
      const { sid } = await engine.handshake();
    const wire = engine.websocket(t, { sid });
    await wire.opened();
    assert.equal(await wire.send("2probe").next(), "3probe");
    const poll = await engine.poll(sid);
    assert.deepEqual([poll.status, poll.body], [200, "6"]);
    assert.equal(await wire.send("5").next(), "2", "the session goes on over the WebSocket");
  });

  test("after an upgrade polling is refused and the WebSocket stays", async (t) => {
      const { sid } = await engine.handshake();
    const wire = await engine.upgrade(t, sid);
    await isGone(engine, sid);
    assert.equal(await wire.next(), "2");
  });

  test("after an upgrade a second WebSocket is closed and the first stays", async (t) => {
      const { sid } = await engine.handshake();
    const wire = await engine.upgrade(t, sid);
    const second = engine.websocket(t, { sid });
    await second.end();
    assert.deepEqual(second.frames, []);
    assert.equal(await wire.next(), "2");
  });
}

export function engineCases(engine) {
  handshakes(engine);
  heartbeats(engine);
  endings(engine);
  upgrades(engine);
}
