// SPDX-License-Identifier: Apache-2.0
// Authentication: the settings of operators, and the user ids of identity providers.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { file, newFolder, root, runStoa, startServer, until } from "./harness.mjs";
import { Person, person } from "./people.mjs";

// ---- nobody is believed by accident

const SECRET = "thirty-two bytes are the least of it";

/** A configuration with the chat and this `auth`; what it may not say beside. */
function configure(folder, auth, more = "") {
  const config = path.join(folder, "stoa.lua");
  writeFileSync(config, `return {\n  scripts = { "${root}/scripts/auth.lua" },\n  store = { path = ":memory:" },\n  listen = "127.0.0.1:0",\n  control = "",\n${auth}${more}\n}\n`);
  return config;
}

const mistakes = {
  "none": ["", "auth.mode: is missing: say \"jwt\" or \"session\", or \"development\", which believes everyone"],
  "an empty one": ["auth = {},", ":6: auth.mode: is missing: say"],
  "no mode": [`auth = { algorithm = "HS256", secret = "${SECRET}" },`, ":6: auth.mode: is missing beside auth.algorithm: say"],
  "a mode of the environment that is not set": ['auth = { mode = env "STOA_NO_SUCH_VARIABLE" },', ":6: auth.mode: is missing: say"],
  "a misspelt mode": ['auth = { mod = "jwt" },', ":6: auth.mod: unknown key, did you mean \"auth.mode\"?"],
  "an unknown mode": ['auth = { mode = "oidc" },', ":6: auth.mode: \"oidc\" is none of: development jwt session"],
  "a misspelt issuer": [`auth = { mode = "jwt", secret = "${SECRET}", isuer = "x" },`, ":6: auth.isuer: unknown key, did you mean \"auth.issuer\"?"],
  "no key": ['auth = { mode = "jwt" },', ":6: auth.mode: \"jwt\" needs auth."],
  "a secret of the environment that is not set": ['auth = { mode = "jwt", secret = env "STOA_NO_SUCH_VARIABLE" },', ":6: auth.mode: \"jwt\" needs auth."],
  "a short secret": ['auth = { mode = "jwt", secret = "short" },', ":6: auth.secret: an HS256 secret must have at least 32 bytes"],
  "two keys": [`auth = { mode = "jwt", secret = "${SECRET}", jwks_file = "keys.json" },`, ":6: auth.jwks_file: auth.secret is another key"],
  "a secret for RS256": [`auth = { mode = "jwt", algorithm = "RS256", secret = "${SECRET}" },`, ":6: auth.algorithm: HS256 is for auth.secret"],
  "a key that is none": ['auth = { mode = "jwt", public_key = "x" },', ":6: auth.public_key: no public key in PEM that fits"],
  "authorities that are not there": ['auth = { mode = "jwt", jwks_url = "https://idp.example/keys", jwks_ca = "nowhere.pem" },', ":6: auth.jwks_ca: "],
  "authorities that are none": ['auth = { mode = "jwt", jwks_url = "https://idp.example/keys", jwks_ca = "stoa.lua" },', ":6: auth.jwks_ca: holds no certificate"],
  "keys that anybody on the way can change": ['auth = { mode = "jwt", jwks_url = "http://idp.example/keys" },', ":6: auth.jwks_url: must be an https URL"],
  "keys that grow too old before they are fetched again": ['auth = { mode = "jwt", jwks_url = "https://idp.example/keys", jwks_max_age_s = 60 },', ":6: auth.jwks_max_age_s: must be twice"],
  "a file that is not there": ['auth = { mode = "jwt", jwks_file = "nowhere.json" },', ":6: auth.jwks_file: "],
};

for (const [what, [auth, said]] of Object.entries(mistakes)) {
  test(`auth with ${what} is refused alike by check and by serve`, async (t) => {
    const config = configure(newFolder(t), auth);
    const answers = [];
    for (const command of ["check", "serve"]) answers.push(await runStoa(command, "--config", config));
    for (const { code, stderr } of answers) {
      assert.equal(code, 2, stderr);
      assert.ok(stderr.includes(said), stderr);
      assert.ok(stderr.includes(config), stderr);
    }
    const line = ({ stderr }) => stderr.split("\n").find((text) => text.includes(said));
    assert.equal(line(answers[0]), line(answers[1]));
  });
}

