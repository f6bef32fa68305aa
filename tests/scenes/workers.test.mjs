// SPDX-License-Identifier: Apache-2.0
// Several workers behind one port: a request may reach any of them, and is passed to the one that has the session.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { io } from "socket.io-client";
import { file, newFolder, runStoa, startRedis, startServer, until, within } from "./harness.mjs";

const WORKERS = 4;

const [redis] = startRedis(file);

const keys = newFolder(file);
const key = path.join(keys, "key.pem"), certificate = path.join(keys, "certificate.pem");
execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
  "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], { stdio: "ignore" });
const ca = readFileSync(certificate);

const script = (version) => `local stoa = require "stoa"
stoa.on("version", function() return ${version} end)
stoa.on("echo", function(_, ...) return ... end)
stoa.hook("authenticate", function(handshake) return { id = handshake.auth.user or stoa.crypto.token() } end)
stoa.hook("connect", function(socket) if not socket:claim(5) then return nil, "too_many_connections" end end)
stoa.limit("shouts", { 10, 600 })
stoa.on("shout", function(socket) return stoa.take { shouts = socket.user_id } ~= nil end)
`;

/** A server of several workers in its own folder, whose `script` may be rewritten. */
async function startWorkers(owner, { set = {}, expects } = {}) {
  const folder = newFolder(owner);
  const config = path.join(folder, "stoa.lua"), policy = path.join(folder, "policy.lua");
  writeFileSync(config, 'return { scripts = { "policy.lua" } }\n');
  writeFileSync(policy, script(1));
  const server = await startServer(owner, {
    config, folder, expects,
    set: { workers: WORKERS, "redis.nodes": [redis], "store.path": ":memory:", ...set },
  });
  server.policy = policy;
  if (set["tls.key"]) server.url = server.url.replace("http:", "https:");
  return server;
}

const ownerOf = (sid) => sid.slice(0, 6);

async function connect(t, server, options = {}) {
  const socket = io(server.url, { ca, forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 100, ...options });
  t.after(() => socket.disconnect());
  await until("a connection", () => socket.connected);
  socket.owner = ownerOf(socket.io.engine.id);
  return socket;
}

const connectMany = (t, server, count, options) => Promise.all(Array.from({ length: count }, () => connect(t, server, options)));

/** Notes which clients lose their worker from now on; the condition: some did, and each of them has another session. */
function losses(sockets) {
  const lost = new Set(), sids = new Map(sockets.map((socket) => [socket, socket.io.engine.id]));
  sockets.forEach((socket) => socket.on("disconnect", () => lost.add(socket.owner)));
  const isBack = (socket) => socket.connected && !(lost.has(socket.owner) && socket.io.engine.id === sids.get(socket));
  return [lost, () => lost.size > 0 && sockets.every(isBack)];
}

/** Connects clients until every worker has at least one. */
async function connectToAll(t, server, options) {
  const sockets = await connectMany(t, server, 2 * WORKERS, options);
  await until("a client on each worker", async () => {
    if (new Set(sockets.map((socket) => socket.owner)).size === WORKERS) return true;
    sockets.push(await connect(t, server, options));
  });
  return sockets;
}

const ask = (socket, ...event) => within(`an answer to ${event[0]}`, socket.emitWithAck(...event));

/** One HTTP request: {status, text}; every request of an agent with one socket comes over the same connection. */
function request(server, agent, target, body) {
  const client = server.url.startsWith("https") ? https : http;
  return within(`an answer to ${target}`, new Promise((resolve, reject) => {
    const sent = client.request(server.url + target, { agent, ca, method: body === undefined ? "GET" : "POST", headers: { "content-type": "text/plain" } }, (reply) => {
      let text = "";
      reply.setEncoding("utf8").on("data", (piece) => (text += piece)).on("end", () => resolve({ status: reply.statusCode, text, reused: sent.reusedSocket }));
    });
    sent.on("error", reject).end(body);
  }));
}

const POLLING = "/socket.io/?EIO=4&transport=polling";

async function openSession(server, agent) {
  const { text } = await request(server, agent, POLLING);
  return JSON.parse(text.slice(1)).sid;
}

