// SPDX-License-Identifier: Apache-2.0
// Attacks by mallory on the real server before there is a session, or with too many sessions.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import net from "node:net";
import { test } from "node:test";
import { startServer, until } from "./harness.mjs";
import { person } from "./people.mjs";
import { Engine, Wire } from "./raw.mjs";

const SECRET = "thirty-two bytes are the least of it";
const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function tokenOf(user) {
  const text = `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url({ sub: user, exp: Math.floor(Date.now() / 1000) + 600 })}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

// The number of the server's refusals for that reason.
async function rejected(server, reason) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(text.match(new RegExp(`^stoa_rejected_total\\{reason="${reason}"\\} (\\d+)$`, "m"))?.[1] ?? 0);
}

/** A bare connection: what it received, and whether it has ended. */
function dial(t, server) {
  const line = { text: "", over: false };
  line.socket = net.connect(server.port, "127.0.0.1");
  line.socket.on("data", (bytes) => (line.text += bytes));
  line.socket.on("error", () => (line.over = true));
  line.socket.on("close", () => (line.over = true));
  t.after(() => line.socket.destroy());
  return line;
}

test("500 slow heads end at the deadline, and others are served", async (t) => {
  const server = await startServer(t, { set: { "net.header_timeout_ms": 2000 } });
  const bob = await person(t, server, "bob");
  await bob.join("lobby");
  const lines = Array.from({ length: 500 }, () => dial(t, server));
  const head = "GET /health HTTP/1.1\r\nHost: a\r\n";
  let sent = 0;
  const drip = setInterval(() => lines.forEach(({ over, socket }) => over || socket.write(head[sent % head.length]), sent++), 200);
  t.after(() => clearInterval(drip));
  await until("all begun", () => sent > 2);
  const asked_ms = Date.now();
  assert.equal((await bob.send("lobby", "still here")).ok, true);
  assert.ok(Date.now() - asked_ms < 2000);
  await until("the end of all", () => lines.every(({ over }) => over));
  assert.ok(lines.every(({ text }) => text === "" || text.startsWith("HTTP/1.1 408 ")));
  assert.equal(await rejected(server, "deadline"), 500);
  assert.equal(bob.socket.recovered, false);
  assert.ok(server.lines.filter((line) => line.includes("request.rejected")).length < 100, "lines at a bounded rate");
});

test("guesses are counted by the address of the socket, whatever X-Forwarded-For says", async (t) => {
  const server = await startServer(t, { set: { "auth.mode": "jwt", "auth.secret": SECRET } });
  const engine = new Engine(server, "/socket.io/");
  const knock = async (i, token) => {
    const wire = engine.websocket(t, {}, { headers: { "x-forwarded-for": `192.0.2.${i}` } });
    await wire.next();
    const answer = await wire.send(`40{"token":"${token}"}`).next();
    wire.socket.terminate();
    return answer;
  };
  const answers = [];
  for (let i = 0; i < 250 && !answers.at(-1)?.includes('"rate_limited"'); i++) answers.push(await knock(i, "a.b.c"));
  assert.ok(answers.length > 100);
  assert.match(answers.at(-1), /"rate_limited"/);
  await server.waitForLine(/ warning guesses\.limited .*from=127\.0\.0\.1/);
  assert.match(await (await fetch(`${server.url}/metrics`)).text(), /^stoa_limited_total\{limit="bad_tokens"\} [1-9]/m);
  assert.match(await knock(1, tokenOf("alice")), /^40/); // a right token is no guess
});

test("behind a trusted proxy the client is counted and banned", async (t) => {
  const set = { "net.trusted_proxies": ["127.0.0.1"], "auth.mode": "jwt", "auth.secret": SECRET, app: { banned: ["::ffff:192.0.2.66"] } };
  const server = await startServer(t, { set });
  const engine = new Engine(server, "/socket.io/");
  const knock = async (from, token) => {
    const wire = engine.websocket(t, {}, { headers: { "x-forwarded-for": from } });
    await wire.next();
    const answer = await wire.send(`40{"token":"${token}"}`).next();
    wire.socket.terminate();
    return answer;
  };
  for (const from of ["127.0.0.1, 192.0.2.66", "::ffff:192.0.2.66"]) assert.match(await knock(from, tokenOf("mallory")), /"forbidden"/);
  assert.match(await knock("192.0.2.66, 192.0.2.67", tokenOf("alice")), /^40/);
  let answer = await knock("::ffff:192.0.2.7", "a.b.c");
  await server.waitForLine(/auth\.refused address=192\.0\.2\.7 /); // before the log limits such lines
  for (let i = 0; i < 250 && !answer.includes('"rate_limited"'); i++) answer = await knock(i % 2 ? "::ffff:192.0.2.7" : "192.0.2.7", "a.b.c");
  assert.match(answer, /"rate_limited"/);
  assert.match(await knock("192.0.2.8", "a.b.c"), /"unauthorized"/);
  assert.equal((await fetch(`${server.url}/metrics`, { headers: { "x-forwarded-for": "127.0.0.1" } })).status, 401);
});

test("a token in the URL is in no line of the log", async (t) => {
  const server = await startServer(t, { set: { "auth.mode": "jwt", "auth.secret": SECRET, log_level: "debug" } });
  const engine = new Engine(server, "/socket.io/");
  const good = tokenOf("alice"), bad = `${tokenOf("mallory")}x`;
  for (const [token, answer] of [[good, /^40/], [bad, /^44/]]) {
    const wire = engine.websocket(t, { token });
    await wire.next();
    assert.match(await wire.send("40").next(), answer);
  }
  assert.equal((await engine.request({ EIO: 3, transport: "polling", token: good })).status, 400);
  await server.waitForLine(/request\.rejected/);
  await server.stop();
  for (const token of [good, bad]) assert.ok(!server.lines.some((line) => line.includes(token.slice(0, 40))));
});

test("an address that dials too often is told when to come back", async (t) => {
  const server = await startServer(t, { set: { "limits.accepts_per_address": [20, 60] } });
  const lines = [];
  for (let i = 0; i < 40; i++) {
    lines.push(dial(t, server));
    await until("an open connection", () => !lines[i].socket.connecting);
  }
  await until("refusals", () => lines.filter(({ text }) => /^HTTP\/1\.1 503 [^]*Retry-After: \d+/.test(text)).length >= 15);
  await until("one that stays", () => lines.slice(0, 10).every(({ over }) => !over));
  await server.waitForLine(/connection\.refused/);
});

test("200 half messages stay within the memory limit", async (t) => {
  const server = await startServer(t, { set: { "limits.inbound_bytes": 4_000_000 } });
  const bob = await person(t, server, "bob");
  await bob.join("lobby");
  const half = Buffer.alloc(60_000); // the most that a client may send before it is let in
  const wires = Array.from({ length: 200 }, () => new Wire(t, `${server.url}/ws`));
  for (const wire of wires) {
    await wire.opened();
    wire.socket.send(half, { fin: false });
  }
  await until("refusals", async () => (await rejected(server, "inbound_budget")) >= 130);
  assert.ok(wires.filter(({ closed }) => closed).every(({ closed }) => [1013, 1006].includes(closed.code)));
  assert.equal((await bob.send("lobby", "x".repeat(50_000))).ok, true);
  assert.equal(bob.socket.recovered, false);
});

test("the address that holds most is cut off first", async (t) => {
  const server = await startServer(t, { set: { "limits.inbound_bytes": 4_000_000 } });
  const bob = await person(t, server, "bob", { localAddress: "127.0.0.9" });
  await bob.join("lobby");
  const frame = (announced, sent) => {
    const head = Buffer.alloc(8 + sent);
    head.writeUInt8(0x82, 0);
    head.writeUInt8(0x80 | 126, 1);
    head.writeUInt16BE(announced, 2);
    return head; // masked with zeros
  };
  const begin = async (sent) => {
    const wires = Array.from({ length: 150 }, () => new Wire(t, `${server.url}/ws`));
    for (const wire of wires) {
      await wire.opened();
      wire.socket._socket.write(frame(60_000, sent));
    }
    return wires;
  };
  await begin(15); // they announce 9 MB
  assert.equal((await bob.send("lobby", randomBytes(75_000).toString("base64"))).ok, true);
  assert.equal(await rejected(server, "inbound_budget"), 0);
  await begin(59_000);
  await until("refusals", async () => (await rejected(server, "inbound_budget")) >= 80);
  assert.equal((await bob.send("lobby", randomBytes(110_000).toString("base64"))).ok, true);
  assert.equal(bob.socket.recovered, false);
});

test("attachments that have others wait are their address's, too", async (t) => {
  const server = await startServer(t, { set: { "limits.inbound_bytes": 4_000_000 } });
  const engine = new Engine(server, "/socket.io/");
  const bob = await engine.websocket(t, {}, { localAddress: "127.0.0.9" });
  await bob.next();
  await bob.send('40{"user":"bob"}').next();
  const held = '["version",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]';
  const alike = Array.from({ length: 120 }, () => engine.websocket(t));
  bob.send(`452-7${held}`, Buffer.alloc(500_000));
  for (const wire of alike) {
    await wire.next();
    wire.send(`452-${held}`, Buffer.alloc(60_000));
  }
  await until("refusals", () => alike.filter(({ closed }) => closed?.code === 1013).length >= 50);
  assert.match(await bob.send(Buffer.alloc(1)).next(), /^437/);
});

test("connections that are not let in yet give way to newcomers", async (t) => {
  const server = await startServer(t, { set: { "limits.connections": 30, "net.header_timeout_ms": 60000 } });
  const engine = new Engine(server, "/socket.io/");
  const here = { localAddress: "127.0.0.9" };
  const bob = await person(t, server, "bob", { ...here, transports: ["websocket"] });
  await bob.join("lobby");
  const waits = engine.websocket(t, {}, here);
  await waits.next();
  for (let i = 0; i < 10; i++) await engine.handshake();
  const flood = [];
  for (let i = 0; i < 60; i++) {
    flood.push(i % 2 ? engine.websocket(t) : new Wire(t, `${server.url}/ws`));
    await flood.at(-1).opened();
  }
  await until("those who came first to be gone", () => flood.slice(0, 30).every(({ closed }) => closed?.code === 1013));
  const carol = await person(t, server, "carol", { ...here, transports: ["websocket"] });
  assert.equal((await carol.join("lobby")).ok, true);
  assert.match(await waits.send('40{"user":"dave"}').next(), /^40/);
  assert.equal((await bob.send("lobby", "still here")).ok, true);
  assert.equal(bob.socket.recovered, false);
  assert.equal(await rejected(server, "full"), 0);
  assert.ok((await rejected(server, "room")) >= 40);
});

test("what is malformed is one line of the log, whatever it holds", async (t) => {
  const server = await startServer(t);
  const line = dial(t, server);
  line.socket.write("GET /\x1b[31m HTTP/1.1\r\nHost: a\nfoo\r\n\r\n");
  await until("an answer", () => line.text.startsWith("HTTP/1.1 400 "));
  const logged = await server.waitForLine(/request\.rejected/);
  assert.match(logged, /^\S+ info request\.rejected reason=\w+ address=127\.0\.0\.1$/);
});
