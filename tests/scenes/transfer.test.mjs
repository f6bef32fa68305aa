// SPDX-License-Identifier: Apache-2.0
// A connection breaks and its client comes back to another server: nothing is missed, nothing comes twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { file, startRedis, startServer, until } from "./harness.mjs";
import { person } from "./people.mjs";

const [redis] = startRedis(file);

const startNode = (owner, name, set = {}) =>
  startServer(owner, { set: { scripts: ["../tests/scenes/stage.lua"], "redis.nodes": [redis], "node.name": name, ...set } });

async function stage(t) {
  const [north, south] = await Promise.all([startNode(t, "north"), startNode(t, "south")]);
  const alice = await person(t, north, "alice", { transports: ["websocket"] });
  const bob = await person(t, south, "bob");
  const carol = await person(t, north, "carol");
  await alice.ask("enter", "room");
  await bob.ask("enter", "room");
  // When each node has heard the other, both listen.
  await until("the nodes to hear each other", async () => {
    await carol.ask("say", "room", "north?");
    await bob.ask("say", "room", "south?");
    return bob.all("said").includes("north?") && alice.all("said").includes("south?");
  });
  const start = (await bob.ask("say", "room", "start"), await alice.next("said", (text) => text === "start"));
  assert.equal(start, "start");
  return { north, south, alice, bob, carol };
}

/** Breaks the person's connection; they come back to that server after `meanwhile`. */
async function moveTo(who, server, meanwhile) {
  who.socket.io.reconnection(false);
  who.break();
  await until(`${who.user} is away`, () => !who.socket.connected);
  await meanwhile();
  who.socket.io.uri = server.url;
  who.socket.io.reconnection(true);
  who.socket.connect();
  await who.connected();
}

const since = (who) => who.all("said").slice(who.all("said").lastIndexOf("start") + 1);

test("a moved socket first gets the events that it missed", async (t) => {
  const { north, south, alice, bob, carol } = await stage(t);
  const { id } = alice.socket;
  const expected = [];
  const say = async (speaker, text) => {
    await speaker.ask("say", "room", text);
    expected.push(text);
  };
  for (const [server, far] of [[south, carol], [north, bob], [south, carol], [north, bob]]) {
    await moveTo(alice, server, async () => {
      await say(bob, `${expected.length}`);
      await until("bob's is with carol's server", () => carol.socket.connected);
      await say(bob, `${expected.length}`);
    });
    assert.equal(alice.socket.recovered, true);
    assert.equal(alice.socket.id, id);
    assert.deepEqual(since(alice), expected);
    await say(far, `${expected.length}`); // live, from the other server
    await until("the live one", () => since(alice).length === expected.length);
    assert.deepEqual(since(alice), expected);
  }
});

test("a socket moves several times in a row, also without events in between", async (t) => {
  const { north, south, alice, bob } = await stage(t);
  for (const server of [south, north, south]) {
    await moveTo(alice, server, () => {});
    assert.equal(alice.socket.recovered, true);
  }
  await bob.ask("say", "room", "one");
  await alice.next("said", (text) => text === "one");
  assert.deepEqual(since(alice), ["one"]);
});

test("a socket whose owner is dead is soon refused recovery", async (t) => {
  const { north, south, alice, bob } = await stage(t);
  const { id } = alice.socket;
  await moveTo(alice, south, () => north.kill());
  assert.equal(alice.socket.recovered, false);
  assert.notEqual(alice.socket.id, id);
  await alice.ask("enter", "room");
  await bob.ask("say", "room", "anew");
  await alice.next("said", (text) => text === "anew");
});