/** A counter or gauge, from the worker that answers. */
async function metric(server, name) {
  const { text } = await request(server, false, "/metrics");
  return Number(text.match(new RegExp(`^${name} (\\S+)$`, "m"))[1]);
}

const health = async (server) => JSON.parse((await request(server, false, "/health")).text);

const plain = await startWorkers(file);
const secure = await startWorkers(file, { set: { "tls.key": key, "tls.certificate": certificate } });

for (const [what, server] of [["plain", plain], ["TLS", secure]]) {
  for (const [how, options] of [["default options", {}], ["polling only", { transports: ["polling"] }], ["WebSocket only", { transports: ["websocket"] }]]) {
    test(`clients with ${how} live on all workers (${what})`, async (t) => {
      const sockets = await connectToAll(t, server, options);
      sockets.push(...(await connectMany(t, server, 8, options)));
      let disconnects = 0;
      sockets.forEach((socket) => socket.on("disconnect", () => disconnects++));
      for (const size of [1, 1000, 100_000]) {
        const text = "x".repeat(size);
        assert.deepEqual(new Set(await Promise.all(sockets.map((socket) => ask(socket, "echo", text)))), new Set([text]));
      }
      const last = options.transports?.[0] ?? "websocket";
      await until("the last transport", () => sockets.every((socket) => socket.io.engine.transport.name === last));
      await Promise.all(sockets.map((socket) => ask(socket, "echo", 1)));
      assert.equal(disconnects, 0);
    });
  }

  test(`one connection serves sessions of several workers in turn (${what})`, async (t) => {
    const sids = new Map(); // one per worker
    await until("a session on each worker", async () => {
      const sid = await openSession(server, false);
      sids.set(ownerOf(sid), sid);
      return sids.size === WORKERS;
    });
    const client = server.url.startsWith("https") ? https : http;
    const agent = new client.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    let reused = 0;
    for (const [packet, answer] of [["40", /^40\{"sid":/], ['427["echo","hello"]', /^437\["hello"\]$/]]) {
      for (const sid of sids.values()) {
        assert.equal((await request(server, agent, `${POLLING}&sid=${sid}`, packet)).text, "ok");
        const { text, reused: again } = await request(server, agent, `${POLLING}&sid=${sid}`);
        assert.match(text, answer);
        reused += again;
      }
    }
    assert.equal(reused, 2 * WORKERS);
  });

  test(`a missing session is unknown (${what})`, async () => {
    const sid = await openSession(server, false);
    for (const wrong of [`${sid.slice(0, -1)}!`, `${sid.slice(0, 2)}zz${sid.slice(4)}`, `~~${sid.slice(2)}`, "x", "A".repeat(26)]) {
      const answers = await Promise.all(Array.from({ length: WORKERS }, () => request(server, false, `${POLLING}&sid=${encodeURIComponent(wrong)}`)));
      for (const { status, text } of answers) assert.deepEqual([status, JSON.parse(text)], [400, { code: 1, message: "Session ID unknown" }]);
    }
    assert.equal((await request(server, false, `${POLLING}&sid=${sid}`, "40")).status, 200);
  });
}

test("whichever worker is asked answers for all", async (t) => {
  const sockets = await connectToAll(t, plain, { transports: ["websocket"] });
  const connections = async () => Promise.all([1, 2, 3, 4, 5, 6].map(() => metric(plain, "stoa_sessions")));
  await until("all workers to be counted", async () => (await connections()).every((n) => n >= sockets.length));
  assert.ok((await metric(plain, "stoa_handed_total")) > 0);
  const said = await health(plain);
  assert.equal(said.status, "ok");
  assert.deepEqual(said.workers, { ready: WORKERS, of: WORKERS });
  assert.ok(said.connections >= sockets.length);
});

test("each log line names its worker; the master's name none", async () => {
  const joined = await until("all have joined", () => {
    const lines = plain.lines.filter((line) => / bus\.joined /.test(line));
    return lines.length >= WORKERS && lines;
  });
  const numbers = joined.map((line) => Number(line.match(/ worker=(\d+)$/)?.[1]));
  assert.deepEqual([...new Set(numbers)].sort(), [0, 1, 2, 3]);
  assert.doesNotMatch(await plain.waitForLine(/server\.ready/), /worker=/);
});

test("a reload is one for all workers: one line, one generation, or nothing", async (t) => {
  const server = await startWorkers(t, { expects: /reload\.failed/ });
  const sockets = await connectToAll(t, server);
  const versions = async () => [...new Set(await Promise.all(sockets.map((socket) => ask(socket, "version"))))];
  assert.deepEqual(await versions(), [1]);
  writeFileSync(server.policy, script(2));
  server.signal("SIGHUP");
  await server.waitForLine(/reload\.done generation=2$/);
  assert.deepEqual(await versions(), [2]);
  assert.equal(await metric(server, "stoa_generation"), 2);
  writeFileSync(server.policy, "return return");
  server.signal("SIGHUP");
  await server.waitForLine(/reload\.failed error="[^"]*policy\.lua:1: /);
  assert.deepEqual(await versions(), [2]);
  writeFileSync(server.policy, script(3));
  server.signal("SIGHUP");
  await server.waitForLine(/reload\.done generation=3$/);
  assert.deepEqual(await versions(), [3]);
  assert.equal(server.lines.filter((line) => /reload\.(done|failed)/.test(line)).length, 3);
});

