// SPDX-License-Identifier: Apache-2.0
// People chat: the shipped scripts behind the official client.
import assert from "node:assert/strict";
import { test } from "node:test";
import { file, startServer, until } from "./harness.mjs";
import { person, Person } from "./people.mjs";

// One server for all tests, without limits, because they would add up.
const server = await startServer(file, {
  set: { "limits.user_messages": false, "limits.channel_messages": false, "limits.connects": false, "presence.grace_ms": 200 },
});

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

for (const [way, options, transport] of [
  ["polling alone", { transports: ["polling"] }, "polling"],
  ["polling that upgrades to WebSocket", {}, "websocket"],
  ["WebSocket alone", { transports: ["websocket"] }, "websocket"],
]) {
  test(`over ${way} two people hear each other, each message once and in order`, async (t) => {
    const channel = `room-${transport}-${Object.keys(options).length}-${options.transports}`.replaceAll(",", "-");
    const alice = await person(t, server, "alice", options);
    const bob = await person(t, server, "bob", options);
    await alice.join(channel);
    const joined = await bob.join(channel);
    assert.equal(joined.ok, true);
    assert.equal(joined.members, 2);
    for (let i = 1; i <= 10; i++) await (i % 2 ? alice : bob).send(channel, `message ${i}`);
    await until("both transports settled", () => alice.transport === transport && bob.transport === transport);
    const last = await alice.send(channel, "message 11");
    assert.equal(last.seq, 11);
    for (const who of [alice, bob]) {
      await who.next("message:new", ({ seq }) => seq === 11);
      assert.deepEqual(who.all("message:new").map(({ seq, content }) => `${seq} ${content}`),
        Array.from({ length: 11 }, (_, i) => `${i + 1} message ${i + 1}`));
    }
  });
}

test("a message has the protocol's fields and its sender's number", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  await alice.join("shape");
  await bob.join("shape");
  const { ok, id, seq, epoch, createdAt, duplicate } = await alice.send("shape", "hello", { attachments: [{ url: "https://example.org/a.png" }] });
  assert.deepEqual({ ok, seq, duplicate }, { ok: true, seq: 1, duplicate: undefined });
  assert.match(createdAt, ISO);
  assert.match(epoch, /^\d+-\S+$/);
  assert.deepEqual(await bob.next("message:new"), {
    id, channelId: "shape", userId: "alice", content: "hello", attachments: [{ url: "https://example.org/a.png" }],
    createdAt, messageSeq: 1, seq, epoch,
  });
});

test("a sender's acknowledgement and message leave in one write", async (t) => {
  const quiet = await startServer(t, { set: { "limits.user_messages": false, ping_interval_ms: 300_000 } }); // no pings among the writes
  const writes = async () => Number(/^stoa_writes_total (\d+)$/m.exec(await (await fetch(`${quiet.url}/metrics`)).text())[1]);
  const alice = await person(t, quiet, "alice", { transports: ["websocket"] });
  const bob = await person(t, quiet, "bob", { transports: ["websocket"] });
  await alice.join("writes");
  await bob.join("writes");
  const before = await writes();
  for (let i = 1; i <= 20; i++) {
    await alice.send("writes", `message ${i}`);
    await bob.next("message:new", ({ seq }) => seq === i);
  }
  const made = (await writes()) - before;
  assert.ok(made >= 40 && made < 50, `${made} writes for 20 messages to two`); // including those of the joins and the metrics
});

test("history comes in pages, ascending, and says whether there is more", async (t) => {
  const alice = await person(t, server, "alice");
  await alice.join("history");
  for (let i = 1; i <= 5; i++) await alice.send("history", `m${i}`);
  const contents = ({ messages }) => messages.map(({ content }) => content);
  const newest = await alice.ask("history:get", { channelId: "history", limit: 2 });
  assert.deepEqual([contents(newest), newest.more], [["m4", "m5"], true]);
  const before = await alice.ask("history:get", { channelId: "history", before: newest.messages[0].messageSeq, limit: 100 });
  assert.deepEqual([contents(before), before.more], [["m1", "m2", "m3"], false]);
  const after = await alice.ask("history:get", { channelId: "history", after: 0, limit: 3 });
  assert.deepEqual([contents(after), after.more], [["m1", "m2", "m3"], true]);
});

test("a thread is its first message and the replies", async (t) => {
  const alice = await person(t, server, "alice");
  await alice.join("threads");
  const root = await alice.send("threads", "who comes along?");
  await alice.send("threads", "something else");
  await alice.send("threads", "I do", { threadId: root.id });
  const { messages } = await alice.ask("thread:get", { channelId: "threads", threadId: root.id });
  assert.deepEqual(messages.filter(({ threadId }) => threadId === root.id).map(({ content }) => content), ["I do"]);
  assert.ok(!messages.some(({ content }) => content === "something else"));
});

