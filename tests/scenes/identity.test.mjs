// Who a client is: what an operator says of it, and what identity providers say.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { newFolder, root, runStoa, startServer } from "./harness.mjs";

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
  "a file that is not there": ['auth = { mode = "jwt", jwks_file = "nowhere.json" },', ":6: auth.jwks_file: "],
};

for (const [what, [auth, said]] of Object.entries(mistakes)) {
  test(`auth with ${what} is refused, with the same line by check and by serve`, async (t) => {
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

test("development mode warns as soon as others may come", async (t) => {
  const folder = newFolder(t);
  const warned = async (more) => {
    const { code, stderr } = await runStoa("check", "--config", configure(folder, 'auth = { mode = "development" },', more));
    assert.equal(code, 0, stderr);
    return /auth\.believes_everyone reason="([a-z_.]+) lets others in"/.exec(stderr)?.[1];
  };
  assert.equal(await warned(""), undefined);
  assert.equal(await warned('\n  ["listen"] = { "localhost:0", "[::1]:0" },'), undefined);
  assert.equal(await warned('\n  ["listen"] = { "127.0.0.1:0", "0.0.0.0:0" },'), "listen");
  assert.equal(await warned('\n  ["listen"] = "unix:/tmp/stoa-of-a-check.sock",'), "listen");
  assert.equal(await warned('\n  net = { trusted_proxies = { "127.0.0.1" } },'), "net.trusted_proxies");
  const server = await startServer(t, { config: configure(folder, 'auth = { mode = "development" },'), set: { "net.trusted_proxies": ["127.0.0.1"] } });
  await server.waitForLine(/ warning auth\.believes_everyone /);
});
