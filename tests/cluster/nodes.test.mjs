// SPDX-License-Identifier: Apache-2.0
// Two or three nodes: what one node sends arrives on all, whatever happens to Redis. Needs servers/postgres.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { file, until, within } from "../scenes/harness.mjs";
import { Person, person, sdkClient } from "../scenes/people.mjs";
import { Redis, health, metric, rest, startFleet } from "./fleet.mjs";

const DELIVERED_MS = 2000; // G9
const received = (kind) => `stoa_bus_received_total{kind="${kind}"}`;
const EVENTS = received("event");

const redis = new Redis(file);
const [north, south, east] = await startFleet(file, redis, 3);
const all = [north, south, east];
let channels = 0;
const newChannel = () => `channel-${++channels}`;

const seqs = (someone) => someone.all("message:new").map(({ seq }) => seq);
const oneTo = (count) => Array.from({ length: count }, (_, i) => i + 1);

/** Everybody has received 1 … count, in this order, each once. */
async function allHeard(people, count, deadline_ms) {
  for (const someone of people) await until(`${someone.user} has heard ${count}`, () => seqs(someone).length >= count, deadline_ms);
  for (const someone of people) assert.deepEqual(seqs(someone), oneTo(count), someone.user);
  const [first, ...others] = people.map((someone) => JSON.stringify(someone.all("message:new")));
  for (const other of others) assert.equal(other, first);
}

async function joined(t, server, user, channel, options) {
  const someone = await person(t, server, user, options);
  assert.equal((await someone.join(channel)).ok, true);
  return someone;
}

const busWorks = () => until("the bus works on all nodes", async () => (await Promise.all(all.map(health))).every(({ checks }) => checks.bus === "ok"));

await busWorks();

test("members on all nodes hear one order", async (t) => {
  const channel = newChannel(), EACH = 100;
  const people = [await joined(t, north, "alice", channel), await joined(t, south, "bob", channel), await joined(t, east, "carol", channel)];
  const answers = await Promise.all(people.flatMap((someone) => Array.from({ length: EACH }, (_, i) => someone.send(channel, `${someone.user} ${i}`))));
  assert.ok(answers.every(({ ok }) => ok));
  await allHeard(people, 3 * EACH);
});

test("the workers of all nodes hear each other", async (t) => {
  const nodes = await startFleet(t, redis, 2, { workers: 2 });
  const channel = newChannel();
  const people = await Promise.all(oneTo(12).map((i) => joined(t, nodes[i % 2], `user-${i}`, channel)));
  const answers = await Promise.all(people.map((someone, i) => someone.send(channel, i)));
  assert.ok(answers.every(({ ok }) => ok));
  await allHeard(people, people.length);
});

test("a join during sends misses nothing and repeats nothing", async (t) => {
  const channel = newChannel(), MESSAGES = 300;
  const alice = await joined(t, north, "alice", channel);
  const chat = sdkClient(t, south, "bob");
  for (let i = 0; i < MESSAGES; i++) {
    assert.equal((await alice.send(channel, i)).ok, true);
    if (i === 10) await chat.join(channel, { since: undefined });
  }
  await until("bob is up to date", () => chat.messages.at(-1)?.content === MESSAGES - 1);
  const contents = chat.messages.map(({ content }) => content);
  assert.deepEqual(contents, oneTo(MESSAGES).slice(-contents.length).map((n) => n - 1));
  assert.ok(contents.length >= MESSAGES - 11);
});

test("a node without members of a channel gets none of its traffic", async (t) => {
  const channel = newChannel();
  await joined(t, north, "alice", channel);
  const bob = await joined(t, south, "bob", channel);
  await joined(t, east, "carol", newChannel());
  const traffic = async (node) => (await metric(node, EVENTS)) + (await metric(node, received("emit"))); // presence events may come at any time
  const [heard, unheard] = [await metric(south, EVENTS), await traffic(east)];
  const alice = await joined(t, north, "alice", channel);
  for (let i = 0; i < 50; i++) await alice.send(channel, i);
  await until("bob has heard it", () => seqs(bob).length === 50);
  assert.equal((await metric(south, EVENTS)) - heard, 50);
  assert.equal(await traffic(east), unheard);
});

test("typing reaches the others on all nodes, not the one who types", async (t) => {
  const channel = newChannel();
  const alice = await joined(t, north, "alice", channel);
  const [ali, bob] = [await joined(t, south, "ali", channel), await joined(t, south, "bob", channel)];
  alice.socket.emit("typing", { channelId: channel, typing: true });
  for (const someone of [ali, bob]) assert.equal((await someone.next("typing")).userId, "alice");
  assert.deepEqual(alice.all("typing"), []);
});

