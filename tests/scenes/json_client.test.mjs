// SPDX-License-Identifier: Apache-2.0
// Clients without Socket.IO: JSON over a WebSocket at /ws.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer, until } from "./harness.mjs";
import { person } from "./people.mjs";
import { Wire } from "./raw.mjs";

class Plain extends Wire {
  constructor(owner, server, options) {
    super(owner, `${server.url}/ws`, options);
  }

  async say(message) {
    await this.opened();
    this.send(typeof message === "string" ? message : JSON.stringify(message));
    return this;
  }

  async hear() {
    return JSON.parse(await this.next());
  }

  /** The next message of that type, and for events of that name. */
  async hearOf(type, event) {
    for (;;) {
      const message = await this.hear();
      if (message.type === type && (!event || message.event === event)) return message;
    }
  }

  async ask(id, event, ...args) {
    await this.say({ type: "event", event, args, id });
    const ack = await this.hearOf("ack");
    assert.equal(ack.id, id);
    return ack.args[0];
  }
}

async function connected(owner, server, user, options) {
  const plain = await new Plain(owner, server, options).say({ type: "connect", auth: { user } });
  const { type, id } = await plain.hear();
  assert.equal(type, "connected");
  assert.equal(typeof id, "string");
  return plain;
}

test("a plain client and a Socket.IO client chat with each other", async (t) => {
  const server = await startServer(t);
  const alice = await connected(t, server, "alice");
  const bob = await person(t, server, "bob");
  assert.equal((await alice.ask(1, "channel:join", { channelId: "lobby" })).ok, true);
  await bob.join("lobby");
  await bob.send("lobby", "hello alice");
  const { args } = await alice.hearOf("event", "message:new");
  assert.deepEqual([args[0].userId, args[0].content, args[0].seq], ["bob", "hello alice", 1]);
  const sent = await alice.ask(2, "message:send", { channelId: "lobby", clientId: "a1", content: "hello bob" });
  assert.deepEqual([sent.ok, sent.seq], [true, 2]);
  assert.equal((await bob.next("message:new", ({ seq }) => seq === 2)).content, "hello bob");
});

test("an event without an id gets no acknowledgement, one without a handler unknown_event", async (t) => {
  const alice = await connected(t, await startServer(t), "alice");
  await alice.say({ type: "event", event: "channel:list", args: [] });
  const answer = await alice.ask(7, "no:such:event");
  assert.equal(answer.error.code, "unknown_event");
  assert.deepEqual(alice.frames.map((frame) => JSON.parse(frame).type), ["connected", "ack"]);
});

test("the server asks a plain client and hears its acknowledgement", async (t) => {
  const server = await startServer(t, { set: { scripts: ["../tests/scenes/stage.lua"] } });
  const alice = await connected(t, server, "alice");
  await alice.say({ type: "event", event: "ask me", args: ["who?"], id: 1 });
  const question = await alice.hearOf("event", "question");
  assert.deepEqual(question.args, ["who?"]);
  await alice.say({ type: "ack", id: question.id, args: ["alice"] });
  assert.deepEqual((await alice.hearOf("ack")).args, [{ answer: "alice" }]);
});

test("arguments come back unchanged", async (t) => {
  const server = await startServer(t, { set: { scripts: ["../tests/scenes/stage.lua"] } });
  const alice = await connected(t, server, "alice");
  for (const value of [[], {}, null, 1.5, "grüße 👋", [[], { a: {} }]]) assert.deepEqual(await alice.ask(1, "echo", value), value);
});

test("a refused client is told why, and closed with 4401", async (t) => {
  const nobody = await new Plain(t, await startServer(t)).say({ type: "connect", auth: {} });
  const { type, error } = await nobody.hear();
  assert.deepEqual([type, error.code], ["refused", "unauthorized"]);
  assert.equal((await nobody.end()).code, 4401);
});

test("a client that does not connect in time is closed", async (t) => {
  const silent = new Plain(t, await startServer(t, { set: { connect_timeout_ms: 100 } }));
  await silent.opened();
  await silent.end();
});

for (const [what, frame, code] of [
  ["bad JSON", '{"type":', 1007],
  ["an unknown type", '{"type":"dance"}', 1008],
  ["JSON that is no object", "[1]", 1007],
  ["binary", Buffer.from("{}"), 1003],
]) {
  test(`${what} closes with ${code}, before and after connecting`, async (t) => {
    const server = await startServer(t);
    const stranger = new Plain(t, server);
    await stranger.opened();
    stranger.send(frame);
    assert.equal((await stranger.end()).code, code);
    const alice = await connected(t, server, "alice");
    alice.send(frame);
    assert.equal((await alice.end()).code, code);
  });
}

test("an event before connect ends the connection", async (t) => {
  const stranger = await new Plain(t, await startServer(t)).say({ type: "event", event: "channel:list", args: [] });
  await stranger.end();
  assert.deepEqual(stranger.frames, []);
});

test("a server that ends closes with 1012 and a retry time", async (t) => {
  const server = await startServer(t);
  const alice = await connected(t, server, "alice");
  await server.stop();
  const { code, reason } = await alice.end();
  assert.equal(code, 1012);
  assert.ok(JSON.parse(reason).retryAfterMs >= 0, reason);
  const shutdown = alice.frames.map((frame) => JSON.parse(frame)).find(({ event }) => event === "server:shutdown");
  assert.equal(typeof shutdown.args[0].message, "string");
  assert.equal(typeof shutdown.args[0].reconnectIn, "number");
});

test("plain clients are pinged, and closed if they do not answer", async (t) => {
  const server = await startServer(t, { set: { ping_interval_ms: 100, ping_timeout_ms: 100 } });
  const alice = await connected(t, server, "alice");
  let pings = 0;
  alice.socket.on("ping", () => pings++);
  await until("three pings", () => pings >= 3);
  const mute = await connected(t, server, "mute", { autoPong: false });
  await mute.end();
  assert.equal(alice.closed, null);
});