test("edits, reactions and deletes reach everyone, and history shows them", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  await alice.join("changes");
  await bob.join("changes");
  const { id: messageId } = await alice.send("changes", "helo");
  const { id: second } = await alice.send("changes", "to be deleted");
  assert.equal((await alice.ask("message:edit", { channelId: "changes", messageId, content: "hello" })).seq, 3);
  assert.equal((await bob.ask("reaction:add", { channelId: "changes", messageId, emoji: "👍" })).seq, 4);
  assert.equal((await alice.ask("message:delete", { channelId: "changes", messageId: second })).seq, 5);

  const updated = await bob.next("message:updated");
  assert.deepEqual([updated.content, updated.seq, updated.messageSeq], ["hello", 3, 1]);
  assert.match(updated.editedAt, ISO);
  const { epoch, ...changed } = await alice.next("reaction:changed");
  assert.deepEqual(changed, { channelId: "changes", messageId, userId: "bob", emoji: "👍", added: true, seq: 4 });
  assert.deepEqual(await bob.next("message:deleted"), { channelId: "changes", messageId: second, seq: 5, epoch });

  const { messages } = await bob.ask("history:get", { channelId: "changes" });
  assert.equal(messages[0].content, "hello");
  assert.deepEqual(messages[0].reactions, { "👍": ["bob"] });
  assert.ok(!messages.some(({ content }) => content === "to be deleted"));
});

test("presence follows joins, statuses and leaves", async (t) => {
  const alice = await person(t, server, "alice");
  await alice.join("presence");
  const bob = await person(t, server, "bob");
  await bob.join("presence");
  const shows = (status) => ({ channelId, users }) => channelId === "presence" && users.some((user) => user.userId === "bob" && user.status === status);
  await alice.next("presence:changed", shows("online"));
  assert.equal((await bob.ask("presence:update", { status: "away", statusMessage: "lunch" })).ok, true);
  await alice.next("presence:changed", shows("away"));
  const { users } = await alice.ask("presence:get", { userIds: ["bob", "nobody-ever"] });
  assert.deepEqual(users, [{ userId: "bob", status: "away", statusMessage: "lunch" }, { userId: "nobody-ever", status: "unknown" }]);
  bob.socket.disconnect();
  await alice.next("presence:changed", shows("offline"));
});

test("typing is told to everybody except the sender", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  await alice.join("typing");
  await bob.join("typing");
  alice.socket.volatile.emit("typing", { channelId: "typing", typing: true });
  assert.deepEqual(await bob.next("typing"), { channelId: "typing", userId: "alice", typing: true });
  await alice.send("typing", "done");
  await alice.next("message:new");
  assert.deepEqual(alice.all("typing"), []);
});

test("messages marked as read are no longer counted as unread", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "reader");
  await alice.join("reading");
  await bob.join("reading");
  for (let i = 0; i < 3; i++) await alice.send("reading", "news");
  const listed = async () => (await bob.ask("channel:list")).channels.find(({ channelId }) => channelId === "reading");
  assert.equal((await listed()).unread, 3);
  assert.equal((await bob.ask("read:mark", { channelId: "reading", seq: 2 })).ok, true);
  const { readSeq, unread, seq, visibility } = await listed();
  assert.deepEqual({ readSeq, unread, seq, visibility }, { readSeq: 2, unread: 1, seq: 3, visibility: "public" });
});

test("the same clientId is the same message or a conflict", async (t) => {
  const alice = await person(t, server, "alice");
  await alice.join("twice");
  const message = { channelId: "twice", clientId: "only-one", content: "once" };
  const first = await alice.ask("message:send", message);
  const again = await alice.ask("message:send", message);
  assert.deepEqual([again.ok, again.id, again.seq, again.duplicate], [true, first.id, first.seq, true]);
  const other = await alice.ask("message:send", { ...message, content: "twice" });
  assert.deepEqual([other.ok, other.error.code], [false, "id_conflict"]);
  assert.equal((await alice.ask("history:get", { channelId: "twice" })).messages.length, 1);
});

