// SPDX-License-Identifier: Apache-2.0
// Tokens as Keycloak, Auth0, Google and a campus make them, with keys from a real server of theirs.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import WebSocket from "ws";
import { root, startServer, until, within } from "./harness.mjs";
import { Person, person } from "./people.mjs";
import { Provider, certificate, now } from "./provider.mjs";

const SCRIPTS = ["auth", "chat", "presence", "rest"].map((name) => path.join(root, `scripts/${name}.lua`));
const ISSUER = "https://login.uni.example/realms/campus";

function serve(t, provider, set = {}, more = {}) {
  return startServer(t, {
    ...more,
    set: {
      scripts: [...SCRIPTS, path.join(root, "tests/scenes/whoami.lua")],
      "auth.mode": "jwt",
      "auth.jwks_url": provider.url,
      "auth.issuer": ISSUER,
      "auth.audience": "chat",
      "auth.jwks_pause_s": 1,
      "limits.connects": false,
      ...set,
    },
  });
}

const campus = (sub, more) => ({ iss: ISSUER, aud: "chat", sub, ...more });
const comes = async (t, server, token) => person(t, server, "someone", { auth: { token: await token }, reconnection: false });
const isRefused = async (t, server, token) => (await new Person(t, server, "someone", { auth: { token: await token }, reconnection: false }).refused()).data;
const health = async (server) => (await fetch(`${server.url}/health`)).json();

// ---- shapes

const shapes = {
  Keycloak: {
    set: { "auth.issuer": ISSUER, "auth.audience": "chat", "auth.claims": ["realm_access.roles", "email", "azp"] },
    claims: {
      iss: ISSUER, aud: ["chat", "account"], sub: "f3a1b9d2-5c1e-4d0a-9f57-2f0f4b1c9e11", typ: "Bearer", azp: "chat-web", sid: "0b5f4a5e", acr: "1",
      "allowed-origins": ["https://chat.uni.example"], realm_access: { roles: ["default-roles-campus", "teacher"] },
      resource_access: { account: { roles: ["view-profile"] } }, scope: "openid email profile", email_verified: true,
      name: "Alice Example", preferred_username: "alice", given_name: "Alice", family_name: "Example", email: "alice@uni.example",
    },
    user: { id: "f3a1b9d2-5c1e-4d0a-9f57-2f0f4b1c9e11", name: "Alice Example",
      claims: { "realm_access.roles": ["default-roles-campus", "teacher"], email: "alice@uni.example", azp: "chat-web" } },
  },
  Auth0: {
    set: { "auth.issuer": "https://uni.eu.auth0.com/", "auth.audience": "https://chat.uni.example/api", "auth.claims": ["https://chat.uni.example/roles"] },
    claims: {
      iss: "https://uni.eu.auth0.com/", sub: "auth0|5f7c8ec7c33c6c004bbafe82", aud: ["https://chat.uni.example/api", "https://uni.eu.auth0.com/userinfo"],
      azp: "my_client_id", scope: "openid profile email", permissions: ["read:chat"], "https://chat.uni.example/roles": ["teacher"],
    },
    user: { id: "auth0|5f7c8ec7c33c6c004bbafe82", claims: { "https://chat.uni.example/roles": ["teacher"] } },
  },
  Google: {
    set: { "auth.issuer": "https://accounts.google.com", "auth.audience": "1234987819200.apps.googleusercontent.com", "auth.claims": ["hd", "email"] },
    claims: {
      iss: "https://accounts.google.com", azp: "1234987819200.apps.googleusercontent.com", aud: "1234987819200.apps.googleusercontent.com",
      sub: "103547991597142817347", at_hash: "HK6E_P6Dh8Y93mRNtsDB1Q", hd: "uni.example", email: "alice@uni.example", email_verified: true, name: "Alice Example",
    },
    user: { id: "103547991597142817347", name: "Alice Example", claims: { hd: "uni.example", email: "alice@uni.example" } },
  },
  "a campus that signs with ES256 and is known by mail": {
    algorithm: "ES256",
    set: { "auth.algorithm": "ES256", "auth.user_claim": "email" },
    claims: { iss: ISSUER, aud: "chat", sub: "8f2c", email: "alice@uni.example", email_verified: true, channels: ["course-*"] },
    user: { id: "alice@uni.example", channels: ["course-*"] },
  },
  "a campus that signs with EdDSA and numbers its people": {
    algorithm: "EdDSA",
    set: { "auth.algorithm": "EdDSA", "auth.claims": ["card.number"] },
    claims: { iss: ISSUER, aud: "chat", sub: 42, card: { number: 7 } },
    user: { id: "42", claims: { "card.number": 7 } },
  },
};

