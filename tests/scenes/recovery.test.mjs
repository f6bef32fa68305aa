// SPDX-License-Identifier: Apache-2.0
// A connection breaks and comes back: nothing is missed, nothing comes twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer, until } from "./harness.mjs";
import { Person, person, sdkClient } from "./people.mjs";
import { Engine } from "./raw.mjs";

const STAGE = { scripts: ["../tests/scenes/stage.lua"] };

// Breaks the person's connection; `meanwhile` runs while it is away.
async function away(who, meanwhile) {
  who.socket.io.reconnection(false);
  who.break();
  await until(`${who.user} is away`, () => !who.socket.connected);
  await meanwhile();
  who.socket.io.reconnection(true);
  who.socket.connect();
  await who.connected();
}

async function two(t, server, options) {
  const alice = await person(t, server, "alice", { transports: ["websocket"], ...options });
  const bob = await person(t, server, "bob");
  await alice.ask("enter", "room");
  return { alice, bob, say: (text) => bob.ask("say", "room", text) };
}

test("missed events come before a recovered connection is announced", async (t) => {
  const { alice, say } = await two(t, await startServer(t, { set: STAGE }));
  await say("one");
  await alice.next("said");
  const { id } = alice.socket;
  let heardAtConnect;
  alice.socket.once("connect", () => (heardAtConnect = alice.all("said")));
  await away(alice, async () => {
    await say("two");
    await say("three");
  });
  assert.equal(alice.socket.recovered, true);
  assert.equal(alice.socket.id, id);
  assert.deepEqual(heardAtConnect, ["one", "two", "three"]);
  await say("four");
  await alice.next("said", (text) => text === "four");
  assert.deepEqual(alice.all("said"), ["one", "two", "three", "four"]);
});

test("a client that never received an event is recovered too", async (t) => {
  const { alice, say } = await two(t, await startServer(t, { set: STAGE }));
  await away(alice, () => say("first"));
  assert.equal(alice.socket.recovered, true);
  assert.deepEqual(alice.all("said"), ["first"]);
});

test("twice in a row, also without an event in between", async (t) => {
  const { alice, say } = await two(t, await startServer(t, { set: STAGE }));
  await away(alice, () => say("one"));
  await away(alice, () => {});
  await away(alice, () => say("two"));
  assert.equal(alice.socket.recovered, true);
  assert.deepEqual(alice.all("said"), ["one", "two"]);
});

test("a room that fell quiet is recovered within the window", async (t) => {
  const { alice, bob, say } = await two(t, await startServer(t, { set: { ...STAGE, "recovery.window_s": 2 } }));
  await say("one");
  await alice.next("said");
  // Alice stays connected, and receives nothing for longer than the window.
  const quiet_ms = Date.now();
  await until("a long quiet", () => Date.now() - quiet_ms > 2500);
  await away(alice, () => say("two"));
  assert.equal(alice.socket.recovered, true);
  assert.deepEqual(alice.all("said"), ["one", "two"]);
  assert.ok(bob.socket.connected);
});

test("a client that reconnects after the window is a new socket", async (t) => {
  const { alice, say } = await two(t, await startServer(t, { set: { ...STAGE, "recovery.window_s": 1 } }));
  const { id } = alice.socket;
  const broken_ms = Date.now();
  await away(alice, async () => {
    await say("missed");
    await until("the window over", () => Date.now() - broken_ms > 2200);
  });
  assert.equal(alice.socket.recovered, false);
  assert.notEqual(alice.socket.id, id);
  assert.deepEqual(alice.all("said"), []);
});

test("a client that missed too much becomes a new socket", async (t) => {
  const { alice, say } = await two(t, await startServer(t, { set: { ...STAGE, "recovery.max_events": 5 } }));
  await away(alice, async () => {
    for (let i = 0; i < 6; i++) await say(`missed ${i}`);
  });
  assert.equal(alice.socket.recovered, false);
  assert.deepEqual(alice.all("said"), []);
});

