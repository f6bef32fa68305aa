// SPDX-License-Identifier: Apache-2.0
// Which web pages may connect.
import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { file, startServer, within } from "./harness.mjs";
import { Engine, Wire } from "./raw.mjs";

const FRIEND = "https://friend.example";
const strict = await startServer(file);
const open = await startServer(file, { set: { origins: ["self", FRIEND] } });
const wide = await startServer(file, { set: { origins: ["*"] } });
const cookies = await startServer(file, { set: { origin_required: true } });

// How the three doors answer a page of that origin: their status.
async function doors(t, server, origin) {
  const headers = { cookie: "session=valid", ...(origin === undefined ? {} : { origin }) };
  const engine = new Engine(server, "/socket.io/");
  const polling = await engine.request({ EIO: 4, transport: "polling" }, { headers });
  const opened = async (wire) => wire.opened().then(() => 101, () => wire.closed.status);
  return {
    polling: polling.status,
    websocket: await opened(engine.websocket(t, {}, { headers })),
    plain: await opened(new Wire(t, `${server.url}/ws`, { headers })),
    allowed: polling.headers.get("access-control-allow-origin"),
    credentials: polling.headers.get("access-control-allow-credentials"),
  };
}

const CLOSED = { polling: 403, websocket: 403, plain: 403, allowed: null, credentials: null };

test("by default a page may connect only to its own origin", async (t) => {
  const own = await doors(t, strict, strict.url);
  assert.deepEqual([own.polling, own.websocket, own.plain], [200, 101, 101]);
  const none = await doors(t, strict, undefined);
  assert.deepEqual([none.polling, none.websocket, none.plain], [200, 101, 101]);
});

for (const origin of ["https://evil.example", "null", `${FRIEND}.evil.example`, `${FRIEND}:8443`, "http://friend.example",
  "https://friendXexample", `${FRIEND}.`, `${FRIEND}:80`, `${FRIEND}/`, `${FRIEND} `.repeat(2).trim(),
  "https://user@friend.example", "https://127.0.0.1.evil.example", "file://"]) {
  test(`a page of ${origin} is refused on every path`, async (t) => {
    assert.deepEqual(await doors(t, strict, origin), CLOSED);
    assert.deepEqual(await doors(t, open, origin), CLOSED);
  });
}

test("the log names a refused Origin and its Host", async (t) => {
  const server = await startServer(t); // whose lines are not held back yet
  await doors(t, server, "https://elsewhere.example");
  assert.match(await server.waitForLine(/origin\.refused/), new RegExp(`warning origin\\.refused origin=https://elsewhere\\.example host=127\\.0\\.0\\.1:${server.port} address=127\\.0\\.0\\.1 advice=origins`));
});

test("a default port in Host makes no difference", async (t) => {
  const jwt = await startServer(t, { set: { "auth.mode": "jwt", "auth.secret": "0123456789abcdef0123456789abcdef" } });
  const headers = (host, origin) => ({ headers: { host, origin } });
  const status = (host, origin) => new Promise((resolve, reject) => {
    http.get(`${jwt.url}/socket.io/?EIO=4&transport=polling`, headers(host, origin), (response) => resolve(response.resume().statusCode)).on("error", reject);
  });
  assert.equal(await status("c.example:443", "https://c.example"), 200);
  assert.equal(await status("c.example", "https://c.example:443"), 200);
  assert.equal(await status("c.example:8443", "https://c.example"), 403);
});

test("with cookies, a request without an origin is refused", async (t) => {
  assert.deepEqual(await doors(t, cookies, undefined), CLOSED);
  const own = await doors(t, cookies, cookies.url);
  assert.deepEqual([own.polling, own.websocket, own.plain], [200, 101, 101]);
});

test("a listed page may connect and read the answers", async (t) => {
  assert.deepEqual(await doors(t, open, FRIEND), { polling: 200, websocket: 101, plain: 101, allowed: FRIEND, credentials: "true" });
});

for (const origin of ["https://FRIEND.example", "HTTPS://friend.example", `${FRIEND}:443`]) {
  test(`a page of ${origin} has the listed origin`, async (t) => {
    assert.deepEqual(await doors(t, open, origin), { polling: 200, websocket: 101, plain: 101, allowed: origin, credentials: "true" });
  });
}

