// SPDX-License-Identifier: Apache-2.0
// People chat over PostgreSQL: the real server, real clients, real databases (tests/servers/postgres.py).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { newFolder, root, runStoa, startServer, until } from "../scenes/harness.mjs";
import { person } from "../scenes/people.mjs";

const conninfo = (port, database) => `host=127.0.0.1 port=${port} dbname=${database} user=postgres`;
const shards = process.env.STOA_PG_SHARDS.split(" ").map((port, i) => ({ write: conninfo(port, `shard${i}`) }));
const databases = {
  "store.driver": "postgres",
  "postgres.global": conninfo(process.env.STOA_PG_GLOBAL, "global"),
  "postgres.shards": shards,
  "limits.user_messages": false,
  "limits.channel_messages": false,
  "limits.connects": false,
};
const act = (...words) => execFileSync("python3", [`${root}/tests/servers/postgres.py`, "do", process.env.STOA_PG_FOLDER, ...words]);

// The settings as a file, for commands that take no --set list.
function configFile(owner, scripts = [], more = "") {
  const folder = newFolder(owner);
  const list = shards.map(({ write }) => `{ write = "${write}" }`).join(", ");
  const name = path.join(folder, "fleet.lua");
  writeFileSync(name, `return { control = "stoa.sock", listen = "127.0.0.1:0", scripts = { ${scripts.map((s) => `"${s}"`).join(", ")} },
    store = { driver = "postgres" }, postgres = { global = "${databases["postgres.global"]}", shards = { ${list} } }, ${more} }`, { mode: 0o600 });
  return name;
}

test("a database that was not migrated is refused with the command", async (t) => {
  const config = configFile(t);
  const refused = await runStoa("serve", "--config", config);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, new RegExp(`it was not migrated to this version: run: stoa migrate --config ${config}`));
  const runs = await Promise.all([runStoa("migrate", "--config", config), runStoa("migrate", "--config", config)]);
  for (const { code, stderr } of runs) assert.deepEqual([code, stderr], [0, ""]);
  for (const name of ["global", "shard 0", "shard 1", "shard 2"]) {
    const lines = runs.map(({ stdout }) => stdout.split("\n").find((line) => line.startsWith(`${name}: `)));
    assert.equal(lines.filter((line) => /, was 0$/.test(line)).length, 1, lines.join("\n"));
    assert.equal(lines.filter((line) => /, nothing to do$/.test(line)).length, 1, lines.join("\n"));
  }
  const away = await runStoa("migrate", "--config", config, "--set", "postgres.global=host=127.0.0.1 port=1");
  assert.equal(away.code, 1);
  assert.match(away.stderr, /^global: .*refused/);
});

test("a database in the place of another one is refused by name", async (t) => {
  const swapped = `postgres.shards={${[shards[1], shards[0], shards[2]].map(({ write }) => `{write="${write}"}`).join(",")}}`;
  const twice = `postgres.shards={${[shards[0], shards[0], shards[2]].map(({ write }) => `{write="${write}"}`).join(",")}}`;
  const config = configFile(t);
  for (const [set, names] of [[swapped, ["shard 0: .*shard 1 of fleet \\w+", "shard 1: .*shard 0 of fleet \\w+"]], [twice, ["shard 1: .*shard 0 of fleet \\w+"]]]) {
    const migrated = await runStoa("migrate", "--config", config, "--set", set);
    assert.equal(migrated.code, 1);
    for (const name of names) assert.match(migrated.stderr, new RegExp(`^${name}`, "m"));
    const served = await runStoa("serve", "--config", config, "--set", set);
    assert.equal(served.code, 2);
    assert.match(served.stderr, /postgres\.shards: shard [01]: .*: this database is shard [01] of fleet \w+: name each database in its own place/);
  }
});

test("a wrong conninfo names its file and line", async (t) => {
  const config = configFile(t, [], "\nnode = nil");
  writeFileSync(config, readFileSync(config, "utf8").replace("host=127.0.0.1", "hosts=127.0.0.1"));
  for (const command of ["serve", "check"]) {
    const { code, stderr } = await runStoa(command, "--config", config);
    assert.equal(code, 2);
    assert.match(stderr, /fleet\.lua:2: postgres\.global: invalid connection option "hosts"/);
  }
});

const channels = ["lobby", "c0", "c1", "c2", "c3", "c4", "c5", "c6"];

test("people chat on every shard and come back without a gap", async (t) => {
  const server = await startServer(t, { set: databases });
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  for (const channel of channels) {
    assert.equal((await alice.join(channel)).ok, true);
    const joined = await bob.join(channel);
    assert.equal(joined.ok, true);
    const { ok, id, seq, epoch } = await alice.send(channel, `hello ${channel}`);
    assert.deepEqual({ ok, seq }, { ok: true, seq: 1 });
    assert.equal((await bob.next("message:new", (event) => event.channelId === channel)).id, id);
    assert.equal((await alice.ask("message:edit", { channelId: channel, messageId: id, content: "edited" })).seq, 2);
    assert.equal((await bob.ask("reaction:add", { channelId: channel, messageId: id, emoji: "👍" })).seq, 3);
    const { messages } = await bob.ask("history:get", { channelId: channel });
    assert.deepEqual(messages.map(({ content, reactions }) => [content, reactions]), [["edited", { "👍": ["bob"] }]]);
    const { events } = await bob.join(channel, { seq: 1, epoch });
    assert.deepEqual(events.map(([name, event]) => [name, event.seq]), [["message:updated", 2], ["reaction:changed", 3]]);
  }
  const { channels: list } = await bob.ask("channel:list");
  for (const channel of channels)
    assert.equal(list.find(({ channelId }) => channelId === channel).seq, 3);
  const again = await alice.ask("message:send", { channelId: "lobby", clientId: "once", content: "once" });
  const twice = await alice.ask("message:send", { channelId: "lobby", clientId: "once", content: "once" });
  assert.deepEqual([twice.ok, twice.seq, twice.duplicate], [true, again.seq, true]);
  assert.equal((await fetch(`${server.url}/health/ready`)).status, 200);
});