for (const [name, { algorithm, set, claims, user }] of Object.entries(shapes)) {
  test(`tokens of ${name} let their users in, and scripts see the claims`, async (t) => {
    const provider = await Provider.start(t, { algorithm });
    const server = await serve(t, provider, set);
    const alice = await comes(t, server, provider.token(claims));
    const { expires, ...seen } = await alice.ask("whoami");
    assert.deepEqual(seen, user);
    assert.ok(expires > now());
    for (const [what, wrong] of Object.entries({
      "another issuer": { iss: "https://elsewhere.example/" },
      "another application": { aud: ["somebody-elses"] },
      "nobody": { sub: "", email: "" },
      "a strange audience": { aud: ["chat", 7] },
    })) {
      const refusal = await isRefused(t, server, provider.token({ ...claims, ...wrong }));
      assert.deepEqual([refusal.code, refusal.reason], ["unauthorized", "invalid"], what);
    }
    assert.equal(provider.fetches, 1);
  });
}

test("an unverified mail address names no user", async (t) => {
  const provider = await Provider.start(t);
  const server = await serve(t, provider, { "auth.user_claim": "email" });
  const refusal = await isRefused(t, server, provider.token(campus("x", { email: "alice@uni.example", email_verified: false })));
  assert.deepEqual([refusal.code, refusal.reason], ["unauthorized", "invalid"]);
});