test("development mode warns as soon as other machines can connect", async (t) => {
  const folder = newFolder(t);
  const warned = async (more) => {
    const { code, stderr } = await runStoa("check", "--config", configure(folder, 'auth = { mode = "development" },', more));
    assert.equal(code, 0, stderr);
    return /auth\.development_mode_is_reachable reason="([a-z_.]+) lets others in"/.exec(stderr)?.[1];
  };
  assert.equal(await warned(""), undefined);
  assert.equal(await warned('\n  ["listen"] = { "localhost:0", "[::1]:0" },'), undefined);
  assert.equal(await warned('\n  ["listen"] = { "127.0.0.1:0", "0.0.0.0:0" },'), "listen");
  assert.equal(await warned('\n  ["listen"] = "unix:/tmp/stoa-of-a-check.sock",'), "listen");
  assert.equal(await warned('\n  net = { trusted_proxies = { "127.0.0.1" } },'), "net.trusted_proxies");
  const server = await startServer(t, { config: configure(folder, 'auth = { mode = "development" },'), set: { "net.trusted_proxies": ["127.0.0.1"] } });
  await server.waitForLine(/ warning auth\.development_mode_is_reachable /);
});

// ---- user ids of identity providers

/** As Auth0, Google, Keycloak, a campus and directories name people; and what would steer a key, a path or a line of a log. */
const names = [
  "auth0|5f7c8ec7c33c6c004bbafe82", "103547991597142817347", "f3a1b9d2-5c1e-4d0a-9f57-2f0f4b1c9e11", "alice@uni.example",
  'CN=Alice O\'Hara,OU="Staff"', "{u:}:c", "#lobby", "../../etc/passwd", "a b", "100%", "Åsa Öberg", "\u202Eecila", "🦊".repeat(63) + "abc",
];

const KEY = "the-back-office";

async function rest(server, method, place, body) {
  const reply = await fetch(`${server.url}/api${place}`, { method, headers: { authorization: `Bearer ${KEY}` }, body: body && JSON.stringify(body) });
  return { status: reply.status, ...(await reply.json()) };
}

test("users of any identity provider can do everything", async (t) => {
  const server = await startServer(t, { set: { api_keys: [KEY], "limits.connects": false } });
  assert.equal((await rest(server, "PUT", "/channels/lobby", { visibility: "public" })).ok, true);
  const bob = await person(t, server, "bob");
  await bob.join("lobby");
  for (const name of names) {
    const user = encodeURIComponent(name);
    const someone = await person(t, server, name, { reconnection: false });
    assert.equal((await someone.join("lobby")).ok, true, name);
    assert.equal((await someone.send("lobby", `I am ${name}`)).ok, true, name);
    assert.deepEqual((await bob.next("message:new")).userId, name);
    assert.deepEqual((await bob.ask("presence:get", { userIds: [name] })).users.map(({ userId, status }) => [userId, status]), [[name, "online"]]);
    assert.equal((await rest(server, "PUT", `/users/${user}`, { name: "Somebody" })).ok, true, name);
    assert.deepEqual((await bob.ask("user:get", { userIds: [name] })).users, [{ userId: name, name: "Somebody" }]);
    assert.equal((await rest(server, "PUT", `/channels/lobby/members/${user}`, { role: "moderator" })).ok, true, name);
    const { members } = await bob.ask("channel:members", { channelId: "lobby" });
    assert.equal(members.find(({ userId }) => userId === name)?.role, "moderator", name);
    assert.equal((await someone.ask("read:mark", { channelId: "lobby", seq: 1 })).ok, true);
    assert.equal((await rest(server, "DELETE", `/channels/lobby/members/${user}`)).ok, true, name);
    assert.equal((await rest(server, "POST", `/users/${user}/disconnect`)).disconnected, 1, name);
    await until(`${name} is out`, () => !someone.socket.connected);
  }
  const told = (await bob.ask("history:get", { channelId: "lobby", limit: 100 })).messages.map(({ userId }) => userId);
  assert.deepEqual(told, names);
  assert.ok(server.lines.every((line) => !/[\u202E\x00-\x08]/.test(line)), "no name reorders a line of the log");
  for (const name of ["", "a\nb", "x".repeat(256), "a\x7f"]) {
    assert.equal((await new Person(t, server, name).refused()).data.code, "unauthorized");
    if (name) assert.equal((await rest(server, "PUT", `/users/${encodeURIComponent(name)}`, {})).status, 400);
  }
  assert.equal((await rest(server, "PUT", "/users/%FF%FE", {})).status, 400);
});
