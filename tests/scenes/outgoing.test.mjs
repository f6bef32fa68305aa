// SPDX-License-Identifier: Apache-2.0
// Outgoing WebSocket connections of scripts: to npm's ws, plain and over TLS, and to servers that misbehave.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync, readlinkSync, readdirSync } from "node:fs";
import { createServer as createTls } from "node:https";
import { createServer as createPlain } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { file, newFolder, root, startServer, until } from "./harness.mjs";

const folder = newFolder(file);

/** NAME.pem in the configuration's folder, a certificate for these names. */
function certify(name, names) {
  const key = path.join(folder, `${name}-key.pem`), certificate = path.join(folder, `${name}.pem`);
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", `/CN=${name}`, "-addext", `subjectAltName=${names}`, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  return { key: readFileSync(key), cert: readFileSync(certificate) };
}

const ours = certify("ours", "DNS:localhost,IP:127.0.0.1"), others = certify("others", "DNS:elsewhere.example,IP:127.0.0.9");
copyFileSync(path.join(root, "config/stoa.lua"), path.join(folder, "stoa.lua"));
const set = { scripts: [path.join(root, "tests/scenes/outgoing.lua")], static_folder: path.join(root, "client") };
const server = await startServer(file, { config: path.join(folder, "stoa.lua"), set, expects: /script\.error .*holds no certificates/ });

/** What the script told of its connection to url. */
async function ask(what, url, query = {}) {
  const reply = await fetch(`${server.url}/${what}?${new URLSearchParams({ url, ...query })}`);
  assert.equal(reply.status, 200, await reply.clone().text());
  return reply.json();
}

/** A server of ws that echoes; `serve` decides otherwise. */
async function echoServer(t, { tls, serve, ...options } = {}) {
  const http = tls && createTls(tls);
  const there = { ends: [], requests: [], sockets: [] };
  const ws = new WebSocketServer({ ...(http ? { server: http } : { host: "127.0.0.1", port: 0 }), ...options });
  ws.on("connection", (socket, request) => {
    there.requests.push(request);
    there.sockets.push(socket);
    socket.on("error", () => {});
    socket.on("close", (code, reason) => there.ends.push({ code, reason: reason.toString() }));
    if (serve) serve(socket);
    else socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  http?.listen(0, "127.0.0.1");
  await once(http ?? ws, "listening");
  t.after(() => {
    ws.clients.forEach((socket) => socket.terminate());
    ws.close();
    http?.close();
  });
  there.port = (http ?? ws).address().port;
  there.url = `${tls ? "wss" : "ws"}://127.0.0.1:${there.port}`;
  return there;
}

function epolls() {
  const [worker] = server.workers();
  return readdirSync(`/proc/${worker}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${worker}/fd/${fd}`) === "anon_inode:[eventpoll]";
    } catch {
      return false;
    }
  }).length;
}

test("the second loop begins with the first outgoing connection", async (t) => {
  const before = epolls();
  const there = await echoServer(t);
  await ask("echo", there.url);
  assert.equal(epolls(), before + 1);
});

for (const tls of [undefined, ours]) {
  test(`messages of all sizes go and come whole ${tls ? "over TLS" : "in plain"}`, async (t) => {
    const there = await echoServer(t, { tls });
    for (const size of [0, 1, 125, 126, 65535, 65536, 1_000_000]) {
      const told = await ask("echo", `${there.url}/some/path?a=b`, { size, ca: "ours.pem" });
      assert.deepEqual(told, [null, size, `<binary of ${size}>`, true, "closed"]);
    }
    await until("the ends", () => there.ends.length === 7);
    assert.deepEqual(there.ends[0], { code: 4001, reason: "done" });
    assert.equal(there.requests[0].url, "/some/path?a=b");
    assert.equal(there.requests[0].headers.host, `127.0.0.1:${there.port}`);
    assert.equal(there.requests[0].headers["x-test"], "yes");
    assert.equal(there.requests[0].headers["sec-websocket-extensions"], undefined);
  });
}

