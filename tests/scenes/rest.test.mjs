// SPDX-License-Identifier: Apache-2.0
// The REST interface for other servers, and the tokens of clients.
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { newFolder, startServer, until, within } from "./harness.mjs";
import { Person, person } from "./people.mjs";

const KEY = "the-back-office", OTHER_KEY = "the-newsroom";

// The REST interface, with a key: {status, …body}.
function rest(server, key = KEY) {
  return async (method, path_, body) => {
    const response = await fetch(`${server.url}/api${path_}`, {
      method,
      headers: { ...(key && { authorization: `Bearer ${key}` }), ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
    return { status: response.status, ...(await response.json()) };
  };
}

const keyed = (t, set) => startServer(t, { set: { api_keys: [KEY, OTHER_KEY], ...set } });

test("without a key, or with a wrong one, nothing is done", async (t) => {
  const server = await keyed(t);
  for (const key of [null, "wrong", KEY.slice(0, -1)]) {
    const { status, ok, error } = await rest(server, key)("PUT", "/channels/lobby", { name: "Lobby" });
    assert.deepEqual([status, ok, error.code], [401, false, "unauthorized"]);
  }
  assert.equal((await rest(server, OTHER_KEY)("GET", "/channels/lobby")).status, 404);
});

test("no response has a header twice", async (t) => {
  const server = await keyed(t);
  for (const page of ["/api/channels/lobby", "/health", "/metrics", "/nowhere"]) {
    const { headers } = await fetch(server.url + page, { headers: { authorization: `Bearer ${KEY}` } });
    assert.equal(headers.get("x-content-type-options"), "nosniff", page);
  }
});

test("a request without a key is refused by its head", async (t) => {
  const server = await keyed(t);
  const answer = (key, body) => new Promise((resolve, reject) => {
    const request = http.request(`${server.url}/api/channels/lobby`, { method: "PUT", headers: { "content-length": 900_000, authorization: `Bearer ${key}` } }, resolve);
    request.on("error", reject);
    if (body) request.end(body);
    else request.flushHeaders();
    t.after(() => request.destroy());
  });
  const refused = await within("a refusal before the body", answer("wrong"));
  assert.deepEqual([refused.statusCode, refused.headers.connection], [401, "close"]);
  assert.equal((await within("an answer", answer(KEY, Buffer.alloc(900_000, 1)))).statusCode, 400);
  assert.equal((await within("an answer", answer(KEY, Buffer.alloc(900_000, 255)))).statusCode, 400);
  assert.equal((await rest(server)("PUT", "/channels/lobby", { name: "Lobby" })).status, 200);
});

test("without api_keys every key is refused", async (t) => {
  const server = await startServer(t);
  for (const key of ["", "nil", "x"]) assert.equal((await rest(server, key)("GET", "/channels/lobby")).status, 401);
});

test("a private channel is for its members only", async (t) => {
  const server = await keyed(t);
  const call = rest(server);
  assert.equal((await call("PUT", "/channels/board", { name: "The board", visibility: "private" })).ok, true);
  const alice = await person(t, server, "alice");
  assert.equal((await alice.join("board")).error.code, "forbidden");
  assert.equal((await call("PUT", "/channels/board/members/alice", { role: "moderator" })).ok, true);
  assert.deepEqual(await alice.next("channel:joined"), { channelId: "board", userId: "alice", role: "moderator" });
  assert.equal((await alice.join("board")).ok, true);
  const { name, visibility, members } = await call("GET", "/channels/board");
  assert.deepEqual({ name, visibility, members }, { name: "The board", visibility: "private", members: 1 });
  assert.equal((await call("DELETE", "/channels/board/members/alice")).ok, true);
  assert.equal((await alice.next("channel:left")).channelId, "board");
  assert.equal((await alice.join("board")).error.code, "forbidden");
});

test("a message posted twice by a server arrives once", async (t) => {
  const server = await keyed(t);
  const call = rest(server);
  await call("PUT", "/channels/news", {});
  const alice = await person(t, server, "alice");
  await alice.join("news");
  const post = { userId: "newsdesk", clientId: "n-1", content: "It rains." };
  const first = await call("POST", "/channels/news/messages", post);
  assert.deepEqual([first.status, first.ok, first.seq], [200, true, 1]);
  const again = await call("POST", "/channels/news/messages", post);
  assert.deepEqual([again.id, again.duplicate], [first.id, true]);
  const conflict = await call("POST", "/channels/news/messages", { ...post, content: "It snows." });
  assert.deepEqual([conflict.status, conflict.error.code], [409, "id_conflict"]);
  const heard = await alice.next("message:new");
  assert.deepEqual([heard.id, heard.userId, heard.content], [first.id, "newsdesk", "It rains."]);
  const { messages, more } = await call("GET", "/channels/news/messages?limit=10");
  assert.deepEqual([messages.map(({ content }) => content), more], [["It rains."], false]);
});

test("malformed requests and missing things get the fitting status", async (t) => {
  const server = await keyed(t);
  const call = rest(server);
  await call("PUT", "/channels/lobby", {});
  for (const [status, method, path_, body] of [
    [404, "GET", "/channels/nowhere"],
    [400, "PUT", "/channels/a%20b", {}],
    [400, "PUT", "/channels/lobby", { visibility: "secret" }],
    [400, "PUT", "/channels/lobby/members/alice", { role: "king" }],
    [400, "POST", "/channels/lobby/messages", { content: "from nobody" }],
    [400, "POST", "/sessions", { userId: "alice", ttlSeconds: 0 }],
    [400, "POST", "/broadcast", { data: 1 }],
    [400, "GET", "/channels/lobby/messages?limit=x"],
  ]) {
    const answer = await call(method, path_, body);
    assert.deepEqual([answer.status, answer.ok], [status, false], `${method} ${path_}`);
    assert.equal(typeof answer.error.code, "string");
  }
});

test("presence, profiles, broadcasts and disconnects work on connected users", async (t) => {
  const server = await keyed(t);
  const call = rest(server);
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  await alice.join("lobby");
  const { users, online } = await call("GET", "/channels/lobby/presence");
  assert.deepEqual([users.map(({ userId }) => userId), online], [["alice"], 1]);
  assert.equal((await call("PUT", "/users/alice", { name: "Alice A.", avatar: "a.png" })).ok, true);
  assert.deepEqual((await bob.ask("user:get", { userIds: ["alice"] })).users, [{ userId: "alice", name: "Alice A.", avatar: "a.png" }]);
  await call("POST", "/broadcast", { event: "fire drill", data: { at: "noon" } });
  assert.deepEqual([await alice.next("fire drill"), await bob.next("fire drill")], [{ at: "noon" }, { at: "noon" }]);
  await call("POST", "/broadcast", { event: "only lobby", channelId: "lobby", args: [1] });
  assert.equal(await alice.next("only lobby"), 1);
  assert.equal((await call("POST", "/users/bob/disconnect")).disconnected, 1);
  await until("bob is out", () => !bob.socket.connected);
  assert.ok(alice.socket.connected);
  assert.deepEqual(bob.all("only lobby"), []);
});

test("a session's token lets its user in until it is deleted", async (t) => {
  const server = await keyed(t, { "auth.mode": "session" });
  const call = rest(server);
  const { token } = await call("POST", "/sessions", { userId: "alice", ttlSeconds: 600 });
  assert.ok(token.length >= 22);
  const alice = await person(t, server, "alice", { auth: { token } });
  assert.equal((await call("PUT", "/channels/lobby", {})).ok, true);
  await alice.join("lobby");
  assert.equal((await alice.send("lobby", "in")).ok, true);
  for (const auth of [{ token: `${token}x` }, { token: "" }, { user: "alice" }]) {
    assert.equal((await new Person(t, server, "mallory", { auth }).refused()).data.code, "unauthorized");
  }
  assert.equal((await call("DELETE", `/sessions/${token}`)).ok, true);
  await until("alice is out", () => !alice.socket.connected, 5000);
  assert.equal((await new Person(t, server, "alice", { auth: { token } }).refused()).data.code, "unauthorized");
});

test("a session ends by itself when its time is over", async (t) => {
  const server = await keyed(t, { "auth.mode": "session" });
  const { token } = await rest(server)("POST", "/sessions", { userId: "alice", ttlSeconds: 1 });
  const alice = await person(t, server, "alice", { auth: { token }, reconnection: false });
  await until("alice is out", () => !alice.socket.connected, 5000);
});

// ---- JSON Web Tokens

const SECRET = "thirty-two bytes are the least of it";
const base64url = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

function token(algorithm, claims, signed) {
  const text = `${base64url({ alg: algorithm, typ: "JWT" })}.${base64url(claims)}`;
  return `${text}.${signed(Buffer.from(text)).toString("base64url")}`;
}

const hs256 = (claims, secret = SECRET) => token("HS256", claims, (text) => createHmac("sha256", secret).update(text).digest());
const soon = (seconds = 600) => Math.floor(Date.now() / 1000) + seconds;

const pairs = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};
const signers = {
  RS256: (key) => (text) => sign("sha256", text, key),
  ES256: (key) => (text) => sign("sha256", text, { key, dsaEncoding: "ieee-p1363" }),
  EdDSA: (key) => (text) => sign(null, text, key),
};

for (const algorithm of Object.keys(pairs)) {
  test(`${algorithm}: only a token signed with the key lets its user in`, async (t) => {
    const { publicKey, privateKey } = pairs[algorithm]();
    const pem = path.join(newFolder(t), "key.pem");
    writeFileSync(pem, publicKey.export({ type: "spki", format: "pem" }));
    const server = await startServer(t, { set: { "auth.mode": "jwt", "auth.algorithm": algorithm, "auth.public_key_file": pem } });
    const alice = await person(t, server, "alice", { auth: { token: token(algorithm, { sub: "alice", exp: soon() }, signers[algorithm](privateKey)) } });
    assert.equal((await alice.ask("channel:list")).ok, true);
    const forged = token(algorithm, { sub: "alice", exp: soon() }, signers[algorithm](pairs[algorithm]().privateKey));
    assert.equal((await new Person(t, server, "mallory", { auth: { token: forged } }).refused()).data.code, "unauthorized");
    // A token signed with the public key as an HMAC secret is refused.
    const confused = hs256({ sub: "alice", exp: soon() }, publicKey.export({ type: "spki", format: "pem" }));
    assert.equal((await new Person(t, server, "mallory", { auth: { token: confused } }).refused()).data.code, "unauthorized");
  });
}

test("HS256: only a valid token of a user lets in", async (t) => {
  const server = await startServer(t, { set: { "auth.mode": "jwt", "auth.secret": SECRET } });
  const alice = await person(t, server, "alice", { auth: { token: hs256({ sub: "alice", exp: soon() }) } });
  assert.equal((await alice.ask("channel:list")).ok, true);
  const good = hs256({ sub: "alice", exp: soon() });
  for (const [what, bad] of Object.entries({
    "no token": undefined,
    "not a token": "abc",
    "another secret": hs256({ sub: "alice", exp: soon() }, "thirty-two other bytes are not enough"),
    "expired": hs256({ sub: "alice", exp: soon(-600) }),
    "without an end": hs256({ sub: "alice" }),
    "not valid yet": hs256({ sub: "alice", exp: soon(1200), nbf: soon(600) }),
    "without a user": hs256({ exp: soon() }),
    "of nobody": hs256({ sub: "a\nb", exp: soon() }),
    "alg none": `${base64url({ alg: "none" })}.${base64url({ sub: "alice", exp: soon() })}.`,
    "no signature": good.slice(0, good.lastIndexOf(".") + 1),
    "a changed claim": good.replace(/\.[^.]+\./, `.${base64url({ sub: "root", exp: soon() })}.`),
  })) {
    const refusal = await new Person(t, server, "mallory", { auth: { token: bad } }).refused();
    assert.equal(refusal.data.code, "unauthorized", what);
  }
});

test("the connection ends when its token does", async (t) => {
  const server = await startServer(t, { set: { "auth.mode": "jwt", "auth.secret": SECRET } });
  const alice = await person(t, server, "alice", { auth: { token: hs256({ sub: "alice", exp: soon(2) }) }, reconnection: false });
  const bob = await person(t, server, "bob", { auth: { token: hs256({ sub: "bob", exp: soon() }) } });
  await until("alice is out", () => !alice.socket.connected, 5000);
  assert.ok(bob.socket.connected);
});

test("a claim opens private channels as long as its token lasts", async (t) => {
  const server = await keyed(t, { "auth.mode": "jwt", "auth.secret": SECRET });
  const call = rest(server);
  for (const id of ["course-7", "course-8", "staff"]) await call("PUT", `/channels/${id}`, { visibility: "private" });
  const alice = await person(t, server, "alice", { auth: { token: hs256({ sub: "alice", exp: soon(), channels: ["course-*"] }) } });
  assert.equal((await alice.join("course-7")).ok, true);
  assert.equal((await alice.join("course-8")).ok, true);
  assert.equal((await alice.join("staff")).error.code, "forbidden");
  assert.equal((await alice.join("nowhere")).error.code, "forbidden");
});
