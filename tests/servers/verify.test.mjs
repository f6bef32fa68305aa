// SPDX-License-Identifier: Apache-2.0
// Plants each kind of damage that `stoa verify` must find in a fleet's databases, one at a time; and epochs begun by hand.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import { file, newFolder, root, runStoa, startServer, until } from "../scenes/harness.mjs";
import { person } from "../scenes/people.mjs";

const conninfo = (port, database) => `host=127.0.0.1 port=${port} dbname=${database} user=postgres`;
const ports = [process.env.STOA_PG_GLOBAL, ...process.env.STOA_PG_SHARDS.split(" ")];
const SHARDS = ports.length - 1;

function sql(place, text) {
  const [port, database] = place === "global" ? [ports[0], "global"] : [ports[1 + place], `shard${place}`];
  const words = [conninfo(port, database), "-Atq", "-v", "ON_ERROR_STOP=1", "-c", text];
  return execFileSync("psql", words, { encoding: "utf8", timeout: 20_000 }).trim();
}

const folder = newFolder(file), config = path.join(folder, "fleet.lua");
const list = ports.slice(1).map((port, i) => `{ write = "${conninfo(port, `shard${i}`)}" }`).join(", ");
writeFileSync(config, `return { auth = { mode = "development" }, scripts = { "${root}/scripts/auth.lua", "${root}/scripts/chat.lua" }, store = { driver = "postgres" },
  postgres = { global = "${conninfo(ports[0], "global")}", shards = { ${list} } } }`, { mode: 0o600 });

async function verify(...more) {
  const { code, stdout, stderr } = await runStoa("verify", "--json", "--config", config, ...more);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return { code, stderr, found: lines.slice(0, -1), totals: lines.at(-1) };
}

let home; // the shard of "hall", whose log is: 1 to 4 messages, 5 an edit of 2, 6 a reaction to 3

before(async () => {
  assert.equal((await runStoa("migrate", "--config", config)).code, 0);
  const server = await startServer({ after() {} }, { config, folder, set: { "limits.user_messages": false, "limits.connects": false } });
  const owner = { after() {} };
  const alice = await person(owner, server, "alice");
  for (const channel of ["hall", "c0", "c1", "c2", "c3"]) {
    assert.equal((await alice.join(channel)).ok, true);
    const ids = [];
    for (let i = 1; i <= 4; i++) ids.push((await alice.send(channel, `m${i}`)).id);
    assert.equal((await alice.ask("message:edit", { channelId: channel, messageId: ids[1], content: "edited" })).seq, 5);
    const acknowledged = await alice.ask("reaction:add", { channelId: channel, messageId: ids[2], emoji: "👍" });
    assert.equal(acknowledged.seq, 6);
  }
  alice.socket.disconnect();
  await server.stop();
  home = Number(sql("global", "SELECT shard FROM channels WHERE channel_id = 'hall'"));
  sql("global", "UPDATE channels SET created_ms = created_ms - 3600000");
});

test("a fleet's sound databases are found sound, also one shard of them", async () => {
  const whole = await verify();
  assert.deepEqual([whole.code, whole.found, whole.totals.events], [0, [], 30], JSON.stringify(whole));
  const one = await verify("--shard", String(home));
  assert.deepEqual([one.code, one.found], [0, []]);
  assert.ok(one.totals.events >= 6 && one.totals.events <= 30);
  const none = await runStoa("verify", "--config", config, "--shard", "7");
  assert.equal(none.code, 2);
  assert.match(none.stderr, /fleet\.lua:\d+: postgres\.shards: there is no shard 7/);
});

const other = () => (home + 1) % SHARDS;
const here = (table) => `channel_id = 'hall'${table ? ` AND ${table}` : ""}`;

// [what, kind, seq, damage, repair]: on the shard of "hall", unless the damage names another place.
const damages = [
  ["an event is gone", "gap", 4, `DELETE FROM events WHERE ${here("seq = 4")}`],
  ["the head is above the last event", "head", 9, `UPDATE channel_heads SET last_seq = 9 WHERE ${here()}`],
  ["the head is below the last event", "head", 5, `UPDATE channel_heads SET last_seq = 5 WHERE ${here()}`],
  ["an epoch that is not known", "epoch", 4, `UPDATE events SET epoch = 77 WHERE ${here("seq = 4")}`],
  ["a message is gone", "orphan", 3, `DELETE FROM messages WHERE ${here("message_seq = 3")}`],
  ["a message without an event", "orphan", 50, `INSERT INTO messages (channel_id, message_seq, message_id, user_id, content, created_ms) VALUES ('hall', 50, 'x', 'eve', '1', 0)`],
  ["an attachment of nothing", "orphan", 60, `INSERT INTO attachments VALUES ('hall', 60, '[]')`],
  ["a reaction to nothing", "orphan", 70, `INSERT INTO reactions VALUES ('hall', 70, '+1', 'eve', 6)`],
  ["a reaction without its event", "orphan", 1, `INSERT INTO reactions VALUES ('hall', 1, '+1', 'eve', 6)`],
  ["a kind that there is not", "event", 5, `UPDATE events SET kind = 9 WHERE ${here("seq = 5")}`],
  ["a log that begins later than its first event", "floor", 1, `UPDATE channel_heads SET min_seq = 3 WHERE ${here()}`],
  ["a log without a head", "orphan", undefined, `DELETE FROM channel_heads WHERE ${here()}`],
];