test("a killed worker's client misses nothing by its cursor", async (t) => {
  const channel = newChannel();
  const [here, there] = await startFleet(t, redis, 2);
  const alice = await joined(t, here, "alice", channel);
  const bob = await joined(t, there, "bob", channel);
  const page = sdkClient(t, there, "carol");
  await page.join(channel);
  for (let i = 0; i < 10; i++) await alice.send(channel, i);
  await allHeard([alice, bob], 10);
  await until("the page has heard it", () => page.messages.length === 10);
  const [{ seq, epoch }, id] = [bob.all("message:new").at(-1), bob.socket.id];
  const connected = new Promise((resolve) => bob.socket.io.engine.once("close", () => bob.socket.once("connect", resolve)));
  await there.killWorker();
  for (let i = 10; i < 20; i++) await alice.send(channel, i);
  await within("bob is back", connected);
  assert.equal(bob.socket.recovered, false);
  assert.notEqual(bob.socket.id, id);
  const { events } = await bob.join(channel, { seq, epoch });
  const missed = events.map(([, event]) => event.seq);
  await alice.send(channel, 20);
  await until("bob has heard it", () => seqs(bob).at(-1) === 21);
  assert.deepEqual([...oneTo(10), ...missed, ...seqs(bob).slice(10)], oneTo(21));
  await until("the page has heard it", () => page.messages.at(-1)?.content === 20);
  assert.deepEqual(page.messages.map(({ content }) => content), oneTo(21).map((n) => n - 1));
});

test("a broadcast on any node reaches everybody, a channel or a user", async (t) => {
  const channel = newChannel();
  const [alice, bob] = [await joined(t, north, "alice", channel), await person(t, south, "bob")];
  await rest(east, "POST", "/broadcast", { event: "drill", data: "noon" });
  await rest(east, "POST", "/broadcast", { event: "in here", channelId: channel, data: 1 });
  await rest(east, "POST", "/broadcast", { event: "for you", userId: "bob", data: 2 });
  assert.deepEqual([await alice.next("drill"), await bob.next("drill")], ["noon", "noon"]);
  assert.equal(await alice.next("in here"), 1);
  assert.equal(await bob.next("for you"), 2);
  assert.deepEqual([alice.all("for you"), bob.all("in here")], [[], []]);
});

test("a user is disconnected on whichever node they are", async (t) => {
  const people = [await person(t, north, "mallory"), await person(t, south, "mallory")];
  const bob = await person(t, south, "bob");
  assert.equal((await rest(east, "POST", "/users/mallory/disconnect")).status, 200);
  for (const mallory of people) await until("mallory is out", () => !mallory.socket.connected);
  assert.ok(bob.socket.connected);
});