test("a stalled worker's clients come back elsewhere", async (t) => {
  const server = await startWorkers(t, { expects: /worker\.stuck|reload\.failed/ });
  const sockets = await connectToAll(t, server);
  const [, allBack] = losses(sockets);
  const [, worker] = server.workers();
  process.kill(worker, "SIGSTOP");
  writeFileSync(server.policy, script(2));
  server.signal("SIGHUP");
  await server.waitForLine(new RegExp(`worker\\.stuck pid=${worker} `));
  await server.waitForLine(/reload\.failed error="a worker ended"$/);
  await until("all to be back", allBack);
  assert.deepEqual(new Set(await Promise.all(sockets.map((socket) => ask(socket, "version")))), new Set([1]));
  await until("another worker", async () => (await health(server)).workers.ready === WORKERS);
  server.signal("SIGHUP");
  await server.waitForLine(/reload\.done generation=2$/);
  assert.deepEqual(new Set(await Promise.all((await connectToAll(t, server)).map((socket) => ask(socket, "version")))), new Set([2]));
});

test("a killed worker is replaced within a second, and others go on", async (t) => {
  const server = await startWorkers(t, { expects: /worker\.exited/ });
  const sockets = await connectToAll(t, server);
  await until("all upgrades", () => sockets.every((socket) => socket.io.engine.transport.name === "websocket"));
  const sids = new Map(sockets.map((socket) => [socket, socket.io.engine.id]));
  const [lost, allBack] = losses(sockets);
  let busy = true, refusals = 0;
  const load = sockets.map(async (socket) => {
    while (busy) if (socket.connected) await socket.timeout(1000).emitWithAck("echo", 1).catch(() => {}); else await new Promise(setImmediate);
  });
  const [, worker] = server.workers();
  const from = server.lines.length, killed_at = Date.now();
  process.kill(worker, "SIGKILL");
  const started = server.waitForLine(/worker\.started /, from).then(() => Date.now() - killed_at);
  for (let n = 0; n < 50; n++) refusals += await request(server, false, "/health").then(({ status }) => status !== 200, () => true);
  assert.ok((await started) < 1000);
  await until("all to be back", allBack);
  busy = false;
  await Promise.all(load);
  assert.equal(lost.size, 1);
  assert.ok(refusals <= 1, `${refusals} refusals`); // one may have been on its way
  const [gone] = lost;
  for (const [socket, sid] of sids) assert.equal(socket.io.engine.id === sid, ownerOf(sid) !== gone);
  // Sessions of the dead worker are unknown, also to its successor.
  const answers = await Promise.all([...sids.values()].filter((sid) => ownerOf(sid) === gone).map((sid) => request(server, false, `${POLLING}&sid=${sid}`)));
  for (const { status, text } of answers) assert.deepEqual([status, JSON.parse(text).code], [400, 1]);
});