const MAP = 'local stoa = require "stoa"\nstoa.shards { shards = 3, ranges = { { 0, 1364, 0 }, { 1365, 2730, 1 }, { 2731, 4095, 2 } } }\n';

test("a reload that would move channels to another shard is refused", async (t) => {
  const folder = newFolder(t);
  const script = path.join(folder, "map.lua");
  writeFileSync(script, MAP);
  const server = await startServer(t, { set: { ...databases, scripts: [`${root}/scripts/auth.lua`, `${root}/scripts/chat.lua`, script] },
    expects: /reload\.failed/ });
  const from = server.lines.length;
  writeFileSync(script, MAP.replace("{ 0, 1364, 0 }, { 1365, 2730, 1 }, { 2731, 4095, 2 }", "{ 0, 4095, 0 }"));
  server.signal("SIGHUP");
  const line = await server.waitForLine(/reload\.(failed|done)/, from);
  assert.match(line, /reload\.failed .*stoa\.shards: bucket \d+ holds channels on shard [12], such as .* would move to shard 0/);
  const alice = await person(t, server, "alice");
  assert.equal((await alice.join("lobby")).ok, true);
  assert.equal((await alice.send("lobby", "still here")).ok, true);
  writeFileSync(script, MAP.replace("stoa.shards", "-- the same\nstoa.shards"));
  server.signal("SIGHUP");
  await server.waitForLine(/reload\.done/, from);
});

test("a missing shard is named by health, status, alert and gauge", async (t) => {
  const server = await startServer(t, { set: databases, expects: /store\.shard_away| alert .*what=shard\.away/ });
  const told = async () => {
    const { status, checks } = await (await fetch(`${server.url}/health`)).json();
    const { stdout } = await runStoa("status", "--control", path.join(server.options.folder, "stoa.sock"));
    const said = JSON.parse(stdout), metrics = await (await fetch(`${server.url}/metrics`)).text();
    return { status, store: checks.store, ...checks.shards, agree: isDeepStrictEqual([said.status, said.shards], [status, checks.shards]), gauge: Number(metrics.match(/^stoa_shard_away\{shard="1"\} (\d)$/m)?.[1] ?? 0) };
  };
  const well = { status: "ok", store: "ok", 0: "ok", 1: "ok", 2: "ok", global: "ok", gauge: 0, agree: true };
  await until("all is well", async () => isDeepStrictEqual(await told(), well));
  act("kill", "shard1");
  try {
    await until("it is named", async () => isDeepStrictEqual(await told(), { ...well, status: "degraded", 1: "away", gauge: 1 }));
    assert.equal((await fetch(`${server.url}/health/ready`)).status, 200);
    await server.waitForLine(/error alert details=.*shard.*1.* what=shard\.away/);
  } finally {
    act("start", "shard1");
  }
  await until("it is back", async () => isDeepStrictEqual(await told(), well));
  await server.waitForLine(/info store\.shard_works shard=1/);
  await server.waitForLine(/info alert details=.*shard.*1.* what=shard\.works/);
  assert.deepEqual(server.lines.filter((line) => /store\.shard_away/.test(line)).map((line) => line.replace(/^\S+ /, "")), ["error store.shard_away shard=1"]);
});

test("a missing shard affects only its channels", async (t) => {
  const server = await startServer(t, { set: databases, expects: /store\.shard_away| alert .*what=shard\.away/ });
  const people = await Promise.all(channels.map((channel) => person(t, server, `visitor-${channel}`)));
  const say = (content) => Promise.all(channels.map((channel, i) => people[i].send(channel, content)));
  for (const [i, channel] of channels.entries()) assert.equal((await people[i].join(channel)).ok, true);
  act("kill", "shard1");
  try {
    const answers = await say("who is there?");
    const good = answers.filter(({ ok }) => ok), bad = answers.filter(({ ok }) => !ok);
    assert.ok(good.length > 0 && bad.length > 0, JSON.stringify(answers));
    for (const { error } of bad) {
      assert.equal(error.code, "unavailable");
      assert.ok(error.retryAfter > 0, JSON.stringify(error));
    }
    assert.equal((await fetch(`${server.url}/health/ready`)).status, 200);
    const { channels: list, partial } = await people[0].ask("channel:list");
    assert.equal(partial, true);
    assert.deepEqual(list.map(({ channelId }) => channelId), [channels[0]]);
    const late = await startServer(t, { set: databases, expects: /store\.shard_away| alert .*what=shard\.away/ }); // a new worker must not wait for the shard
    const visitor = await person(t, late, "late");
    const here = channels[answers.findIndex(({ ok }) => ok)];
    assert.equal((await visitor.join(here)).ok, true);
    assert.equal((await visitor.send(here, "I have just come")).ok, true);
    const before = performance.now();
    assert.equal((await say("still nobody?")).filter(({ ok }) => !ok).length, bad.length);
    assert.ok(performance.now() - before < 4000, "a shard that has been away for long is not waited for");
  } finally {
    act("start", "shard1");
  }
  await until("every channel takes messages again", async () => {
    const answers = await say("and now?");
    return answers.every(({ ok }) => ok);
  });
});
