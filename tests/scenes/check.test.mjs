// SPDX-License-Identifier: Apache-2.0
// `stoa check` and `stoa serve` report the same about a configuration: shipped, documented, doubtful or broken. The only
// difference: a check does not connect to other servers.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { BINARY, newFolder, root, startServer, within } from "./harness.mjs";

const AT_ONCE = 4;
const publicKey = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "pem" });
const read = (...names) => readFileSync(path.join(root, ...names), "utf8");

// Runs the program until it ends or serves: {code, told, log}. `told` is the output that is not the log.
function run(command, arguments_, env) {
  const child = spawn(BINARY, [command, ...arguments_], { detached: true, env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  const over = new Promise((resolve) => {
    let text = "", serves = false;
    child.stderr.on("data", (bytes) => {
      text += bytes;
      if (serves || !/ server\.ready /.test(text)) return;
      serves = true;
      process.kill(-child.pid, "SIGKILL"); // it, and its workers
    });
    child.on("close", (code) => {
      const lines = text.split("\n").filter((line) => line !== "");
      const isLog = (line) => /^\d{4}-\d\d-\d\dT\S+ /.test(line);
      resolve({ code: serves ? 0 : code, told: lines.filter((line) => !isLog(line)), log: lines.filter(isLog).map((line) => line.replace(/^\S+ /, "")) });
    });
  });
  return within(`${command} is over`, over).finally(() => { try { process.kill(-child.pid, "SIGKILL"); } catch { /* it has ended */ } });
}

// What both report; asserts that it is the same. settings: for --set; env: the environment.
async function both(folder, { config = path.join(folder, "stoa.lua"), settings = {}, env = {} }) {
  const sets = Object.entries({ listen: "127.0.0.1:0", ...settings }).filter(([, value]) => value !== null).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const checked = await run("check", ["--config", config, ...sets], env);
  const served = await run("serve", ["--config", config, ...sets], env);
  const of = ({ code, told, log }) => ({ code, told, doubts: log.filter((line) => / config\.|control\.unavailable/.test(line)) });
  assert.deepEqual(of(checked), of(served), `check, and serve:\n${served.log.join("\n")}`);
  return of(checked);
}

function folderOf(owner, files) {
  const folder = newFolder(owner);
  chmodSync(folder, 0o755);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    if (typeof content === "function") content(path.join(folder, name));
    else writeFileSync(path.join(folder, name), content);
  }
  return folder;
}

// ---- shipped and documented configurations

const GOOD = { code: 0, told: [] };
const elsewhere = (folder) => ({ "store.path": path.join(folder, "stoa.db"), control: path.join(folder, "stoa.sock") });
const packaged = path.join(path.dirname(BINARY), "packaging/stoa.lua");

describe("what is shipped is good", { concurrency: AT_ONCE }, () => {
  for (const name of readdirSync(path.join(root, "config")).filter((file) => file.endsWith(".lua"))) {
    test(`config/${name}`, async (t) => {
      const folder = newFolder(t), port = (n) => `host=127.0.0.1 port=${n} dbname=x user=x`;
      const env = { STOA_REDIS: "127.0.0.1:1", STOA_REDIS_PASSWORD: "not-that-one-but-this", STOA_REDIS_SECRET: "0123456789abcdef0123", STOA_GLOBAL: port(1), STOA_SHARD_0: port(1), STOA_SHARD_1: port(1), STOA_SHARD_2: port(1) };
      const { doubts, ...outcome } = await both(folder, { config: path.join(root, "config", name), settings: elsewhere(folder), env });
      assert.deepEqual(outcome, GOOD);
      assert.deepEqual(doubts.filter((line) => !/key=static_folder/.test(line)), [], "the page need not be built");
    });
  }
  test("a package's configuration", { skip: !existsSync(packaged) }, async (t) => {
    const folder = folderOf(t, { "stoa.lua": readFileSync(packaged), scripts: (at) => symlinkSync(path.join(root, "scripts"), at) });
    const { doubts, ...outcome } = await both(folder, { settings: elsewhere(folder) });
    assert.deepEqual(outcome, GOOD);
    assert.deepEqual(doubts.filter((line) => !/key=static_folder/.test(line)), []);
  });
});

// Blocks of Lua that begin with a key of the configuration. If the key occurs again, a new block begins.
function documented() {
  const keys = new Set([...read("docs/configuration.md").matchAll(/^\| `(\w+)/gm)].map(([, name]) => name));
  const pages = ["README.md", ...readdirSync(path.join(root, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
  return pages.flatMap((page) =>
    [...read(page).matchAll(/^```lua\n([^]*?)^```/gm)].flatMap(({ 1: block, index }) => {
      const key = block.match(/^(\w+) = /)?.[1];
      if (!keys.has(key)) return [];
      const line = read(page).slice(0, index).split("\n").length;
      return block.split(new RegExp(`^(?=${key} = )`, "m")).map((text, i) => ({ name: `${page}:${line + 1 + i}`, text }));
    }));
}

describe("what is documented is good", { concurrency: AT_ONCE }, () => {
  const blocks = documented();
  test("the pages have blocks of configuration", () => assert.ok(blocks.length >= 6, `${blocks.length}`));
  for (const { name, text } of blocks) {
    test(name, async (t) => {
      const here = text.replace(/\d+\.\d+\.\d+\.\d+:\d+/g, "127.0.0.1:1").replace(/host=\S+/g, "host=127.0.0.1 port=1"); // so that no server is asked
      const names = [...text.matchAll(/env "(\w+)"/g)].map(([, variable]) => [variable, "of-this-one-there-is-enough-0123456789"]);
      const { doubts, ...outcome } = await both(folderOf(t, { "stoa.lua": `return {\n${here}}\n` }), { env: Object.fromEntries(names) });
      assert.deepEqual(outcome, GOOD, here);
      assert.deepEqual(doubts, []);
    });
  }
});

// ---- correct configurations in all forms

const fleet = (nodes, more = "") => `redis = { ${nodes}${more} }`;
const postgres = 'store = { driver = "postgres" }, postgres = { global = "host=127.0.0.1 port=1", shards = { { write = "host=127.0.0.1 port=1" } } }';

describe("what is good is good to both", { concurrency: AT_ONCE }, () => {
  for (const [what, text, { files = {}, settings = {}, env = {} } = {}] of [
    ["nothing at all", ""],
    ["all addresses of both families", 'listen = ":0"', { settings: { listen: null } }],
    ["every address of localhost", 'listen = "localhost:0"', { settings: { listen: null } }],
    ["several addresses", 'listen = { "127.0.0.1:0", "unix:http.sock,mode=0600" }', { settings: { listen: null } }],
    ["origins as browsers write them", 'origins = { "self", "https://chat.example.org", "http://localhost:5173", "https://WWW.example.org:443", "capacitor://localhost" }'],
    ["any origin", 'origins = { "*" }'],
    ["hosts", 'hosts = { "chat.example.org", "www.example.org:8443" }'],
    ["Redis", fleet('nodes = { "127.0.0.1:1" }')],
    ["Sentinels", fleet('mode = "sentinel", nodes = { "127.0.0.1:1", "127.0.0.1:2" }')],
    ["a Cluster", fleet('mode = "cluster", nodes = { "127.0.0.1:1" }')],
    ["a Cluster with PostgreSQL", `${fleet('mode = "cluster", nodes = { "127.0.0.1:1" }')}, ${postgres}`],
    ["two workers of a fleet", `workers = 2, ${fleet('nodes = { "127.0.0.1:1" }')}, ${postgres}`],
    ["a name of the environment that may be missing", 'node = { name = env "NOT_THERE" or "one", region = env("NOT_THERE") or nil }'],
    ["a global that is looked for on purpose", 'scripts = { "a.lua" }', { files: { "a.lua": "count = 0\nif _G.anything then count = 1 end\nreturn function() return count end" } }],
    ["paths relative to the file", 'auth = { mode = "jwt", algorithm = "RS256", public_key_file = "keys/a.pem" }, scripts = { "keys/check.lua" }',
      { files: { "keys/a.pem": publicKey, "keys/check.lua": "local stoa = require 'stoa'\nfor _, file in ipairs { stoa.config.auth.public_key_file, 'keys/a.pem' } do\n  stoa.jwt.verifier { algorithm = 'RS256', public_key_file = file }\nend" } }],
    ["a user", 'user = "nobody"', { settings: { control: "", "store.path": ":memory:" } }],
    ["an empty file for the store", 'store = { path = "new.db" }', { files: { "new.db": "" } }],
    ["secrets of the environment in a file that all may read", 'metrics = { token = env "TOKEN" }', { env: { TOKEN: "TOKEN-0123456789abcdef" } }],
    ["a file without secrets that all may read", 'auth = { mode = "jwt", issuer = "https://id.example.org" }'],
  ]) {
    test(what, async (t) => {
      const folder = folderOf(t, { ...files, "stoa.lua": `return {\n  ${text} }` });
      if (what === "a user") chmodSync(folder, 0o777);
      assert.deepEqual(await both(folder, { settings, env }), { ...GOOD, doubts: [] });
    });
  }
});

// ---- accepted with a warning

describe("what was hardly meant is said by both, once", { concurrency: AT_ONCE }, () => {
  for (const [what, text, expected, { env = {}, files = {} } = {}] of [
    ["a page that is not there", 'static_folder = "page"', /^warning config\.doubtful at=\S+stoa\.lua:2 key=static_folder problem="\S+\/page: No such file or directory/],
    ["a page that is a file", 'static_folder = "page"', /key=static_folder problem="\S+\/page: is no folder/, { files: { page: "" } }],
    ["a name that the environment lacks", 'metrics = { token = env "TOKEN" }', /at=\S+stoa\.lua:2 key=env problem="TOKEN is not set/],
    ["an issuer that nobody looks at", 'auth = { mode = "session", issuer = "https://login.uni.example" }', /at=\S+stoa\.lua:2 key=auth\.issuer problem="nobody looks at it: it is for auth\.mode = /],
    ["two keys that can be guessed", 'api_keys = { "a-very-long-key-that-is-good", "a" }', /at=\S+stoa\.lua:2 key=api_keys problem="1 bytes can be guessed: 16 or more/],
    ["a token that can be guessed", 'metrics = { token = env "TOKEN" }', /key=metrics\.token problem="5 bytes can be guessed/, { env: { TOKEN: "hello" } }],
    ["a secret that can be guessed", 'redis = { secret = "hello", nodes = { "127.0.0.1:1" } }', /key=redis\.secret problem="5 bytes can be guessed/],
    ["a secret that all may read", 'metrics = { token = "a-very-long-key-that-is-good" }', /^warning config\.secret_readable file=\S+stoa\.lua key=metrics\.token advice=/],
    ["a password of a database that all may read", `${postgres.replace("port=1", "port=1 password=open-sesame")}`, /config\.secret_readable \S+ key=postgres\.global/],
    ["a control socket that cannot be", 'control = "nowhere/stoa.sock"', /^warning control\.unavailable error="\S+nowhere\/stoa\.sock: its folder is not there"/],
  ]) {
    test(what, async (t) => {
      const { doubts, ...outcome } = await both(folderOf(t, { ...files, "stoa.lua": `return {\n  ${text} }` }), { env });
      assert.deepEqual(outcome, GOOD);
      const told = doubts.filter((line) => !/secret_readable/.test(line) || /secret_readable/.test(expected.source));
      assert.equal(told.length, 1, doubts.join("\n"));
      assert.match(told[0], expected);
    });
  }
});

// ---- refused, with one line that names file, line and key, and exit status 2

const unset = { settings: { listen: null } };
const withScript = (script) => ({ files: { "bad.lua": script } });
const foreign = (at) => execFileSync("sqlite3", [at, "CREATE TABLE users (id); PRAGMA user_version = 3"], { timeout: 20_000 });

describe("what is wrong is refused by both, in the same words", { concurrency: AT_ONCE }, () => {
  for (const [text, place, { files = {}, settings = {} } = {}] of [
    // the file
    ["= 1", /stoa\.lua:2: unexpected symbol near '='$/],
    ["drain = { timeout_s = limit }", /stoa\.lua:2: there is no global 'limit'/],
    ['lisen = "127.0.0.1:0"', /stoa\.lua:2: lisen: unknown key, did you mean "listen"\?$/],
    ["store = { pth = 1 }", /stoa\.lua:2: store\.pth: unknown key, did you mean "store\.path"\?$/],
    ["store = 1", /stoa\.lua:2: store: must be a table$/],
    ["ping_interval_ms = -1", /stoa\.lua:2: ping_interval_ms: -1 is below 10$/],
    ["ping_interval_ms = 1.5", /stoa\.lua:2: ping_interval_ms: must be an integer from 10 to 3600000$/],
    ["max_payload_bytes = 1e9", /stoa\.lua:2: max_payload_bytes: 1000000000 is above 67108864$/],
    ["deflate = 1", /stoa\.lua:2: deflate: must be true or false$/],
    ['log_level = "loud"', /stoa\.lua:2: log_level: "loud" is none of: debug info warning error$/],
    ["limits = { uploads = { 0, 60 } }", /stoa\.lua:2: limits\.uploads: the count must be from 1 to 1000000000$/],
    ["limits = { uploads = 3 }", /stoa\.lua:2: limits\.uploads: must be {count, seconds} or false$/],
    ["transports = {}", /stoa\.lua:2: transports: must name one at least$/],
    ['path = "socket.io"', /stoa\.lua:2: path: must begin and end with "\/"$/],
    ['plain_path = "ws"', /stoa\.lua:2: plain_path: must begin with "\/"$/],
    // where it listens
    ['listen = "3000"', /stoa\.lua:2: listen: "3000" is no ADDRESS:PORT$/, unset],
    ['listen = "::1:3000"', /stoa\.lua:2: listen: "::1:3000": an IPv6 address stands in brackets$/, unset],
    ['listen = "127.0.0.1:70000"', /stoa\.lua:2: listen: "127\.0\.0\.1:70000" is no ADDRESS:PORT$/, unset],
    ['listen = "203.0.113.7:3000"', /stoa\.lua:2: listen: 203\.0\.113\.7:3000: Cannot assign requested address$/, unset],
    ["listen = {}", /stoa\.lua:2: listen: names no address$/, unset],
    ['listen = { "127.0.0.1:0", "unix:nowhere/two.sock" }', /stoa\.lua:2: listen: \S+nowhere\/two\.sock: its folder is not there$/, unset],
    ['listen = "unix:one.sock"', /stoa\.lua:2: listen: \S+one\.sock: another file has the name$/, { ...unset, files: { "one.sock": "" } }],
    ['listen = "unix:one.sock,mode=0999"', /stoa\.lua:2: listen: \S+ "mode=0999" is no mode=OCTAL and no owner=USER:GROUP$/, unset],
    ['listen = "unix:one.sock,owner=no-such-user"', /stoa\.lua:2: listen: \S+one\.sock: there is no user "no-such-user"$/, unset],
    ['user = "no-such-user"', /stoa\.lua:2: user: there is no user "no-such-user"$/],
    ['log_file = "nowhere/stoa.log"', /stoa\.lua:2: log_file: \S+nowhere\/stoa\.log: No such file or directory$/],
    ['log_file = "."', /stoa\.lua:2: log_file: \S+: Is a directory$/],
    // who may connect
    ['origins = { "chat.example.org" }', /stoa\.lua:2: origins: "chat\.example\.org" can never match: an origin is such as "https:\/\/chat\.example\.org"$/],
    ['origins = { "https://*.example.org" }', /stoa\.lua:2: origins: "https:\/\/\*\.example\.org" can never match: name each origin, or "\*" for any$/],
    ['origins = { "https://chat.example.org/" }', /stoa\.lua:2: origins: .* can never match: an origin is such as "https:\/\/chat\.example\.org"$/],
    ['origins = { "null" }', /stoa\.lua:2: origins: "null" can never match: only "\*" allows pages without an origin$/],
    ['origins = { "" }', /stoa\.lua:2: origins: "" is no origin: such as "https:\/\/chat\.example\.org"$/],
    ['hosts = { "*.example.org" }', /stoa\.lua:2: hosts: "\*\.example\.org" can never match: name each host, or "\*" for any$/],
    ['hosts = { "chat.example.org/chat" }', /stoa\.lua:2: hosts: .* can never match: a host is a name, without a path$/],
    ["net = { proxy_protocol = true }", /stoa\.lua:2: net\.trusted_proxies: must name the proxies, for net\.proxy_protocol is set$/],
    ['net = { trusted_proxies = { "10.0.0.1/8" } }', /stoa\.lua:2: net\.trusted_proxies: "10\.0\.0\.1\/8" is no address and no network$/],
    ['limits = { address_exceptions = { "campus" } }', /stoa\.lua:2: limits\.address_exceptions: "campus" is no address and no network$/],
    ['tls = { certificate = "a.pem" }', /stoa\.lua:2: tls\.certificate: tls needs both, certificate and key$/],
    ['tls = { certificate = "a.pem", key = "b.pem" }', /stoa\.lua:2: tls\.certificate: \S*a\.pem/],
    ['tls = { client_ca = "a.pem" }', /stoa\.lua:2: tls\.client_ca: needs tls\.certificate$/],
    ['auth = { mode = "oauth" }', /stoa\.lua:2: auth\.mode: "oauth" is none of: /],
    ['api_keys = "a-very-long-key-that-is-good"', /stoa\.lua:2: api_keys: must be a list of texts$/],
    ['api_keys = { "" }', /stoa\.lua:2: api_keys: a key is empty$/],
    ['metrics = { token = "" }', /stoa\.lua:2: metrics\.token: is empty: leave it out, or set one$/],
    ['metrics = { listen = "9090" }', /stoa\.lua:2: metrics\.listen: "9090" is no ADDRESS:PORT$/],
    ['metrics = { listen = "unix:nowhere/metrics.sock" }', /stoa\.lua:2: metrics\.listen: \S+nowhere\/metrics\.sock: its folder is not there$/],
    ['auth = { issuer = "https://id.example.org" }', /stoa\.lua:2: auth\.mode: is missing beside auth\.issuer/],
    ['auth = { mod = "jwt" }', /stoa\.lua:2: auth\.mod: unknown key, did you mean "auth\.mode"\?$/],
    [`auth = { mode = "jwt", algorithm = "HS256", secret = "short" }, scripts = { "${root}scripts/auth.lua" }`, /stoa\.lua:2: auth\.secret: /],
    // what lasts, and the fleet
    ['store = { driver = "mysql" }', /stoa\.lua:2: store\.driver: "mysql" is none of: sqlite postgres$/],
    ['store = { path = "nowhere/stoa.db" }', /stoa\.lua:2: store\.path: \S+nowhere\/stoa\.db: its folder: No such file or directory$/],
    ['store = { path = "." }', /stoa\.lua:2: store\.path: \S+: is no regular file$/],
    ['store = { path = "theirs.db" }', /stoa\.lua:2: store\.path: \S+theirs\.db: is no store of Stoa: another program's tables are in it$/, { files: { "theirs.db": foreign } }],
    ['store = { path = "letter.db" }', /stoa\.lua:2: store\.path: \S+letter\.db: cannot be read: file is not a database \(restore a backup/, { files: { "letter.db": "Dear Alice, this is no database.\n".repeat(99) } }],
    ['store = { path = "later.db" }', /stoa\.lua:2: store\.path: \S+later\.db: its schema \(version 99\) is newer than this server \(version \d+\): upgrade the server$/,
      { files: { "later.db": (at) => execFileSync("sqlite3", [at, "CREATE TABLE epochs (n); CREATE TABLE channels (n); PRAGMA user_version = 99"], { timeout: 20_000 }) } }],
    ['store = { driver = "postgres" }', /postgres\.global: store\.driver = "postgres" needs it$/],
    ['store = { driver = "postgres" }, postgres = { global = "host=127.0.0.1" }', /postgres\.shards: store\.driver = "postgres" needs it$/],
    ['postgres = { global = "hots=127.0.0.1", shards = {} }', /stoa\.lua:2: postgres\.global: .*hots/],
    ['postgres = { global = "host=127.0.0.1", shards = { { write = "port=x y" } } }', /stoa\.lua:2: postgres\.shards: shard 0: /],
    ['postgres = { shards = { { read = {} } } }', /stoa\.lua:2: postgres\.shards: a shard needs write$/],
    ['postgres = { shards = { { write = "host=a", read = { { conninfo = "host=b", purposes = { "sink" } } } } } }', /stoa\.lua:2: postgres\.shards: purpose "sink" is none of: history sync disaster_recovery$/],
    ["workers = 2", /stoa\.lua:2: workers: more than one worker needs redis\.nodes$/],
    [`workers = 2, ${fleet('nodes = { "127.0.0.1:1" }')}`, /stoa\.lua:2: workers: a file of SQLite serves one worker only$/],
    [fleet('nodes = { "127.0.0.1" }'), /stoa\.lua:2: redis\.nodes: "127\.0\.0\.1" is no "host:port"$/],
    [fleet('nodes = { "a:1", "b:1" }'), /stoa\.lua:2: redis\.nodes: one node is what mode = "standalone" has$/],
    [fleet('mode = "cluster"'), /redis\.nodes: mode = "cluster" needs one at least$/],
    [fleet('mode = "sentinel"'), /redis\.nodes: mode = "sentinel" needs one at least$/],
    [fleet('mode = "replicated"'), /stoa\.lua:2: redis\.mode: "replicated" is none of: standalone sentinel cluster$/],
    [fleet('nodes = { "127.0.0.1:1" }', ', user = "stoa"'), /redis\.password: redis\.user needs it$/],
    [fleet('socketio_adapter = "classic"'), /redis\.nodes: redis\.socketio_adapter needs them$/],
    [fleet('nodes = { "127.0.0.1:1" }', ', secret = ""'), /stoa\.lua:2: redis\.secret: is empty: leave it out, or set one$/],
    // scripts
    ['scripts = "bad.lua"', /stoa\.lua:2: scripts: must be a list of texts$/],
    ['scripts = { "absent.lua" }', /stoa\.lua:2: scripts: \S+absent\.lua: No such file or directory$/],
    ['scripts = { "bad.lua" }', /bad\.lua:3: /, withScript("\n\nlocal function(")],
    ['scripts = { "bad.lua" }', /bad\.lua:2: no$/, withScript("\nerror('no')")],
    ['scripts = { "bad.lua" }', /bad\.lua:3: there is no global 'mesage'/, withScript("local message = 'hello'\nreturn function()\n  return mesage\nend")],
    ['scripts = { "bad.lua" }', /bad\.lua:2: there is no global 'stoa'/, withScript("local function later()\n  stoa.on('x', print)\nend\nreturn later")],
    ['scripts = { "bad.lua" }', /more\.lua:2: there is no global 'mesage'/, { files: { "bad.lua": "require 'more'", "more.lua": "\nreturn function() return mesage end" } }],
    [`scripts = { "bad.lua" }, ${postgres}, ${fleet('nodes = { "127.0.0.1:1" }')}`, /scripts: stoa\.shards: 2 shards, but postgres\.shards has 1$/,
      withScript('require("stoa").shards { shards = 2, ranges = { { 0, 2047, 0 }, { 2048, 4095, 1 } } }')],
  ]) {
    test(text, async (t) => {
      const folder = folderOf(t, { ...files, "stoa.lua": `return {\n  ${text} }` });
      const { code, told } = await both(folder, { settings });
      assert.equal(code, 2, told.join("\n"));
      assert.equal(told.length, 1, told.join("\n"));
      assert.ok(told[0].startsWith(folder), told[0]);
      assert.match(told[0], place);
    });
  }
});

test("a check makes no file and takes no port", async (t) => {
  const folder = folderOf(t, { "stoa.lua": 'return { log_file = "stoa.log", listen = { "127.0.0.1:0", "unix:http.sock" } }' });
  assert.deepEqual((await run("check", ["--config", path.join(folder, "stoa.lua")])).code, 0);
  assert.deepEqual(readdirSync(folder), ["stoa.lua"]);
  const server = await startServer(t, { set: { "store.path": ":memory:" } });
  const again = await run("check", ["--config", path.join(folder, "stoa.lua"), "--set", `listen=127.0.0.1:${server.port}`]);
  assert.deepEqual([again.code, again.log.filter((line) => /address_in_use/.test(line))], [0, [`warning check.address_in_use listen=127.0.0.1:${server.port}`]]);
  assert.equal((await fetch(`${server.url}/health/live`)).status, 200);
});

test("neither a check nor a start makes machine code", (t) => {
  const NO_KERNEL = 77;
  const forbid = `import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0: sys.exit(${NO_KERNEL}) # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
os.execv(sys.argv[1], sys.argv[1:])`;
  const { status, stderr } = spawnSync("python3", ["-c", forbid, BINARY, "check", "--config", path.join(root, "config/stoa.lua")], { encoding: "utf8", timeout: 20_000 });
  if (status === NO_KERNEL) return t.skip("this kernel cannot forbid it");
  assert.equal(status, 0, stderr);
});
