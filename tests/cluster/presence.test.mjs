// SPDX-License-Identifier: Apache-2.0
// Presence across nodes: questions about users with whom the node shares no channel, or about a channel of which it has no
// member. Needs servers/postgres.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { file, until } from "../scenes/harness.mjs";
import { person } from "../scenes/people.mjs";
import { Redis, health, metric, rest, startFleet } from "./fleet.mjs";

const MESSAGES = 'stoa_bus_published_total{kind="survey"}';
const LEASE_MS = 6000; // a worker's lease

const redis = new Redis(file);
const [north, south] = await startFleet(file, redis, 2, { workers: 2, "presence.grace_ms": 500, "limits.connections_per_user": false }, { expects: /worker\.exited/ });

let people = 0;
const newName = (name) => `${name}-${++people}`;
const come = (t, server, name, options) => person(t, server, newName(name), options);

/** The answer to a client that asks about `users`. */
const get = (who, ...users) => who.ask("presence:get", { userIds: users.map((user) => user.user ?? user) });

/** The user's status as `who` is told, once `holds` is true for it; stale answers do not count. */
const seen = (who, user, holds) =>
  until(`${who.user} sees ${user.user}`, async () => {
    const { users, stale } = await get(who, user);
    return !stale && holds(users[0]) && users[0];
  });
const seenAs = (who, user, status) => seen(who, user, (found) => found.status === status);

/** For that time, `who` is told no other status; on a busy machine some answers may be stale. */
async function stays(ms, who, user, status) {
  let answers = 0;
  for (const until_ms = Date.now() + ms; Date.now() < until_ms; await setTimeout(50)) {
    const { users, stale } = await get(who, user);
    if (!stale) answers++;
    assert.ok(stale || users[0].status === status, users[0].status);
  }
  assert.ok(answers > 0);
}

/** Who is online in a channel, by that node's REST interface. */
async function present(server, channel) {
  const { status, users, online, stale } = await rest(server, "GET", `/channels/${channel}/presence`);
  assert.equal(status, 200);
  return { users: users.map(({ userId }) => userId).sort(), online, stale };
}

/** The answer if exactly these people are in the channel. */
const whole = (...people) => ({ users: people.map(({ user }) => user).sort(), online: people.length, stale: undefined });

/** Waits until that node reports it. */
const presentAs = (server, channel, expected) =>
  until(`${expected.users} in ${channel}`, async () => (await present(server, channel)).users.join() === expected.users.join());

/** Adds people on the node until each of its workers has one of them in the channel. */
async function fill(t, server, channel) {
  const people = [], workers = new Set();
  while (workers.size < server.workers().length) {
    const who = await come(t, server, "member");
    workers.add(who.socket.io.engine.id.slice(0, 6)); // a session's id begins with its worker's name
    assert.equal((await who.join(channel)).ok, true);
    people.push(who);
  }
  return people;
}

/** Waits until each of these workers is known to that many others. */
const known = (server, others) =>
  until("the workers to know each other", () => server.lines.filter((line) => / fleet\.came /.test(line)).length >= others * server.workers().length);

for (const server of [north, south]) await known(server, 3);

test("a user on another node is seen without a shared channel", async (t) => {
  const alice = await come(t, north, "alice"), bob = await come(t, south, "bob");
  await seenAs(bob, alice, "online");
  await alice.ask("presence:update", { status: "busy", statusMessage: "in a lecture" });
  const busy = await seenAs(bob, alice, "busy");
  assert.deepEqual(busy, { userId: alice.user, status: "busy", statusMessage: "in a lecture" });
  alice.socket.disconnect();
  const left = await seenAs(bob, alice, "offline");
  assert.ok(Math.abs(Date.now() - Date.parse(left.lastSeen)) < 20_000, left.lastSeen);
});

test("a user stays online while any device is connected", async (t) => {
  const phone = await come(t, south, "alice"), bob = await come(t, south, "bob");
  const laptop = await person(t, north, phone.user);
  await seenAs(bob, phone, "online");
  phone.socket.disconnect();
  await stays(2000, bob, phone, "online"); // four times the grace
  laptop.socket.disconnect();
  await seenAs(bob, phone, "offline");
});

test("invisible users look offline on the other node too", async (t) => {
  const alice = await come(t, north, "alice"), bob = await come(t, south, "bob");
  await seenAs(bob, alice, "online");
  await alice.ask("presence:update", { status: "invisible" });
  await seenAs(bob, alice, "offline");
  await alice.ask("presence:update", { status: "away" });
  await seenAs(bob, alice, "away");
});