test("every refusal names its code", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  await bob.join("refusals");
  const { id: messageId } = await bob.send("refusals", "mine");
  await alice.join("refusals");
  for (const [code, event, argument] of [
    ["unknown_event", "no:such:event", {}],
    ["bad_channel", "channel:join", { channelId: "a b" }],
    ["bad_channel", "channel:join", { channelId: "x".repeat(65) }],
    ["bad_request", "channel:join", {}],
    ["bad_cursor", "channel:join", { channelId: "refusals", since: { seq: -1, epoch: "x" } }],
    ["not_joined", "message:send", { channelId: "elsewhere", clientId: "n1", content: "x" }],
    ["bad_request", "message:send", { channelId: "refusals", content: "without a clientId" }],
    ["forbidden", "message:edit", { channelId: "refusals", messageId, content: "stolen" }],
    ["forbidden", "message:edit", { channelId: "refusals", messageId: "none", content: "x" }],
    ["forbidden", "message:delete", { channelId: "refusals", messageId }],
    ["unavailable", "upload:request", { channelId: "refusals", name: "a.png", type: "image/png", bytes: 10 }],
  ]) {
    const answer = await alice.ask(event, argument);
    assert.deepEqual([answer.ok, answer.error?.code], [false, code], `${event} ${JSON.stringify(argument)}`);
    assert.equal(typeof answer.error.message, "string");
  }
});

test("a client catches up with many channels in one answer", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  const cursors = {};
  for (const id of ["sync-1", "sync-2"]) {
    await alice.join(id);
    const { seq, epoch } = await bob.join(id);
    cursors[id] = { seq, epoch };
    assert.equal((await bob.ask("channel:leave", { channelId: id })).ok, true);
  }
  const { id: messageId } = await alice.send("sync-1", "while you were away");
  await alice.ask("message:edit", { channelId: "sync-1", messageId, content: "welcome back" });
  const { ok, channels } = await bob.ask("sync", { channels: { ...cursors, "no such channel": cursors["sync-1"] } });
  assert.equal(ok, true);
  assert.deepEqual(channels["sync-1"].events.map(([name, { seq }]) => [name, seq]), [["message:new", 1], ["message:updated", 2]]);
  assert.equal(channels["sync-1"].seq, 2);
  assert.deepEqual(channels["sync-2"].events, []);
  assert.equal(channels["no such channel"].error.code, "bad_channel");
  assert.deepEqual(bob.all("message:new"), [], "bob has left");
});

test("members have roles, and a channel's creator owns it", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  await alice.join("members");
  await bob.join("members");
  const { members } = await bob.ask("channel:members", { channelId: "members" });
  assert.deepEqual(members.sort((a, b) => (a.userId < b.userId ? -1 : 1)), [{ userId: "alice", role: "owner" }, { userId: "bob", role: "member" }]);
});

test("a fast sender is told how long to wait", async (t) => {
  const strict = await startServer(t, { set: { "limits.user_messages": [3, 60] } });
  const alice = await person(t, strict, "alice");
  const bob = await person(t, strict, "bob");
  await alice.join("lobby");
  await bob.join("lobby");
  for (let i = 0; i < 3; i++) assert.equal((await alice.send("lobby", "quick")).ok, true);
  const { ok, error } = await alice.send("lobby", "too quick");
  assert.deepEqual([ok, error.code], [false, "rate_limited"]);
  assert.ok(error.retryAfter > 0 && error.retryAfter <= 20, `${error.retryAfter}`);
  assert.equal((await bob.send("lobby", "slowly")).seq, 4);
});

test("a message that is too large is refused, and the connection stays", async (t) => {
  const alice = await person(t, server, "alice");
  await alice.join("large");
  assert.equal((await alice.send("large", "x".repeat(262_000))).ok, true);
  const { error } = await alice.send("large", "x".repeat(262_145));
  assert.equal(error.code, "too_large");
  assert.equal((await alice.send("large", "small")).ok, true);
});

test("a client without a name is refused with a code", async (t) => {
  const nobody = new Person(t, server, "nobody", { auth: {} });
  const refusal = await nobody.refused();
  assert.equal(refusal.message, "unauthorized");
  assert.equal(refusal.data.code, "unauthorized");
});

test("a user's sixth connection is refused until one ends", async (t) => {
  const devices = [];
  for (let i = 0; i < 5; i++) devices.push(await person(t, server, "collector"));
  const sixth = new Person(t, server, "collector");
  assert.equal((await sixth.refused()).data.code, "too_many_connections");
  devices[0].socket.disconnect();
  await until("a free place", async () => {
    const next = new Person(t, server, "collector", { reconnection: false });
    await until("an answer", () => next.socket.connected || next.refusal);
    return next.socket.connected;
  });
});

test("a namespace that does not exist is refused", async (t) => {
  const alice = new Person(t, server, "alice", { namespace: "/nowhere" });
  assert.equal((await alice.refused()).message, "Invalid namespace");
});
