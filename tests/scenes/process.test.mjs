// SPDX-License-Identifier: Apache-2.0
// Master and worker: what an operator sees of the processes, and what clients do not.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import WebSocket from "ws";
import { BINARY, newFolder, runStoa as run, startServer, until, within } from "./harness.mjs";

const version = (n) => `local stoa = require "stoa"\nstoa.on("version", function() return ${n} end)\n`;

/** A folder with a configuration and one script, both to be rewritten by the scene. */
function newSite(t, script = version(1), settings = "") {
  const folder = newFolder(t);
  const site = { folder, config: path.join(folder, "stoa.lua"), script: path.join(folder, "policy.lua") };
  writeFileSync(site.config, `return {\n  scripts = { "policy.lua" },\n${settings}}\n`);
  writeFileSync(site.script, script);
  return site;
}

function connect(t, server, options = {}) {
  const socket = io(server.url, { forceNew: true, transports: ["websocket"], reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
  t.after(() => socket.close());
  return within("a connection", new Promise((resolve) => socket.on("connect", () => resolve(socket))));
}

const ask = (socket, event) => within(`an answer to ${event}`, socket.emitWithAck(event));

/** Resolves with the outcome of a bare TCP connection: "connected" or the error's code. */
function knock(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => (socket.destroy(), resolve("connected")));
    socket.on("error", (error) => resolve(error.code));
  });
}

const isAlive = (pid) => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

test("a broken configuration ends with 2 and names the line", async (t) => {
  const { config } = newSite(t);
  for (const [text, line] of [
    ["return {\n  ping_intervall_ms = 3,\n}", /:2: ping_intervall_ms: unknown key, did you mean "ping_interval_ms"\?$/],
    ["return {\n\n  max_payload_bytes = 0,\n}", /:3: max_payload_bytes: 0 is below 256$/],
    ["return {\n  listen = 'nowhere',\n}", /:2: listen: "nowhere" is no ADDRESS:PORT$/],
    ["return {\n  workers = 'auto',\n}", /:2: workers: more than one worker needs redis/],
    ["return {\n  scripts = { 'absent.lua' },\n}", /:2: scripts: .*absent\.lua: No such file or directory$/],
    ["return {\n  listen = \n}", /:3: /],
  ]) {
    writeFileSync(config, text);
    const { code, stderr } = await run("serve", "--config", config, "--set", "control=");
    const lines = stderr.trim().split("\n");
    assert.equal(code, 2, stderr);
    assert.equal(lines.length, 1, stderr);
    assert.ok(lines[0].startsWith(config), stderr);
    assert.match(lines[0], line);
  }
});

test("a broken script ends the start with 2 and names its line", async (t) => {
  const { config, script } = newSite(t, 'local stoa = require "stoa"\nstoa.on("version", 5)\n');
  const { code, stderr } = await run("serve", "--config", config, "--set", "listen=127.0.0.1:0", "--set", "store.path=:memory:");
  assert.equal(code, 2, stderr);
  const last = stderr.trim().split("\n").find((line) => line.startsWith(script));
  assert.match(last ?? stderr, /policy\.lua:2: /);
});

test("check reports good or the error, and starts nothing", async (t) => {
  const { config, script } = newSite(t);
  assert.equal((await run("check", "--config", config)).code, 0);
  writeFileSync(script, "return return");
  const { code, stderr } = await run("check", "--config", config);
  assert.equal(code, 2);
  assert.match(stderr, /policy\.lua:1: /);
  writeFileSync(script, version(1));
  for (const [text, line] of [
    ["return {\n  listen = '127.0.0.1:99999',\n}", /:2: listen: "127\.0\.0\.1:99999" is no ADDRESS:PORT$/],
    ["return {\n  tls = {\n    certificate = '/absent.pem',\n    key = '/absent.key' },\n}", /:3: tls\.certificate: \/absent\.pem: not usable: /],
  ]) {
    writeFileSync(config, text);
    const checked = await run("check", "--config", config);
    assert.equal(checked.code, 2, text);
    assert.match(checked.stderr.trim(), line);
    const served = await run("serve", "--config", config, "--set", "control=", "--set", "store.path=:memory:");
    assert.equal(served.code, 2, text);
    assert.ok(served.stderr.trim().split("\n").some((each) => each.startsWith(config) && line.test(each)), served.stderr);
  }
  assert.equal((await run("--version")).code, 0);
  assert.equal((await run("dance")).code, 64);
});