const TABLES = ["events", "messages", "attachments", "reactions", "channel_heads"];

for (const [what, kind, seq, damage] of damages) {
  test(`a shard: ${what}`, async () => {
    const keep = TABLES.map((table) => `CREATE TABLE kept_${table} AS SELECT * FROM ${table}`).join("; ");
    sql(home, keep);
    sql(home, damage);
    try {
      const { code, found } = await verify();
      assert.equal(code, 1);
      assert.ok(found.some((one) => one.kind === kind && one.channel === "hall" && one.seq === seq && one.place === `shard ${home}`),
        JSON.stringify(found, null, 1));
      assert.ok(found.every((one) => one.channel === "hall"), JSON.stringify(found));
    } finally {
      sql(home, TABLES.map((table) => `DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM kept_${table}; DROP TABLE kept_${table}`).join("; "));
    }
  });
}

for (const [what, kind, channel, damage, repair] of [
  ["a read mark beyond the head", "read_mark", "hall", () => "UPDATE channel_members SET read_seq = 99 WHERE channel_id = 'hall'",
    () => "UPDATE channel_members SET read_seq = 0 WHERE channel_id = 'hall'"],
  ["another shard than the one that has the log", "place", "hall", () => `UPDATE channels SET shard = ${other()} WHERE channel_id = 'hall'`,
    () => `UPDATE channels SET shard = ${home} WHERE channel_id = 'hall'`],
  ["a shard that there is not", "place", "hall", () => "UPDATE channels SET shard = 9 WHERE channel_id = 'hall'",
    () => `UPDATE channels SET shard = ${home} WHERE channel_id = 'hall'`],
  ["a bucket that is said to hold nothing", "bucket", "hall", () => `CREATE TABLE kept AS SELECT * FROM shard_buckets; DELETE FROM shard_buckets WHERE channel_id = 'hall'`,
    () => "DELETE FROM shard_buckets; INSERT INTO shard_buckets SELECT * FROM kept; DROP TABLE kept"],
  ["a bucket that is said to be elsewhere", "bucket", "hall", () => `INSERT INTO shard_buckets VALUES (4095, ${other()}, 'hall')`,
    () => `DELETE FROM shard_buckets WHERE bucket = 4095 AND shard = ${other()}`],
  ["a channel that is nowhere", "place", "attic", () => `SELECT stoa_channel_put('attic', NULL, NULL, 0, 1, ${home})`,
    () => "DELETE FROM channels WHERE channel_id = 'attic'; DELETE FROM shard_buckets WHERE channel_id = 'attic'"],
]) {
  test(`the global database: ${what}`, async () => {
    sql("global", damage());
    try {
      const { code, found } = await verify();
      assert.equal(code, 1);
      assert.ok(found.some((one) => one.kind === kind && one.channel === channel), JSON.stringify(found, null, 1));
    } finally {
      sql("global", repair());
    }
  });
}

test("a missing database is reported, and the others are verified", async () => {
  const { code, stderr, totals } = await verify("--set", `postgres.shards={{write="${conninfo(1, "shard0")}"},${list.split(", ").slice(1).join(",")}}`);
  assert.equal(code, 4);
  assert.match(stderr, /refused/);
  assert.equal(totals.whole, false);
});

test("an epoch begun by hand resets only the clients beyond it", async (t) => {
  for (const words of [[], ["--global", "--shard", "0"]]) {
    const { code, stderr } = await runStoa("epoch", "begin", "--config", config, ...words);
    assert.equal(code, 64, stderr);
  }
  const { code, stdout } = await runStoa("epoch", "begin", "--config", config, "--shard", String(home));
  assert.equal(code, 0);
  const [, epoch] = stdout.match(/^shard \d+: epoch (\S+) begins\n$/);
  const server = await startServer(t, { config });
  const alice = await person(t, server, "alice");
  const before = sql(home, "SELECT number || '-' || incarnation FROM epochs ORDER BY number LIMIT 1");
  assert.equal((await alice.join("hall", { seq: 6, epoch: before })).reset, undefined);
  const sent = await alice.send("hall", "anew");
  assert.deepEqual([sent.seq, sent.epoch], [7, epoch]);
  assert.equal((await alice.join("hall", { seq: 7, epoch: before })).reset.forkSeq, 6);
  sql(0, "UPDATE floors SET number = 40 WHERE name = 'global'"); // as if the fleet had seen it
  const people = await runStoa("epoch", "begin", "--config", config, "--global");
  assert.match(people.stdout, /^global: epoch 41-\w+ begins\n$/, people.stderr);
  await until("the server knows it", () => sql(0, "SELECT number FROM floors WHERE name = 'global'") === "41");
  assert.equal((await alice.join("c0")).ok, true);
  assert.equal((await verify()).code, 0);
});
