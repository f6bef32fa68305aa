// SPDX-License-Identifier: Apache-2.0
// The SDK: channels that miss nothing.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { newFolder, startServer, until } from "./harness.mjs";
import { person, sdkClient } from "./people.mjs";

const UNLIMITED = { "limits.user_messages": false, "limits.channel_messages": false };

test("every change of a channel is handed out once, by its number", async (t) => {
  const server = await startServer(t);
  const alice = sdkClient(t, server, "alice");
  const bob = sdkClient(t, server, "bob");
  const heard = [];
  for (const name of ["message:new", "message:updated", "message:deleted", "reaction:changed"]) {
    bob.on(name, ({ seq }) => heard.push(`${seq} ${name}`));
  }
  await alice.join("lobby");
  await bob.join("lobby");
  const { id } = await alice.send("lobby", "helo");
  await alice.edit("lobby", id, "hello");
  await bob.react("lobby", id, "👍");
  await bob.react("lobby", id, "👍", false);
  await alice.delete("lobby", id);
  await until("bob hears all", () => heard.length >= 5);
  assert.deepEqual(heard, ["1 message:new", "2 message:updated", "3 reaction:changed", "4 reaction:changed", "5 message:deleted"]);
});

test("sends that do not wait for each other keep their order", async (t) => {
  const server = await startServer(t, { set: UNLIMITED });
  const alice = sdkClient(t, server, "alice");
  await alice.join("lobby");
  const numbers = Array.from({ length: 40 }, (_, i) => i);
  const receipts = await Promise.all(numbers.map((i) => alice.send("lobby", `m${i}`)));
  assert.deepEqual(receipts.map(({ seq }) => seq), numbers.map((i) => i + 1));
  await until("alice hears all", () => alice.messages.length === numbers.length);
  assert.deepEqual(alice.messages.map(({ content }) => content), numbers.map((i) => `m${i}`));
});

test("messages sent while disconnected arrive once after the reconnect", async (t) => {
  const server = await startServer(t);
  const alice = sdkClient(t, server, "alice");
  await alice.join("lobby");
  alice.socket.io.engine.close();
  const receipt = await alice.send("lobby", "into the void");
  assert.equal(receipt.seq, 1);
  await until("alice hears it", () => alice.messages.length === 1);
});

test("a forked epoch makes the SDK ask where the logs fork", async (t) => {
  const server = await startServer(t);
  const alice = sdkClient(t, server, "alice");
  await alice.join("lobby");
  const { epoch } = await alice.send("lobby", "one");
  await alice.send("lobby", "two");
  await until("alice hears both", () => alice.messages.length === 2);
  const asked = [];
  alice.socket.onAnyOutgoing((name, argument) => asked.push([name, argument]));
  alice.socket.onevent({ data: ["message:new", { channelId: "lobby", seq: 2, epoch: "9-other", content: "not two" }] });
  await until("alice asks", () => asked.length > 0);
  assert.deepEqual(asked, [["channel:join", { channelId: "lobby", since: { seq: 2, epoch } }]]);
  const receipt = await alice.send("lobby", "three");
  await until("alice goes on", () => alice.messages.length === 3);
  assert.deepEqual(alice.messages.map(({ seq }) => seq), [1, 2, receipt.seq]);
});

test("a message repeated under its id counts once, without the limit", async (t) => {
  const server = await startServer(t, { set: { "limits.user_messages": [2, 60] } });
  const alice = sdkClient(t, server, "alice");
  await alice.join("lobby");
  const first = await alice.send("lobby", "one", { clientId: "mine" });
  await alice.send("lobby", "two");
  const refused = await alice.send("lobby", "three").catch((error) => error);
  assert.equal(refused.code, "rate_limited");
  assert.match(refused.clientId, /^[\w.:-]{1,64}$/);
  const again = await alice.send("lobby", "one", { clientId: "mine" });
  assert.deepEqual([again.id, again.seq, again.duplicate], [first.id, first.seq, true]);
});

test("a refusal is an error with the server's code", async (t) => {
  const server = await startServer(t);
  const alice = sdkClient(t, server, "alice");
  await assert.rejects(alice.join("a b"), { code: "bad_channel" });
  await assert.rejects(alice.send("elsewhere", "not joined"), { code: "not_joined" });
});

test("a client that missed too much is told of the gap", async (t) => {
  const server = await startServer(t, { set: { ...UNLIMITED, "recovery.window_s": 0 } });
  const alice = sdkClient(t, server, "alice", { reconnection: false });
  const gaps = [];
  alice.on("gap", (gap) => gaps.push(gap));
  await alice.join("lobby");
  const bob = await person(t, server, "bob");
  await bob.join("lobby");
  await bob.send("lobby", "first");
  await until("alice hears the first", () => alice.messages.length === 1);
  alice.socket.io.engine.close();
  await until("alice is away", () => !alice.socket.connected);
  for (let i = 0; i < 12; i++) {
    await Promise.all(Array.from({ length: 100 }, (_, j) => bob.send("lobby", `flood ${i} ${j}`)));
  }
  alice.socket.connect();
  await until("a gap", () => gaps.length > 0);
  await bob.send("lobby", "last");
  await until("alice hears the last", () => alice.messages.at(-1).content === "last");
  const { channelId, from, to, reason } = gaps[0];
  assert.deepEqual([channelId, from, reason], ["lobby", 2, "too_large"]);
  const seqs = alice.messages.map(({ seq }) => seq);
  assert.equal(seqs[1], to + 1, "the first that came after the gap");
  assert.deepEqual(seqs.slice(1), Array.from({ length: 1202 - to }, (_, i) => to + 1 + i));
});

test("followers of a channel that began again are told of the reset", async (t) => {
  const server = await startServer(t);
  const alice = sdkClient(t, server, "alice");
  const resets = [];
  alice.on("reset", (reset) => resets.push(reset));
  await alice.join("lobby");
  for (const text of ["one", "two", "three"]) await alice.send("lobby", text);
  await server.stop();
  for (const name of ["stoa.db", "stoa.db-wal", "stoa.db-shm"]) rmSync(path.join(server.options.folder, name), { force: true });
  await server.restart(t);
  await until("the reset", () => resets.length > 0);
  assert.equal(resets[0].channelId, "lobby");
  await alice.send("lobby", "a new beginning");
  await until("alice hears it", () => alice.messages.at(-1).content === "a new beginning");
  assert.equal(alice.messages.at(-1).seq, 1);
});