test("workers are the master's children, and the control socket is the owner's alone", async (t) => {
  const server = await startServer(t, newSite(t));
  const [worker] = server.workers();
  assert.match(readFileSync(`/proc/${worker}/status`, "utf8"), new RegExp(`^PPid:\\s+${server.pid}$`, "m"));
  const control = path.join(server.options.folder, "stoa.sock");
  assert.equal(statSync(control).mode & 0o777, 0o600);
  const { stdout, code } = await run("status", "--config", server.options.config, "--set", `control=${control}`);
  assert.equal(code, 0);
  const status = JSON.parse(stdout);
  assert.equal(status.pid, server.pid);
  assert.equal(status.worker.pid, worker);
  assert.equal(status.listen, `127.0.0.1:${server.port}`);
});

test("the control socket serves only its owner and root", { skip: process.getuid() !== 0 }, async (t) => {
  const server = await startServer(t, newSite(t));
  const { folder } = server.options, control = path.join(folder, "stoa.sock"), nobody = 65534;
  chmodSync(folder, 0o755);
  chmodSync(control, 0o666);
  const client = `const socket = require("net").connect(${JSON.stringify(control)});
    socket.on("data", (bytes) => process.stdout.write(bytes)).on("error", () => {});
    socket.write("status\\n");`;
  const heard = (uid) => execFileSync(process.execPath, ["-e", client], { uid, cwd: "/", timeout: 20_000, encoding: "utf8" });
  assert.equal(heard(nobody), "");
  assert.equal(JSON.parse(heard(0)).pid, server.pid);
});

test("a reload holds from the next event and disconnects nobody", async (t) => {
  const site = newSite(t);
  const server = await startServer(t, site);
  const alice = await connect(t, server);
  let disconnects = 0;
  alice.on("disconnect", () => disconnects++);
  assert.equal(await ask(alice, "version"), 1);
  writeFileSync(site.script, version(2));
  process.kill(server.pid, "SIGHUP");
  await server.waitForLine(/reload\.done generation=2$/);
  assert.equal(await ask(alice, "version"), 2);
  assert.equal((await (await fetch(`${server.url}/health`)).json()).generation, 2);
  assert.equal(disconnects, 0);
});

test("a failed reload changes nothing, says where, and outlives the worker", async (t) => {
  const site = newSite(t);
  const server = await startServer(t, { ...site, expects: /reload\.failed|worker\.exited/ });
  const alice = await connect(t, server);
  const reload = () => run("reload", "--config", site.config, "--set", `control=${path.join(site.folder, "stoa.sock")}`);
  assert.deepEqual({ ...(await reload()), stderr: "" }, { code: 0, stdout: "ok generation=2\n", stderr: "" });
  for (const broken of ["local x = = 1", 'error("no")', "while true do end", '\n\nrequire "stoa".on(5)']) {
    const from = server.lines.length;
    writeFileSync(site.script, broken);
    const { code, stderr } = await reload();
    assert.equal(code, 1, broken);
    assert.match(stderr, /policy\.lua:\d+: /);
    assert.match(await server.waitForLine(/reload\.failed /, from), /error="[^"]*policy\.lua:\d+: /);
    assert.equal(await ask(alice, "version"), 1);
  }
  // The replacement runs the configuration in force, not the one on the disk.
  const [worker] = server.workers();
  process.kill(worker, "SIGKILL");
  await until("another worker", () => server.workers().length === 1 && server.workers()[0] !== worker);
  assert.equal(await ask(await connect(t, server), "version"), 1);
  assert.equal((await (await fetch(`${server.url}/health`)).json()).generation, 2);
});