test("a client that comes back ends its old connection", async (t) => {
  const server = await startServer(t, { set: STAGE });
  const engine = new Engine(server, "/socket.io/");
  const bob = await person(t, server, "bob");
  const join = async (connect) => (await engine.session(t)).send(connect);
  const old = await join('40{"recovery":true}');
  const { sid, pid } = JSON.parse((await old.next()).slice(2));
  old.send('420["enter","room"]');
  await old.next();
  await bob.ask("say", "room", "one");
  const [, text, offset] = JSON.parse((await old.next()).slice(2));
  assert.equal(text, "one");
  await bob.ask("say", "room", "two"); // whether the old connection received it or not, the client reports that it did not

  const back = await join(`40${JSON.stringify({ pid, offset, recovery: true })}`);
  const [name, missed] = JSON.parse((await back.next()).slice(2));
  assert.deepEqual([name, missed], ["said", "two"]);
  assert.deepEqual(JSON.parse((await back.next()).slice(2)), { sid, pid });
  await old.end();
  await bob.ask("say", "room", "three");
  assert.equal(JSON.parse((await back.next()).slice(2))[1], "three");
});

test("nobody recovers the session of another user", async (t) => {
  const server = await startServer(t, {});
  const engine = new Engine(server, "/socket.io/");
  const alice = (await engine.session(t)).send('40{"user":"alice","recovery":true}');
  const { sid, pid } = JSON.parse((await alice.next()).slice(2));
  const mallory = (await engine.session(t)).send(`40${JSON.stringify({ user: "mallory", pid, offset: "0", recovery: true })}`);
  const answer = JSON.parse((await mallory.next()).slice(2));
  assert.notEqual(answer.sid, sid);
  assert.notEqual(answer.pid, pid);
  assert.equal(alice.closed, null);
});

test("a client that disconnects on purpose is not recovered", async (t) => {
  const { alice } = await two(t, await startServer(t, { set: STAGE }));
  const { id } = alice.socket;
  alice.socket.disconnect();
  alice.socket.connect();
  await alice.connected();
  assert.notEqual(alice.socket.id, id);
});

test("the SDK misses nothing when its worker is killed", async (t) => {
  const server = await startServer(t, { set: { "limits.user_messages": false, "limits.channel_messages": false } });
  const alice = sdkClient(t, server, "alice");
  const bob = sdkClient(t, server, "bob");
  await alice.join("lobby");
  await bob.join("lobby");
  const expected = [];
  for (let round = 0; round < 3; round++) {
    const sends = [];
    for (let i = 0; i < 10; i++) {
      expected.push(`${round}.${i}`);
      sends.push(bob.send("lobby", `${round}.${i}`));
    }
    await sends[3];
    await server.killWorker();
    await Promise.all(sends);
  }
  await until("alice hears all", () => alice.messages.length >= expected.length);
  assert.deepEqual(alice.messages.map(({ content }) => content), expected);
  assert.deepEqual(alice.messages.map(({ seq }) => seq), expected.map((_, i) => i + 1));
  assert.deepEqual(bob.messages.map(({ content }) => content), expected);
});

test("the SDK misses nothing over a restart", async (t) => {
  const server = await startServer(t, {});
  const alice = sdkClient(t, server, "alice", { reconnectionDelay: 1500 });
  const bob = new Person(t, server, "bob");
  await alice.join("lobby");
  await bob.join("lobby");
  await bob.send("lobby", "before");
  await server.restart(t);
  await bob.connected();
  await until("bob's join again", async () => (await bob.join("lobby")).ok);
  await bob.send("lobby", "while alice is away");
  await until("alice hears both", () => alice.messages.length >= 2);
  assert.deepEqual(alice.messages.map(({ content }) => content), ["before", "while alice is away"]);
});

test("a client without recovery comes back as a new socket", async (t) => {
  const { alice, say } = await two(t, await startServer(t, { set: STAGE }), { query: {} });
  const { id } = alice.socket;
  await say("one");
  await alice.next("said");
  assert.deepEqual(alice.heard, [["said", "one"]]);
  await away(alice, () => say("missed"));
  assert.ok(!alice.socket.recovered);
  assert.notEqual(alice.socket.id, id);
});

test("a stock client asks in its auth as well", async (t) => {
  const { alice, say } = await two(t, await startServer(t, { set: STAGE }), { query: {}, auth: { user: "alice", recovery: true } });
  await away(alice, () => say("missed"));
  assert.equal(alice.socket.recovered, true);
  await alice.next("said", (text) => text === "missed");
});