test("the server chooses one of the subprotocols", async (t) => {
  const there = await echoServer(t, { handleProtocols: (offered) => (offered.has("v1") ? "v1" : false) });
  assert.equal((await ask("echo", there.url, { protocols: 1 }))[0], "v1");
});

test("a name is resolved, and sent as it was given", async (t) => {
  const there = await echoServer(t, { tls: ours });
  const url = `wss://localhost:${there.port}`;
  assert.equal((await ask("echo", url, { ca: "ours.pem" }))[1], 5);
  assert.equal(there.requests[0].headers.host, `localhost:${there.port}`);
  assert.equal(there.requests[0].socket.servername, "localhost");
});

test("servers with untrusted or foreign certificates are refused", async (t) => {
  const there = await echoServer(t, { tls: ours });
  assert.deepEqual(await ask("echo", there.url), [null, "untrusted"]);
  const elsewhere = await echoServer(t, { tls: others });
  for (const host of ["localhost", "127.0.0.1"]) {
    assert.deepEqual(await ask("echo", `wss://${host}:${elsewhere.port}`, { ca: "others.pem" }), [null, "untrusted"]);
  }
  assert.equal(elsewhere.requests.length, 0);
  assert.equal(there.requests.length, 0);
});

test("each failure has its word", async (t) => {
  const refusing = await echoServer(t, { verifyClient: () => false });
  assert.deepEqual(await ask("echo", refusing.url), [null, "refused"]);
  const silent = createPlain(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.after(() => silent.close());
  assert.deepEqual(await ask("echo", `ws://127.0.0.1:${silent.address().port}`, { timeout_ms: 50 }), [null, "timeout"]);
  assert.deepEqual(await ask("echo", "ws://127.0.0.1:1"), [null, "unavailable"]);
  for (const url of ["http://127.0.0.1/", "ws://", "file:///etc/passwd"]) assert.deepEqual(await ask("echo", url), [null, "bad_request"]);
  assert.equal((await fetch(`${server.url}/echo?url=wss://127.0.0.1&ca=nowhere.pem`)).status, 500);
  const cutting = createPlain((socket) => socket.once("data", () => socket.destroy())).listen(0, "127.0.0.1");
  await once(cutting, "listening");
  t.after(() => cutting.close());
  assert.deepEqual(await ask("echo", `ws://127.0.0.1:${cutting.address().port}`), [null, "unavailable"]);
});

test("messages before the end are received, then how it ended", async (t) => {
  const closing = await echoServer(t, { serve: (socket) => socket.once("message", () => {
    for (const word of ["one", "two", "three"]) socket.send(word);
    socket.close(4002, "that is all");
  }) });
  assert.deepEqual(await ask("receive", closing.url), ["one", "two", "three", null, "closed", 4002, "that is all"]);
  const cut = await echoServer(t, { serve: (socket) => socket.once("message", () => socket.send("one", () => socket._socket.destroy())) });
  assert.deepEqual(await ask("receive", cut.url), ["one", null, "closed", 1006, ""]);
  const quiet = await echoServer(t, { serve: () => {} });
  assert.deepEqual(await ask("receive", quiet.url, { wait_ms: 20 }), [null, "timeout"]);
});

test("a message that is too large ends the connection", async (t) => {
  const there = await echoServer(t, { serve: (socket) => socket.once("message", () => socket.send("x".repeat(2000))) });
  assert.deepEqual(await ask("receive", there.url, { max_bytes: 1000 }), [null, "closed", 1009, ""]);
  await until("the end", () => there.ends.length > 0);
  assert.equal(there.ends[0].code, 1009);
});

test("a send to a server that does not read waits, and is reported", async (t) => {
  const there = await echoServer(t, { serve: (socket) => socket.pause() });
  const [sent, word] = await ask("flood", there.url);
  assert.equal(word, "timeout");
  assert.ok(sent > 5 && sent < 1000, `${sent} sent`);
});

test("a connection ends with the scripts that made it", async (t) => {
  const there = await echoServer(t);
  assert.deepEqual(await ask("keep", there.url), [true, null]);
  const from = server.lines.length;
  server.signal("SIGHUP");
  await server.waitForLine(/reload/, from);
  await until("the end", () => there.ends.some(({ code }) => code === 1001));
});