test("a reload of a broken configuration changes nothing, and says which line", async (t) => {
  const site = newSite(t);
  const server = await startServer(t, { ...site, expects: /reload\.failed/ });
  const alice = await connect(t, server);
  for (const [setting, complaint] of [
    ["ping_timeout_ms = 0", "ping_timeout_ms: 0 is below 10"],
    ["ping_timeout_ms = -1", "ping_timeout_ms: -1 is below 10"],
    ["ping_timeout_ms = 1e18", "ping_timeout_ms: must be an integer"],
    ['ping_timeout_ms = "20s"', "ping_timeout_ms: must be an integer"],
    ["ping_timeout = 20", "ping_timeout: unknown key"],
    ['tls = { certificate = "absent.pem", key = "absent.pem" }', "absent.pem"],
  ]) {
    const from = server.lines.length;
    writeFileSync(site.config, `return {\n  scripts = { "policy.lua" },\n  ${setting},\n}\n`);
    process.kill(server.pid, "SIGHUP");
    const line = await server.waitForLine(/reload\.failed /, from);
    assert.ok(line.includes(complaint), line);
    if (!setting.startsWith("tls")) assert.ok(line.includes("stoa.lua:3: "), line);
    assert.equal(await ask(alice, "version"), 1);
  }
});

test("a reload names what changed and what needs a restart", async (t) => {
  const fixed = "  app = { mode = 'development', a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, issuer = 'x', audience = 'y' },\n";
  const site = newSite(t, version(1), fixed);
  const server = await startServer(t, site), control = path.join(site.folder, "stoa.sock");
  const reload = async () => {
    const from = server.lines.length;
    const { code, stdout } = await run("reload", "--control", control);
    assert.equal(code, 0);
    const named = (event) => server.lines.slice(from).filter((line) => line.includes(event)).map((line) => line.match(/key=(\S+)/)[1]);
    await server.waitForLine(/reload\.done/, from);
    return { stdout, changed: named("reload.changed"), restart: named("reload.restart_needed") };
  };
  assert.deepEqual(await reload(), { stdout: "ok generation=2\n", changed: [], restart: [] });
  writeFileSync(site.config, `return {\n  scripts = { "policy.lua" },\n${fixed}  net = { backlog = 7 },\n  log_level = "debug",\n}\n`);
  const told = { stdout: "ok generation=3 restart_needed=net.backlog\n", restart: ["net.backlog"] };
  assert.deepEqual(await reload(), { ...told, changed: ["log_level"] });
  assert.deepEqual(await reload(), { ...told, stdout: told.stdout.replace("3", "4"), changed: [] });
  assert.deepEqual(JSON.parse((await run("status", "--control", control)).stdout).restartNeeded, ["net.backlog"]);
});

test("a storm of SIGHUP is a few reloads, and the last state holds", async (t) => {
  const site = newSite(t);
  const server = await startServer(t, { ...site, expects: /reload\.failed/ });
  const alice = await connect(t, server);
  for (let n = 2; n <= 200; n++) {
    writeFileSync(site.script, version(n));
    process.kill(server.pid, "SIGHUP");
  }
  await until("the last version", async () => (await ask(alice, "version")) === 200);
  assert.ok(server.lines.filter((line) => /reload\.done/.test(line)).length < 200);
});

test("a SIGHUP during a reload is one more reload", async (t) => {
  const site = newSite(t);
  const server = await startServer(t, { ...site, expects: /loading/ });
  const alice = await connect(t, server);
  writeFileSync(site.script, `${version(2)} stoa.log.warning("loading") for _ = 1, 2e7 do end`);
  process.kill(server.pid, "SIGHUP");
  await server.waitForLine(/loading/);
  writeFileSync(site.script, version(3));
  process.kill(server.pid, "SIGHUP");
  await server.waitForLine(/reload\.done generation=3$/);
  assert.equal(await ask(alice, "version"), 3);
});

test("a killed worker is replaced within a second, and nobody is refused meanwhile", async (t) => {
  const server = await startServer(t, { ...newSite(t), expects: /worker\.exited/ });
  const [worker] = server.workers();
  const killed_at = Date.now();
  process.kill(worker, "SIGKILL");
  const outcomes = new Set();
  await until("another worker", async () => {
    outcomes.add(await knock(server.port));
    return server.workers().some((pid) => pid !== worker);
  });
  assert.ok(Date.now() - killed_at < 1000);
  await until("service", async () => {
    outcomes.add(await knock(server.port));
    return (await fetch(`${server.url}/health`).catch(() => ({}))).status === 200;
  });
  assert.deepEqual([...outcomes], ["connected"]);
});

