// SPDX-License-Identifier: Apache-2.0
// What an operator does: check, start, watch, reload, end.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { unlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { newFolder, runStoa, startServer, until } from "./harness.mjs";
import { person, sdkClient } from "./people.mjs";

// A folder with files: {name: text}.
function folderOf(owner, files) {
  const folder = newFolder(owner);
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return folder;
}

const answering = (answer) => `local stoa = require "stoa"\nstoa.on("ask", function() return "${answer}" end)\n`;

async function health(server, which = "/health") {
  const response = await fetch(server.url + which);
  return { code: response.status, ...(await response.json()) };
}

test("the program tells its version, and how it is used", async () => {
  const { code, stdout } = await runStoa("--version");
  assert.equal(code, 0);
  assert.match(stdout, /^stoa \d+\.\d+\.\d+\n$/);
  assert.notEqual((await runStoa("dance")).code, 0);
});

test("the shipped configuration is good", async () => {
  const { code, stdout } = await runStoa("check", "--config", "config/stoa.lua");
  assert.equal(code, 0, stdout);
});

for (const [what, files, place] of [
  ["an unknown key", { "stoa.lua": "return {\n  lisen = '127.0.0.1:0',\n}" }, "stoa.lua:2: "],
  ["a value out of range", { "stoa.lua": "return {\n\n  ping_interval_ms = -1 }" }, "stoa.lua:3: "],
  ["a syntax error", { "stoa.lua": "return {\n  = }" }, "stoa.lua:2: "],
  ["a script that does not parse", { "stoa.lua": "return { scripts = { 'bad.lua' } }", "bad.lua": "\n\nlocal function(" }, "bad.lua:3: "],
  ["a script that fails", { "stoa.lua": "return { scripts = { 'bad.lua' } }", "bad.lua": "\nerror('no')" }, "bad.lua:2: "],
  ["a PROXY header from anybody", { "stoa.lua": "return {\n  net = {\n    trusted_proxies = {}, proxy_protocol = true } }" }, "stoa.lua:3: net.trusted_proxies: "],
  ["a proxy that is no address", { "stoa.lua": "return {\n  net = {\n    trusted_proxies = { '10.0.0.1/8' } } }" }, "stoa.lua:3: net.trusted_proxies: "],
  ["workers without Redis", { "stoa.lua": "return {\n  workers = 2 }" }, "stoa.lua:2: "],
]) {
  test(`${what} ends check and serve with 2 and one line that says where`, async (t) => {
    const folder = folderOf(t, files);
    for (const command of ["check", "serve"]) {
      const { code, stderr } = await runStoa(command, "--config", path.join(folder, "stoa.lua"),
        "--set", "listen=127.0.0.1:0", "--set", "control=", "--set", `store.path=${folder}/stoa.db`);
      assert.equal(code, 2, `${command}: ${stderr}`);
      const told = stderr.split("\n").filter((line) => !/^\d{4}-\d\d-\d\dT/.test(line) && line !== ""); // but for the log
      assert.equal(told.length, 1, `${command}: ${stderr}`);
      assert.ok(told[0].startsWith(path.join(folder, place)), `${command}: ${stderr}`);
    }
  });
}

test("health tells that the server lives and can acknowledge", async (t) => {
  const server = await startServer(t);
  assert.equal((await health(server, "/health/live")).code, 200);
  for (const which of ["/health", "/health/ready"]) {
    const { code, status, generation, connections, version, checks } = await health(server, which);
    assert.deepEqual({ code, status, generation }, { code: 200, status: "ok", generation: 1 });
    assert.equal(typeof connections, "number");
    assert.match(version, /^\d/);
    assert.equal(typeof checks, "object");
  }
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^stoa_connections \d+$/m);
});

test("health tells other machines only whether the server works", async (t) => {
  const server = await startServer(t, { set: { "metrics.token": "the-watch", "net.trusted_proxies": ["127.0.0.1"] } });
  const told = async (headers, which = "/health") => {
    const response = await fetch(`${server.url}${which}`, { headers });
    assert.equal(response.status, 200);
    return Object.keys(await response.json()).sort();
  };
  const all = ["checks", "connections", "generation", "status", "version", "workers"], away = { "x-forwarded-for": "192.0.2.7" };
  assert.deepEqual(await told({}), all);
  assert.deepEqual(await told({ ...away, authorization: "Bearer the-watch" }), all);
  for (const headers of [away, { "x-forwarded-for": "127.0.0.1" }, { ...away, authorization: "Bearer the-watc" }, { ...away, authorization: "the-watch" }])
    for (const which of ["/health", "/health/ready", "/health/live"]) assert.deepEqual(await told(headers, which), ["status"]);
});