test("until a worker is replaced, another one accepts its connections", async (t) => {
  const server = await startWorkers(t, { expects: /worker\.exited/, set: { workers: 2 } });
  const [steady, victim] = server.workers();
  const exits = () => server.lines.filter((line) => /worker\.exited/.test(line)).length;
  for (let n = 1; n <= 6; n++) {
    const current = await until("the worker", () => server.workers().find((pid) => pid !== steady));
    process.kill(current, "SIGKILL");
    await until("its end", () => exits() === n);
  }
  assert.ok(victim !== steady);
  const answered_at = Date.now();
  const answers = await Promise.all(Array.from({ length: 40 }, () => request(server, false, "/health")));
  assert.ok(Date.now() - answered_at < 1900); // it waits 2 s
  for (const { status, text } of answers) assert.deepEqual([status, JSON.parse(text).status], [200, "degraded"]);
  await until("both again", async () => (await health(server)).status === "ok");
});

test("SIGTERM ends all workers with a notice, 1012 and status 0", async (t) => {
  const server = await startWorkers(t, { set: { "drain.timeout_s": 4 } });
  const sockets = await connectToAll(t, server, { reconnection: false, transports: ["websocket"] });
  const seen = sockets.map((socket) => {
    const events = [];
    socket.on("server:shutdown", () => events.push("shutdown"));
    socket.on("disconnect", (reason) => events.push(reason));
    return events;
  });
  const began_at = Date.now();
  server.signal("SIGTERM");
  assert.deepEqual(await server.ended(), { code: 0, signal: null });
  assert.ok(Date.now() - began_at < 4500);
  await until("everybody's news", () => seen.every((events) => events.length === 2));
  for (const events of seen) assert.deepEqual(events, ["shutdown", "transport close"]);
});

test("without their master all workers free the port and end", async (t) => {
  const server = await startWorkers(t);
  const workers = server.workers();
  const knock = () => new Promise((resolve) => {
    const socket = net.connect(server.port, "127.0.0.1", () => (socket.destroy(), resolve("connected"))).on("error", (error) => resolve(error.code));
  });
  const isAlive = (pid) => {
    try {
      return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false;
    }
  };
  process.kill(server.pid, "SIGKILL");
  await until("the port to be free", async () => (await knock()) === "ECONNREFUSED", 5000);
  await until("the workers' end", () => !workers.some(isAlive), 6000);
  await server.ended();
});

test("several workers need what they share", async (t) => {
  const config = path.join(newFolder(t), "stoa.lua");
  for (const [settings, complaint] of [
    ["workers = 2", /:2: workers: more than one worker needs redis\.nodes$/m],
    [`workers = 2, redis = { nodes = { "${redis}" } }`, /:2: workers: a file of SQLite serves one worker only$/m],
  ]) {
    writeFileSync(config, `return {\n  ${settings},\n}\n`);
    for (const command of ["serve", "check"]) {
      const { code, stderr } = await runStoa(command, "--config", config);
      assert.equal(code, 2, stderr);
      assert.match(stderr, complaint);
    }
  }
});

test("of one user's fifty connections exactly five are let in", async (t) => {
  const server = await startWorkers(t);
  const refusals = [], open = new Set();
  const attempts = Array.from({ length: 50 }, () => {
    const socket = io(server.url, { forceNew: true, transports: ["websocket"], auth: { user: "alice" } });
    t.after(() => socket.disconnect());
    socket.on("connect", () => open.add(socket));
    socket.on("connect_error", (error) => refusals.push(error.message));
    return socket;
  });
  await until("an answer to each", () => refusals.length + open.size === attempts.length);
  assert.equal(open.size, 5);
  assert.deepEqual([...new Set(refusals)], ["too_many_connections"]);
  const [first] = open;
  first.disconnect();
  await until("the place that became free", async () => {
    const again = io(server.url, { forceNew: true, transports: ["websocket"], auth: { user: "alice" }, reconnection: false });
    t.after(() => again.disconnect());
    return new Promise((resolve) => again.once("connect", () => resolve(true)).once("connect_error", () => resolve(false)));
  });
});

test("a limit holds over all workers", async (t) => {
  const server = await startWorkers(t);
  const sockets = [];
  for (let i = 0; i < 5; i += 1) sockets.push(await connect(t, server, { auth: { user: "bob" }, transports: ["websocket"] }));
  const answers = [];
  for (let i = 0; i < 30; i += 1) answers.push(await ask(sockets[i % sockets.length], "shout"));
  assert.equal(answers.filter(Boolean).length, 10);
});