test("workers that die one after the other are replaced ever more slowly", async (t) => {
  const server = await startServer(t, { ...newSite(t), expects: /worker\.exited/ });
  for (let n = 1; n <= 6; n++) {
    await until("a worker", () => server.workers().length === 1);
    process.kill(server.workers()[0], "SIGKILL");
    await until("its end", () => server.lines.filter((line) => /worker\.exited/.test(line)).length === n);
  }
  const waits = server.lines.map((line) => line.match(/worker\.exited .*wait_ms=(\d+)/)?.[1]).filter(Boolean).map(Number);
  assert.deepEqual(waits, [0, 0, 0, 0, 1000, 2000]);
});

test("a suspended worker is killed and replaced", async (t) => {
  const server = await startServer(t, { ...newSite(t), expects: /worker\.stuck/ });
  const [worker] = server.workers();
  process.kill(worker, "SIGSTOP");
  await server.waitForLine(new RegExp(`worker\\.stuck pid=${worker} `));
  await until("another worker", () => server.workers().some((pid) => pid !== worker));
  assert.ok(!isAlive(worker));
  await connect(t, server);
});

test("without its master a worker frees the port and ends", async (t) => {
  const server = await startServer(t, newSite(t));
  const alice = await connect(t, server, { reconnection: false });
  const gone = new Promise((resolve) => alice.on("disconnect", resolve));
  const [worker] = server.workers();
  process.kill(server.pid, "SIGKILL");
  const killed_at = Date.now();
  await until("the port to be free", async () => (await knock(server.port)) === "ECONNREFUSED", 5000);
  assert.equal(await within("alice's disconnect", gone), "transport close");
  await until("the worker's end", () => !isAlive(worker), 6000);
  assert.ok(Date.now() - killed_at < 6000);
});

test("a stalled worker ends once it runs after its master's end", async (t) => {
  const server = await startServer(t, newSite(t));
  const [worker] = server.workers();
  process.kill(worker, "SIGSTOP");
  process.kill(server.pid, "SIGKILL");
  await until("the master's end", () => !isAlive(server.pid));
  process.kill(worker, "SIGCONT");
  await until("the worker's end", () => !isAlive(worker), 8000);
});

test("SIGTERM: not ready, no new connections, a notice, 1012, status 0", async (t) => {
  const server = await startServer(t, { ...newSite(t), set: { "drain.notice_s": 1, "drain.timeout_s": 4 } });
  const alice = await connect(t, server, { reconnection: false });
  const bob = new WebSocket(`ws://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=websocket`);
  const seen = [];
  alice.on("server:shutdown", (goodbye) => seen.push(["shutdown", typeof goodbye.reconnectIn]));
  alice.on("disconnect", (reason) => seen.push(["disconnect", reason]));
  const code = new Promise((resolve) => bob.on("close", resolve));
  await within("bob's connection", new Promise((resolve) => bob.on("open", resolve)));
  process.kill(server.pid, "SIGTERM");
  await until("readiness to be 503", async () => (await fetch(`${server.url}/health/ready`)).status === 503);
  assert.equal((await fetch(`${server.url}/health/live`)).status, 200);
  assert.deepEqual(seen, []);
  assert.equal(await within("bob's close", code), 1012);
  await until("the port to be closed", async () => (await knock(server.port)) === "ECONNREFUSED");
  assert.deepEqual(await server.ended(), { code: 0, signal: null });
  await until("alice's news", () => seen.length === 2);
  assert.deepEqual(seen, [["shutdown", "number"], ["disconnect", "transport close"]]);
});

test("a second SIGTERM ends the drain", async (t) => {
  const server = await startServer(t, { ...newSite(t), set: { "drain.notice_s": 60 } });
  await connect(t, server, { reconnection: false });
  process.kill(server.pid, "SIGTERM");
  await server.waitForLine(/ drain state=notice/);
  const began_at = Date.now();
  process.kill(server.pid, "SIGTERM");
  assert.deepEqual(await server.ended(), { code: 0, signal: null });
  assert.ok(Date.now() - began_at < 3000);
});