for (const [how, reload] of [
  ["SIGHUP", async (server) => server.signal("SIGHUP")],
  ["stoa reload", async (server) => {
    const control = path.join(server.options.folder, "stoa.sock");
    const { code, stderr } = await runStoa("reload", "--config", "config/stoa.lua", "--set", `control=${control}`);
    assert.equal(code, 0, stderr);
  }],
]) {
  test(`${how} brings new scripts to connections that stay`, async (t) => {
    const folder = folderOf(t, { "policy.lua": answering("old") });
    const server = await startServer(t, { set: { scripts: [path.join(folder, "policy.lua")] } });
    const alice = await person(t, server, "alice");
    const { id } = alice.socket;
    assert.equal(await alice.ask("ask"), "old");
    writeFileSync(path.join(folder, "policy.lua"), answering("new"));
    await reload(server);
    await server.waitForLine(/reload\.done generation=2/);
    assert.equal(await alice.ask("ask"), "new");
    assert.equal(alice.socket.id, id);
    assert.equal((await health(server)).generation, 2);
  });
}

for (const [what, text, warning] of [
  ["has a key that there is not", "return { control = 'stoa.sock', lisen = 1 }", /^$/],
  ["lacks what it takes from the environment", "return { control = 'stoa.sock', store = { driver = 'postgres' }, postgres = { global = env 'NOT_THERE' } }", /^$/],
  ["does not even evaluate", "return { control = 'stoa.sock' .. env 'NOT_THERE', }", /^warning: \S+stoa\.lua:1: .*; looking for the server at .*\n$/],
  ["is away", undefined, /^warning: \S+stoa\.lua:1: No such file/],
]) {
  test(`status answers while the configuration on the disk ${what}`, async (t) => {
    const config = path.join(folderOf(t, { "stoa.lua": "return { control = 'stoa.sock' }" }), "stoa.lua");
    const server = await startServer(t, { config, set: { control: path.join(path.dirname(config), "stoa.sock") }, expects: /reload\.failed/ });
    if (text) writeFileSync(config, text);
    else unlinkSync(config);
    const { code, stdout, stderr } = await runStoa("status", "--config", config);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).pid, server.pid);
    assert.match(stderr, warning);
    const reload = await runStoa("reload", "--config", config);
    assert.equal(reload.code, 1, "it is there, and refuses");
    assert.match(reload.stderr, /stoa\.lua:/);
  });
}

test("the control socket is enough to find the server", async (t) => {
  const server = await startServer(t);
  const control = path.join(server.options.folder, "stoa.sock");
  const { code, stdout } = await runStoa("status", "--control", control, "--config", "/nowhere/stoa.lua");
  assert.equal(code, 0);
  assert.equal(JSON.parse(stdout).pid, server.pid);
  const none = await runStoa("status", "--control", `${control}.none`);
  assert.deepEqual([none.code, none.stdout], [3, ""]);
  assert.match(none.stderr, /^no server: .*stoa\.sock\.none: No such file/);
});

for (const words of [["dance"], ["epoch"], ["epoch", "end"], ["backup"], ["backup", "one", "two"], ["serve", "--json"], ["verify", "--shard", "-1"], []]) {
  test(`\`stoa ${words.join(" ")}\` is a wrong command line`, async () => {
    const { code, stdout, stderr } = await runStoa(...words);
    assert.deepEqual([code, stdout], [64, ""]);
    assert.notEqual(stderr, "");
  });
}

test("a failed reload says where, and the old scripts stay", async (t) => {
  const folder = folderOf(t, { "policy.lua": answering("old") });
  const script = path.join(folder, "policy.lua");
  const server = await startServer(t, { set: { scripts: [script] }, expects: /reload\.failed/ });
  const alice = await person(t, server, "alice");
  writeFileSync(script, `${answering("new")}\nerror("not today")\n`);
  server.signal("SIGHUP");
  assert.match(await server.waitForLine(/reload\.failed/), new RegExp(`error="${script}:4: `));
  assert.equal(await alice.ask("ask"), "old");
  assert.equal((await health(server)).generation, 1);
});

test("SIGTERM tells everyone, closes with 1012 and exits in time", async (t) => {
  const server = await startServer(t, { set: { "drain.timeout_s": 1 } });
  const alice = await person(t, server, "alice", { transports: ["websocket"] });
  const bob = await person(t, server, "bob", { transports: ["polling"] });
  const ends = [alice, bob].map((who) => new Promise((resolve) => who.socket.once("disconnect", (reason, details) => resolve({ reason, details }))));
  // A poll of bob's waits: what is sent before it is answered before it.
  await until("bob polls", () => bob.socket.io.engine.transport._polling);
  await health(server);
  const stopped_ms = Date.now();
  await server.stop();
  assert.ok(Date.now() - stopped_ms < 3000, "in time");
  const [{ reason, details }, bobs] = await Promise.all(ends);
  assert.equal(reason, "transport close"); // stock clients come back from it, and not from a DISCONNECT
  assert.equal(details.context.code, 1012);
  assert.ok(["transport close", "transport error"].includes(bobs.reason), bobs.reason);
  for (const who of [alice, bob]) {
    const [{ message, reconnectIn }] = who.all("server:shutdown");
    assert.deepEqual([typeof message, typeof reconnectIn], ["string", "number"]);
  }
});