test("a user of any identity provider is the same on all nodes", async (t) => {
  const [here, there] = await startFleet(t, redis, 2, { "limits.connections_per_user": 2 });
  const bob = await joined(t, there, "bob", "lobby-of-names");
  for (const name of ["auth0|5f7c", "alice@uni.example", "}{x}", "#lobby-of-names", "{u:}:c", "a b *?[", "Åsa", "🦊".repeat(63)]) {
    const user = encodeURIComponent(name);
    const twice = [await joined(t, here, name, "lobby-of-names", { reconnection: false }), await joined(t, there, name, "lobby-of-names", { reconnection: false })];
    assert.equal((await new Person(t, here, name, { reconnection: false }).refused()).data.code, "too_many_connections", name);
    assert.equal((await twice[0].send("lobby-of-names", "hello")).ok, true);
    assert.equal((await bob.next("message:new")).userId, name);
    const seen = async () => (await bob.ask("presence:get", { userIds: [name] })).users[0];
    await until(`${name} is online`, async () => (await seen()).userId === name && (await seen()).status === "online");
    assert.equal((await rest(here, "PUT", `/users/${user}`, { name: "Somebody" })).status, 200);
    await until("the name", async () => (await bob.ask("user:get", { userIds: [name] })).users[0]?.name === "Somebody");
    assert.equal((await rest(there, "PUT", `/channels/lobby-of-names/members/${user}`, { role: "moderator" })).status, 200);
    assert.equal((await rest(here, "POST", "/broadcast", { event: "for you", userId: name, args: [1] })).status, 200);
    for (const each of twice) assert.equal(await each.next("for you"), 1);
    assert.equal((await rest(there, "POST", `/users/${user}/disconnect`)).status, 200);
    for (const each of twice) await until(`${name} is out`, () => !each.socket.connected);
  }
  for (const key of redis.cli("keys", "stoa:*").trim().split("\n")) assert.match(key, /^stoa:[\w.:@/#!%{}-]+$/);
});

test("a session that is deleted on one node ends on every node", async (t) => {
  const [here, there] = await startFleet(t, redis, 2, { "auth.mode": "session" });
  const { token } = await rest(here, "POST", "/sessions", { userId: "alice", ttlSeconds: 600 });
  const { token: other } = await rest(there, "POST", "/sessions", { userId: "alice", ttlSeconds: 600 });
  const [alice, still] = [await person(t, there, "alice", { auth: { token } }), await person(t, there, "alice", { auth: { token: other } })];
  await rest(here, "DELETE", `/sessions/${token}`);
  await until("alice is out", () => !alice.socket.connected, 5000);
  assert.ok(still.socket.connected);
});

test("forged messages on Redis reach nobody", async (t) => {
  const channel = newChannel();
  const [here, there] = await startFleet(t, redis, 2, { "redis.secret": "known to us alone" });
  const people = [await joined(t, here, "alice", channel), await joined(t, there, "bob", channel)];
  await people[0].send(channel, "genuine");
  await allHeard(people, 1);
  const event = '["message:new",{"seq":2,"content":"forged"}]';
  const [topic] = redis.cli("pubsub", "channels", `stoa:*#channel:${channel}`).split("\n");
  for (const header of ["", "{", "\\1", "\\2\\0\\1\\4\\3evil1-a\\0\\0\\0\\0\\0\\0\\0\\2", "\\1\\0\\1\\4\\3evil1-a\\0\\0\\0\\0\\0\\0\\0\\2"]) {
    const from = await metric(there, "stoa_bus_dropped_total");
    assert.equal(redis.cli("eval", `return redis.call("publish", ARGV[1], "${header}" .. ARGV[2])`, "0", topic, event).trim(), "2");
    await until("it is dropped", async () => (await metric(there, "stoa_bus_dropped_total")) === from + 1);
  }
  await people[1].send(channel, "genuine too");
  await allHeard(people, 2);
  assert.ok((await metric(there, 'stoa_bus_dropped_total{reason="seal"}')) >= 1);
});

test("a change on one node clears the caches of all", async (t) => {
  const channel = newChannel();
  await rest(north, "PUT", `/channels/${channel}`, { visibility: "private" });
  await rest(north, "PUT", `/channels/${channel}/members/bob`, { role: "member" });
  const bob = await joined(t, south, "bob", channel); // south has bob's role in its cache
  assert.equal((await bob.send(channel, "in")).ok, true);
  await rest(north, "DELETE", `/channels/${channel}/members/bob`);
  await until("bob is shown out", async () => !(await bob.send(channel, "still in?")).ok);
});

test("nodes share cached values and hear of changes at once", async (t) => {
  const channel = newChannel(), SHARED = 'stoa_cache_shared_hits_total{cache="members"}', LOADED = 'stoa_cache_misses_total{cache="members"}';
  const people = [await joined(t, north, "alice", channel), await joined(t, south, "bob", channel), await joined(t, east, "carol", channel)];
  const roles = async (someone) => Object.fromEntries((await someone.ask("channel:members", { channelId: channel })).members.map(({ userId, role }) => [userId, role]).sort());
  const everywhere = async (expected) => {
    for (const someone of people) await until(`${someone.user} knows`, async () => JSON.stringify(await roles(someone)) === JSON.stringify(expected));
  };
  const sum = async (name) => (await Promise.all(all.map((node) => metric(node, name)))).reduce((a, b) => a + b);
  const members = { alice: "owner", bob: "member", carol: "member" };
  await everywhere(members);
  await rest(north, "PUT", `/channels/${channel}/members/bob`, { role: "moderator" });
  await everywhere({ ...members, bob: "moderator" });
  const [shared, loaded] = [await sum(SHARED), await sum(LOADED)];
  assert.ok(shared > 0);
  redis.cli("flushall"); // the workers still have it in memory
  await everywhere({ ...members, bob: "moderator" });
  assert.deepEqual([await sum(SHARED), await sum(LOADED)], [shared, loaded]);
  await rest(south, "DELETE", `/channels/${channel}/members/bob`);
  people.splice(1, 1);
  await everywhere({ alice: "owner", carol: "member" });
});

test("a busy value is reloaded before it expires", async (t) => {
  const nodes = await startFleet(t, redis, 2, { scripts: ["../tests/scenes/stage.lua"] });
  const people = await Promise.all(nodes.map((node, i) => person(t, node, `user-${i}`)));
  let isOver = false, before;
  const asking = people.map(async (someone) => {
    while (!isOver) assert.equal((await someone.ask("hot", "key")).key, "key");
  });
  await until("one value follows the other in Redis without a gap", () => {
    const name = redis.cli("--scan", "--pattern", "stoa:x:hot:*").trim(); // with the epoch of the global database
    const held = redis.cli("get", name || "none").trim(); // "v", a lease or none, and the value; or "l" and a lease, without a value
    const value = held.startsWith("v") ? held.slice(29) : undefined;
    if (before && value && value !== before) return true;
    before = value;
    return false;
  });
  isOver = true;
  await Promise.all(asking);
  const refreshes = await Promise.all(nodes.map((node) => metric(node, 'stoa_cache_refreshes_total{cache="hot"}')));
  assert.ok(refreshes[0] + refreshes[1] >= 1);
});

test("nodes share cached messages, and a deletion removes its content from them", async (t) => {
  const channel = newChannel(), READ = 'stoa_cache_misses_total{cache="events"}', FOUND = 'stoa_cache_shared_hits_total{cache="events"}';
  const people = [await joined(t, north, "alice", channel), await joined(t, south, "bob", channel), await joined(t, east, "carol", channel)];
  const sent = [];
  for (let i = 0; i < 20; i++) sent.push(await people[0].send(channel, `word ${i}`));
  await allHeard(people, 20);
  const { epoch } = people[0].all("message:new")[0];
  const tail = async (someone) => (await someone.ask("sync", { channels: { [channel]: { seq: 0, epoch } } })).channels[channel].events;
  const counted = async (name) => (await Promise.all(all.map((node) => metric(node, name)))).reduce((a, b) => a + b);
  const first = await tail(people[0]);
  assert.equal(first.length, 20);
  const [read, found] = [await counted(READ), await counted(FOUND)];
  for (const someone of people) await until(`${someone.user} reads it from Redis`, async () => {
    assert.deepEqual(await tail(someone), first);
    return (await counted(FOUND)) > found;
  });
  assert.ok((await counted(READ)) - read <= 1); // it may not be cached yet
  await people[0].ask("message:edit", { channelId: channel, messageId: sent[3].id, content: "another word" });
  await people[0].ask("message:delete", { channelId: channel, messageId: sent[5].id });
  for (const someone of people) {
    const text = JSON.stringify(await tail(someone));
    assert.ok(text.includes("another word") && text.includes("message:deleted") && !text.includes("word 5"), someone.user);
  }
  redis.cli("flushall");
  for (const someone of people) assert.equal((await tail(someone)).length, 22);
});

test("FLUSHALL loses nothing", async (t) => {
  const channel = newChannel();
  const people = [await joined(t, north, "alice", channel), await joined(t, south, "bob", channel)];
  for (let i = 0; i < 40; i++) {
    if (i % 20 === 10) redis.cli("flushall");
    await people[i % 2].send(channel, i);
  }
  await allHeard(people, 40);
  assert.equal((await health(south)).checks.bus, "ok");
});

test("cut connections to Redis lose nothing", async (t) => {
  const channel = newChannel();
  const people = [await joined(t, north, "alice", channel), await joined(t, south, "bob", channel)];
  for (let i = 0; i < 100; i++) {
    if (i % 10 === 5) redis.cli("client", "kill", "type", i % 20 === 5 ? "pubsub" : "normal");
    await people[i % 2].send(channel, i);
  }
  await allHeard(people, 100);
});

test("without Redis, messages come from the store in order", async (t) => {
  const channel = newChannel();
  const people = [await joined(t, north, "alice", channel), await joined(t, south, "bob", channel)];
  await people[0].send(channel, "before");
  await allHeard(people, 1);
  redis.kill();
  let count = 1;
  for (; count < 10; count++) assert.equal((await people[count % 2].send(channel, count)).ok, true);
  await allHeard(people, count, DELIVERED_MS);
  await until("the nodes know", async () => (await health(south)).checks.bus === "degraded" && (await health(north)).checks.bus === "degraded");
  assert.deepEqual([(await health(south)).http, (await health(south)).status], [200, "degraded"]);
  const late = [];
  for (let i = 0; i < 20; i++, count++) {
    await people[0].send(channel, i);
    const sent = Date.now();
    await until("bob has heard it", () => seqs(people[1]).length > count);
    late.push(Date.now() - sent);
  }
  late.sort((a, b) => a - b);
  assert.ok(late[10] <= 500, `half of them took more than ${late[10]} ms`);
  redis.start();
  await busWorks();
  const reads = await metric(south, "stoa_gap_reads_total");
  for (let i = 0; i < 20; i++, count++) await people[0].send(channel, i);
  await allHeard(people, count);
  assert.equal(await metric(south, "stoa_gap_reads_total"), reads);
});

test("probes detect a stalled Redis, and nothing is lost", async (t) => {
  const channel = newChannel();
  const people = [await joined(t, north, "alice", channel), await joined(t, south, "bob", channel)];
  redis.signal("SIGSTOP");
  for (let i = 0; i < 10; i++) assert.equal((await people[i % 2].send(channel, i)).ok, true);
  await until("the node knows", async () => (await health(south)).checks.bus === "degraded");
  await allHeard(people, 10);
  redis.signal("SIGCONT");
  await busWorks();
  for (let i = 0; i < 10; i++) await people[i % 2].send(channel, i);
  await allHeard(people, 20);
});