test("the client is told whether its token is expired, early or invalid", async (t) => {
  const provider = await Provider.start(t), stranger = await Provider.start(t);
  const server = await serve(t, provider, { api_keys: ["the-back-office"] });
  const reasons = {
    expired: await provider.token(campus("alice", { exp: now() - 600 })),
    not_yet: await provider.token(campus("alice", { nbf: now() + 600, exp: now() + 1200 })),
    invalid: await stranger.token(campus("alice")),
  };
  for (const [reason, token] of Object.entries(reasons)) {
    assert.deepEqual(await isRefused(t, server, token), { code: "unauthorized", message: "A valid name or token is needed.", reason });
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/ws`);
    const heard = within("an answer", new Promise((resolve) => socket.on("message", (text) => resolve(JSON.parse(text)))));
    socket.on("open", () => socket.send(JSON.stringify({ type: "connect", auth: { token } })));
    const { type, error } = await heard;
    assert.deepEqual([type, error.code, error.reason], ["refused", "unauthorized", reason]);
  }
  const reply = await fetch(`${server.url}/api/users/alice`, { method: "PUT", headers: { authorization: "Bearer wrong" } });
  assert.deepEqual([reply.status, (await reply.json()).error.reason], [401, "invalid"]);
});

// ---- keys

test("many clients with tokens of a new key cost one fetch", async (t) => {
  const provider = await Provider.start(t);
  const server = await serve(t, provider);
  await comes(t, server, provider.token(campus("alice")));
  await provider.rotate();
  const crowd = Array.from({ length: 20 }, (_, i) => provider.token(campus(`student-${i}`)));
  await Promise.all(crowd.map((token) => comes(t, server, token)));
  assert.equal(provider.fetches, 2);
  const old = await comes(t, server, provider.token(campus("bob"), { key: provider.keys[0] }));
  assert.equal((await old.ask("whoami")).id, "bob");
});

test("unknown key names cost the provider one fetch per pause", async (t) => {
  const provider = await Provider.start(t);
  const server = await serve(t, provider, { "auth.jwks_pause_s": 3600 });
  await comes(t, server, provider.token(campus("alice")));
  assert.deepEqual((await isRefused(t, server, provider.token(campus("mallory"), { kid: "none" }))).reason, "invalid");
  assert.equal(provider.fetches, 2);
  for (let i = 0; i < 20; i++) {
    const { code, retryAfter } = await isRefused(t, server, provider.token(campus("mallory"), { kid: `none-${i}` }));
    assert.deepEqual([code, retryAfter > 3500], ["unavailable", true]); // the key cannot be known before the pause ends
  }
  await comes(t, server, provider.token(campus("bob")));
  assert.equal(provider.fetches, 2);
});

test("an unknown key waits for the pause's end", async (t) => {
  const provider = await Provider.start(t);
  const server = await serve(t, provider, { "auth.jwks_pause_s": 3 });
  await comes(t, server, provider.token(campus("alice")));
  await isRefused(t, server, provider.token(campus("mallory"), { kid: "none" }));
  await provider.rotate();
  const crowd = Array.from({ length: 10 }, (_, i) => comes(t, server, provider.token(campus(`student-${i}`))));
  await comes(t, server, provider.token(campus("bob"), { key: provider.keys[0] }));
  await Promise.all(crowd);
  assert.equal(provider.fetches, 3);
});

test("a withdrawn key lets nobody in after the next fetch", async (t) => {
  const provider = await Provider.start(t);
  const server = await serve(t, provider, { "auth.jwks_refresh_s": 1, "auth.jwks_max_age_s": 600 });
  const [lost] = provider.keys;
  await comes(t, server, provider.token(campus("alice")));
  await provider.rotate({ keeps: false });
  await until("the keys are fetched again", () => provider.fetches > 1);
  await comes(t, server, provider.token(campus("alice")));
  const refusal = await isRefused(t, server, provider.token(campus("mallory"), { key: lost }));
  assert.deepEqual([refusal.code, refusal.reason], ["unauthorized", "invalid"]);
});

test("known keys serve while the provider is away", async (t) => {
  const provider = await Provider.start(t);
  const server = await serve(t, provider, { "auth.jwks_refresh_s": 1 });
  await comes(t, server, provider.token(campus("alice")));
  assert.equal((await health(server)).checks.identity, "ok");
  await provider.close();
  await server.waitForLine(/ warning auth\.keys_stale .*reason=unavailable/);
  const { status, checks } = await health(server);
  assert.deepEqual([status, checks.identity], ["degraded", "keys are stale: unavailable"]);
  await comes(t, server, provider.token(campus("bob")));
  const from = server.lines.length;
  server.signal("SIGHUP");
  await server.waitForLine(/ reload\.done /, from);
  await comes(t, server, provider.token(campus("carol")));
  await provider.rotate();
  const refusal = await isRefused(t, server, provider.token(campus("dave")));
  assert.equal(refusal.code, "unavailable");
  assert.ok(refusal.retryAfter >= 1);
  await provider.open();
  await until("it is well again", async () => (await health(server)).checks.identity === "ok");
  await comes(t, server, provider.token(campus("dave")));
});

test("keys that are too old let nobody in", async (t) => {
  const provider = await Provider.start(t);
  const server = await serve(t, provider, { "auth.jwks_refresh_s": 1, "auth.jwks_max_age_s": 2 }, { expects: /auth\.keys_missing/ });
  await comes(t, server, provider.token(campus("alice")));
  await provider.close();
  await server.waitForLine(/ error auth\.keys_missing .*reason=unavailable/);
  assert.equal((await isRefused(t, server, provider.token(campus("bob")))).code, "unavailable");
});

test("a provider that starts after the server is found", async (t) => {
  const provider = await Provider.start(t);
  await provider.close();
  const server = await serve(t, provider, {}, { expects: /auth\.keys_missing/ });
  assert.equal((await isRefused(t, server, provider.token(campus("alice")))).code, "unavailable");
  await server.waitForLine(/ error auth\.keys_missing .*reason=unavailable/);
  assert.equal((await health(server)).checks.identity, "keys are missing: unavailable");
  await provider.open();
  await server.waitForLine(/ info auth\.keys_work /);
  await comes(t, server, provider.token(campus("alice")));
});

test("a silent provider delays no client whose key is known", async (t) => {
  const provider = await Provider.start(t);
  const server = await serve(t, provider);
  await comes(t, server, provider.token(campus("alice")));
  provider.answer = () => {};
  await provider.rotate();
  const waits = isRefused(t, server, provider.token(campus("bob")));
  await until("the provider is asked", () => provider.fetches === 2);
  await comes(t, server, provider.token(campus("carol"), { key: provider.keys[0] }));
  assert.equal((await waits).code, "unavailable");
  await server.waitForLine(/ warning auth\.keys_stale .*reason=timeout/);
});

test("an invalid set of keys changes nothing", async (t) => {
  const provider = await Provider.start(t);
  const server = await serve(t, provider);
  const good = provider.answer;
  await comes(t, server, provider.token(campus("alice")));
  for (const [reason, answer] of Object.entries({
    too_large: (reply) => reply.end(JSON.stringify({ keys: [], filler: "x".repeat(10_000_000) })),
    "status 500": (reply) => reply.writeHead(500).end("{}"),
    "status 302": (reply) => reply.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    "no fitting key": (reply) => reply.end(JSON.stringify({ keys: [] })),
  })) {
    provider.answer = answer;
    const said = () => health(server).then(({ checks }) => checks.identity);
    new Person(t, server, "mallory", { auth: { token: await provider.token(campus("mallory"), { kid: "none" }) }, reconnection: false });
    await until(reason, async () => (await said()) === `keys are stale: ${reason}`);
    await comes(t, server, provider.token(campus("bob")));
    provider.answer = good;
    await until("it is well again", async () => (await said()) === "ok");
  }
});

test("keys come over TLS only from a trusted provider", async (t) => {
  const tls = certificate(t), provider = await Provider.start(t, { tls });
  const server = await serve(t, provider, { "auth.jwks_ca": tls.path });
  await comes(t, server, provider.token(campus("alice")));
  const careful = await serve(t, provider, {}, { expects: /auth\.keys_missing/ });
  await careful.waitForLine(/ error auth\.keys_missing .*reason=untrusted/);
  assert.equal((await isRefused(t, careful, provider.token(campus("alice")))).code, "unavailable");
});