test("a page may read why its request was refused", async () => {
  const ask = (origin, ...lines) => within("an answer", new Promise((resolve, reject) => {
    let answer = "";
    const head = ["POST /socket.io/?EIO=4&transport=polling&sid=nobody HTTP/1.1", "Host: localhost", `Origin: ${origin}`, ...lines];
    const socket = net.connect(open.port, "127.0.0.1", () => socket.write(head.join("\r\n")));
    socket.on("error", reject).on("data", (bytes) => {
      answer += bytes;
      if (!answer.includes("\r\n\r\n")) return;
      socket.destroy();
      const said = (name) => answer.match(new RegExp(`^${name}: (.*)\r$`, "m"))?.[1];
      resolve([Number(answer.slice(9, 12)), said("access-control-allow-origin"), said("access-control-allow-credentials")]);
    });
  }));
  assert.deepEqual(await ask(FRIEND, "Content-Length: 1100000", "", ""), [413, FRIEND, "true"]);
  assert.deepEqual(await ask(FRIEND, "Transfer-Encoding: chunked", "", "10c8e0", ""), [413, FRIEND, "true"]);
  assert.deepEqual(await ask(FRIEND, `Cookie: ${"c".repeat(17_000)}`), [431, FRIEND, "true"]);
  assert.deepEqual(await ask(FRIEND, "Content-Length: +2", "", ""), [400, FRIEND, "true"]);
  assert.deepEqual(await ask("https://evil.example", "Content-Length: +2", "", ""), [400, undefined, undefined]);
});

test("if every page may connect, none may send credentials", async (t) => {
  const { polling, websocket, plain, allowed, credentials } = await doors(t, wide, "https://anyone.example");
  assert.deepEqual({ polling, websocket, plain, allowed, credentials }, { polling: 200, websocket: 101, plain: 101, allowed: "*", credentials: null });
});

test("preflights are answered only for listed pages", async () => {
  const preflight = (origin) => fetch(`${open.url}/socket.io/?EIO=4&transport=polling`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
  });
  const friend = await preflight(FRIEND);
  assert.equal(friend.headers.get("access-control-allow-origin"), FRIEND);
  assert.match(friend.headers.get("access-control-allow-methods"), /POST/);
  assert.equal((await preflight("https://evil.example")).headers.get("access-control-allow-origin"), null);
});

// How the server's paths answer a page that calls it by that name, and is of that origin: their statuses.
async function called(server, host) {
  const ask = (path, headers) => new Promise((resolve, reject) => {
    const request = http.request(`${server.url}${path}`, { headers: { host, origin: `http://${host}`, ...headers } });
    request.on("response", (response) => (response.resume(), resolve(response.statusCode)));
    request.on("upgrade", (response, socket) => (socket.destroy(), resolve(response.statusCode)));
    request.on("error", reject).end();
  });
  const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "c3RvYXN0b2FzdG9hc3RvYQ==" };
  return Promise.all([ask("/socket.io/?EIO=4&transport=polling"), ask("/socket.io/?EIO=4&transport=websocket", upgrade), ask("/ws", upgrade), ask("/metrics"), ask("/health"), ask("/nothing")]);
}

const NOBODYS = [421, 421, 421, 421, 421, 421], SERVED = [200, 101, 101, 200, 200, 404];

test("in development mode, a page cannot use another host name", async (t) => {
  const named = await startServer(t, { set: { origins: ["self", FRIEND], hosts: ["chat.example.org"] } });
  for (const server of [strict, named]) {
    for (const host of ["evil.example", `evil.example:${server.port}`, "127.0.0.1.evil.example", "localhost.evil.example"]) assert.deepEqual(await called(server, host), NOBODYS, host);
    for (const host of [`127.0.0.1:${server.port}`, `localhost:${server.port}`]) assert.deepEqual(await called(server, host), SERVED, host);
  }
  for (const host of ["chat.example.org", "CHAT.example.org:8443", "friend.example"]) assert.deepEqual(await called(named, host), SERVED, host);
});

test("a server that asks for tokens accepts any Host unless listed", async (t) => {
  const set = { "auth.mode": "jwt", "auth.secret": "0123456789abcdef0123456789abcdef" };
  assert.deepEqual(await called(await startServer(t, { set }), "chat.example.org"), SERVED);
  assert.deepEqual(await called(await startServer(t, { set: { ...set, hosts: ["chat.example.org"] } }), "evil.example"), NOBODYS);
});