test("a client that ignores the close does not delay the end", async (t) => {
  const server = await startServer(t, { ...newSite(t), set: { "drain.timeout_s": 1 } });
  const mute = net.connect(server.port, "127.0.0.1");
  mute.on("error", () => {});
  t.after(() => mute.destroy());
  mute.write(
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await within("the upgrade", new Promise((resolve) => mute.once("data", resolve)));
  mute.pause();
  const began_at = Date.now();
  process.kill(server.pid, "SIGTERM");
  assert.deepEqual(await server.ended(), { code: 0, signal: null });
  assert.ok(Date.now() - began_at < 2500);
});

test("metrics need the token, except on this machine", async (t) => {
  const open = await startServer(t, newSite(t));
  const get = (server, headers = {}, query = "") => fetch(`${server.url}/metrics${query}`, { headers });
  assert.match(await (await get(open)).text(), /^stoa_generation 1$/m);
  assert.equal((await get(open, { "x-forwarded-for": "192.0.2.1" })).status, 401);
  const guarded = await startServer(t, { ...newSite(t), set: { "metrics.token": "open-sesame" } });
  assert.equal((await get(guarded)).status, 401);
  assert.equal((await get(guarded, {}, "?token=open-sesame")).status, 401);
  assert.equal((await get(guarded, { authorization: "Bearer open-sesamf" })).status, 401);
  assert.equal((await get(guarded, { authorization: "Bearer open-sesame" })).status, 200);
});

test("a full server refuses with 503 and serves the others", async (t) => {
  const server = await startServer(t, { ...newSite(t), set: { "limits.connections": 3 } });
  const alice = await connect(t, server);
  const others = [await connect(t, server, { reconnection: false }), await connect(t, server, { reconnection: false })];
  const answer = await until("a refusal", () => fetch(`${server.url}/health`).then((reply) => reply.status === 503 && reply, () => null));
  assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  assert.equal(await ask(alice, "version"), 1);
  others.forEach((socket) => socket.close());
  await until("room again", async () => (await fetch(`${server.url}/health`)).status === 200);
});

test("an idle session makes room when the server is full", async (t) => {
  const server = await startServer(t, { ...newSite(t), set: { "limits.connections": 4 } });
  const alice = await connect(t, server);
  let over = 0;
  const silent = Array.from({ length: 8 }, () => net.connect(server.port, "127.0.0.1").on("error", () => {}).on("close", () => over++).resume());
  t.after(() => silent.forEach((socket) => socket.destroy()));
  await until("the first ones' end", () => over >= 5);
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
  await connect(t, server);
  assert.equal(await ask(alice, "version"), 1);
});

test("one address cannot hold all connections", async (t) => {
  const server = await startServer(t, { ...newSite(t), set: { "limits.connections_per_address": 3 } });
  const mine = [];
  const seats = async () => mine.push(await connect(t, server, { reconnection: false }));
  for (let i = 0; i < 3; i++) await seats();
  const refused = await until("a refusal", () => fetch(`${server.url}/health`).then((reply) => reply.status === 503 && reply, () => null));
  assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  const other = net.connect({ port: server.port, host: "127.0.0.1", localAddress: "127.0.0.9" });
  t.after(() => other.destroy());
  other.write("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(String(await within("an answer", new Promise((resolve) => other.once("data", resolve)))), /^HTTP\/1.1 200 /);
  mine[0].close();
  await until("room again", async () => (await fetch(`${server.url}/health`)).status === 200);
});

test("SIGUSR1 reopens the log file", async (t) => {
  const site = newSite(t);
  const log = path.join(site.folder, "stoa.log");
  const has = (file, pattern) => {
    try {
      return pattern.test(readFileSync(file, "utf8"));
    } catch {
      return false;
    }
  };
  const { spawn } = await import("node:child_process");
  const server = spawn(BINARY, ["serve", "--config", site.config, "--set", "listen=127.0.0.1:0", "--set", `log_file=${log}`]);
  t.after(() => server.kill("SIGKILL"));
  const ended = new Promise((resolve) => server.on("exit", resolve));
  await until("the ready line", () => has(log, /server\.ready/));
  const { renameSync } = await import("node:fs");
  renameSync(log, `${log}.1`);
  server.kill("SIGUSR1");
  await until("a new file", () => has(log, /^/));
  server.kill("SIGTERM");
  assert.equal(await within("the end", ended), 0);
  assert.ok(has(log, /server\.stopped/));
  assert.ok(has(log, /drain state=over/));
});