test("messages acknowledged before a stop are there after a restart", async (t) => {
  const server = await startServer(t, { set: { "limits.user_messages": false, "limits.channel_messages": false } });
  const alice = await person(t, server, "alice");
  await alice.join("lobby");
  const acknowledged = [];
  for (let i = 0; i < 50; i++) {
    alice.socket.emit("message:send", { channelId: "lobby", clientId: `c${i}`, content: `m${i}` }, (ack) => ack.ok && acknowledged.push(`m${i}`));
  }
  await until("some acknowledged", () => acknowledged.length > 0);
  const next = await server.restart(t);
  const bob = await person(t, next, "bob");
  await bob.join("lobby");
  const { messages } = await bob.ask("history:get", { channelId: "lobby", limit: 100 });
  const stored = messages.map(({ content }) => content);
  assert.deepEqual(stored.slice(0, acknowledged.length), acknowledged);
});

test("a draining server is not ready, and serves connected clients", async (t) => {
  const server = await startServer(t, { set: { "drain.notice_s": 2 } });
  const alice = await person(t, server, "alice");
  await alice.join("lobby");
  server.signal("SIGTERM");
  await server.waitForLine(/server\.stopping/);
  await until("not ready", async () => (await health(server, "/health/ready")).code === 503);
  assert.equal((await health(server, "/health/live")).code, 200);
  assert.equal((await alice.send("lobby", "a last word")).ok, true);
  await server.stop();
});

test("a server is not ready while its scripts cannot be loaded", async (t) => {
  const key = `-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAx94UM1dNL+/Hj3RT3j7HcGq3V0T51tAtskjPdZrEOXo=\n-----END PUBLIC KEY-----\n`;
  const folder = folderOf(t, { "key.pem": key, "policy.lua": "" });
  writeFileSync(path.join(folder, "policy.lua"), `local stoa, eaten = require "stoa", {}
    stoa.jwt.verifier { algorithm = "EdDSA", public_key_file = "${folder}/key.pem" }
    stoa.on("eat", function() while true do eaten[#eaten + 1] = ("x"):rep(2 ^ 16) .. #eaten end end)`);
  const set = { scripts: [path.join(folder, "policy.lua")], "lua.memory_bytes": 4_000_000 };
  const server = await startServer(t, { set, expects: /policy\.missing|policy\.rebuilt|script\./ });
  const alice = await person(t, server, "alice");
  assert.equal((await health(server, "/health/ready")).code, 200);
  unlinkSync(path.join(folder, "key.pem"));
  await until("they are gone", () => alice.socket.emit("eat") && server.lines.some((line) => line.includes("policy.missing")));
  await until("not ready", async () => (await health(server, "/health/ready")).code === 503);
  assert.equal((await health(server, "/health/live")).code, 200);
  writeFileSync(path.join(folder, "key.pem"), key);
  await until("ready again", async () => (await health(server, "/health/ready")).code === 200);
});

test("a dead worker is replaced on its port, and people return", async (t) => {
  const server = await startServer(t);
  const alice = sdkClient(t, server, "alice");
  await alice.join("lobby");
  await alice.send("lobby", "before");
  await server.killWorker();
  await alice.send("lobby", "after");
  await until("both heard", () => alice.messages.length === 2);
  assert.equal(server.workers().length, 1);
});

test("a second SIGTERM ends it at once", async (t) => {
  const server = await startServer(t, { set: { "drain.timeout_s": 60, "drain.notice_s": 60 } });
  server.signal("SIGTERM");
  await server.waitForLine(/server\.stopping/);
  await server.stop();
});

test("a damaged store is degraded, and serves undamaged channels", async (t) => {
  const server = await startServer(t, { expects: /store\.corrupt|store\.damaged/ });
  const alice = await person(t, server, "alice");
  await alice.join("hall");
  await alice.send("hall", "pay 1000");
  execFileSync("sqlite3", ["-cmd", ".timeout 10000", path.join(server.options.folder, "stoa.db"), "UPDATE messages SET checksum = 1"], { timeout: 20_000 });
  const refused = await alice.ask("history:get", { channelId: "hall" });
  assert.equal((refused.error ?? refused).code, "unavailable", JSON.stringify(refused));
  await until("it is told", async () => (await health(server)).checks.store === "damaged");
  const { code, status } = await health(server);
  assert.deepEqual([code, status], [200, "degraded"]);
  assert.equal((await health(server, "/health/ready")).code, 200);
  assert.equal((await alice.send("hall", "once more")).seq, 2);
});