test("a list of users costs at most one question", async (t) => {
  const alice = await come(t, north, "alice"), bob = await come(t, south, "bob"), gone = await come(t, north, "gone");
  for (const user of [alice, gone]) await seenAs(bob, user, "online");
  gone.socket.disconnect();
  await seenAs(bob, gone, "offline");
  const strangers = Array.from({ length: 96 }, (_, i) => `stranger-${i}`);
  const sent = () => Promise.all([south, north].map((server) => metric(server, MESSAGES)));
  const [before, silent] = await sent();
  const { users } = await get(bob, gone, alice, bob, ...strangers);
  assert.deepEqual(users.slice(0, 3).map(({ status }) => status), ["offline", "online", "online"]);
  assert.deepEqual(new Set(users.slice(3).map(({ status }) => status)), new Set(["unknown"]));
  const asked = [before + 2, silent + 2]; // a question, and an answer from each other worker
  await until("all have answered", async () => (await sent()).join() === asked.join());
  for (let i = 0; i < 10; i++) assert.equal((await get(bob, bob)).users[0].status, "online");
  assert.deepEqual(await sent(), asked);
});

test("a node without a member lists the channel's online users once each", async (t) => {
  const channel = newName("lobby");
  const alice = await come(t, north, "alice"), bob = await come(t, north, "bob"), phones = [];
  for (const who of [alice, bob]) assert.equal((await who.join(channel)).ok, true);
  for (const workers = new Set([alice.socket.io.engine.id.slice(0, 6)]); workers.size < 2; workers.add(phones.at(-1).socket.io.engine.id.slice(0, 6))) {
    phones.push(await person(t, north, alice.user));
    assert.equal((await phones.at(-1).join(channel)).ok, true);
  }
  await presentAs(south, channel, whole(alice, bob));
  for (let i = 0; i < 8; i++) assert.deepEqual(await present(south, channel), whole(alice, bob)); // from either worker
  for (const device of [bob, alice]) device.socket.disconnect();
  await presentAs(south, channel, whole(alice));
  for (const phone of phones) phone.socket.disconnect();
  await presentAs(south, channel, whole());
});

test("a node with its first member tells the whole list at once", async (t) => {
  const channel = newName("lobby"), alice = await come(t, north, "alice"), bob = await come(t, south, "bob");
  assert.equal((await alice.join(channel)).ok, true);
  for (const user of [alice, bob]) await seenAs(user, user, "online"); // until nobody's status still changes
  await presentAs(north, channel, whole(alice));
  assert.equal((await bob.join(channel)).ok, true);
  for (let i = 0; i < 8; i++) assert.deepEqual(await present(south, channel), whole(alice, bob));
  const all = [alice, bob, ...(await fill(t, south, channel))];
  const sent = () => metric(south, MESSAGES);
  await until("nothing is asked", async () => { // it has followed the channel for long enough
    const before = await sent();
    for (let i = 0; i < 8; i++) await present(south, channel);
    return (await sent()) === before;
  });
  await presentAs(south, channel, whole(...all));
  assert.deepEqual(await present(south, channel), whole(...all));
});

test("FLUSHALL makes nobody look offline", async (t) => {
  const alice = await come(t, north, "alice"), bob = await come(t, south, "bob");
  await seenAs(bob, alice, "online");
  redis.cli("flushall");
  await stays(3000, bob, alice, "online"); // the workers register again within a second
});

test("while Redis stalls the answer is local, fast and marked stale", async (t) => {
  const channel = newName("lobby"), alice = await come(t, north, "alice"), bob = await come(t, south, "bob");
  assert.equal((await alice.join(channel)).ok, true);
  await seenAs(bob, alice, "online");
  await presentAs(south, channel, whole(alice));
  redis.signal("SIGSTOP");
  try {
    for (const known of ["the workers do not know yet", "they do"]) {
      const asked_ms = Date.now();
      const { users, stale } = await get(bob, alice, bob);
      assert.ok(Date.now() - asked_ms < 5000, known); // half a second if the machine is idle
      assert.deepEqual([users[0].status === "online", users[1].status, stale], [false, "online", true], known);
      assert.equal((await present(south, channel)).stale, true, known);
      if (known === "the workers do not know yet") await until("the bus to be degraded", async () => (await health(south)).checks.bus === "degraded");
    }
  } finally {
    redis.signal("SIGCONT");
  }
  await seenAs(bob, alice, "online");
});

test("a stalled node makes answers stale until it is dead", async (t) => {
  const [east] = await startFleet(t, redis, 1, { "node.name": "east", "presence.grace_ms": 500 }, { expects: /worker\./ });
  const alice = await come(t, east, "alice", { reconnection: false }), bob = await come(t, south, "bob"), carol = await come(t, north, "carol");
  for (const server of [north, south]) await known(server, 4);
  for (const user of [alice, carol]) await seenAs(bob, user, "online");
  const all = [east.pid, ...east.workers()];
  all.forEach((pid) => process.kill(pid, "SIGSTOP"));
  try {
    const { users, stale } = await get(bob, alice, carol);
    assert.deepEqual([users[0].status === "online", users[1].status, stale], [false, "online", true]);
    await until("it to be dead", async () => !(await get(bob, alice)).stale, LEASE_MS + 20_000);
    assert.equal((await get(bob, carol)).users[0].status, "online");
  } finally {
    all.forEach((pid) => process.kill(pid, "SIGCONT"));
  }
  await seenAs(bob, alice, "online"); // alice was connected all the time
});

