// SPDX-License-Identifier: Apache-2.0
// What the server may do on its machine, and who may read what it writes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BINARY, literal, newFolder, startServer, until, within } from "./harness.mjs";
import { person } from "./people.mjs";

const NOBODY = 65534;
const asRoot = { skip: process.getuid() !== 0 };

/** A folder that nobody owns. */
function openFolder(owner) {
  const folder = newFolder(owner);
  chownSync(folder, NOBODY, NOBODY);
  writeFileSync(path.join(folder, "stoa.lua"), "return {}");
  chmodSync(path.join(folder, "stoa.lua"), 0o644);
  return folder;
}

/** `command` … stoa serve, in the folder: its stderr and how to end it. */
function serve(owner, folder, command, set) {
  const settings = { listen: "127.0.0.1:0", "store.path": path.join(folder, "stoa.db"), control: path.join(folder, "stoa.sock"), "drain.timeout_s": 1, ...set };
  const words = [...command, BINARY, "serve", "--config", path.join(folder, "stoa.lua"), ...Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${literal(value)}`])];
  const server = spawn(words[0], words.slice(1), { cwd: "/", stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => server.on("exit", resolve));
  const served = { pid: server.pid, stderr: "" };
  server.stderr.on("data", (bytes) => (served.stderr += bytes));
  served.stop = () => (server.kill("SIGTERM"), within("the end of the server", ended));
  owner.after(() => (server.kill("SIGKILL"), ended));
  return served;
}

const read = (file) => (existsSync(file) ? readFileSync(file, "utf8") : "");

test("a log file is opened and reopened as the server's user", asRoot, async (t) => {
  const folder = openFolder(t), log = path.join(folder, "stoa.log");
  const server = serve(t, folder, [], { user: "nobody", log_file: log });
  await until("the ready line", () => /server\.ready/.test(read(log)));
  assert.equal(statSync(log).uid, NOBODY);
  renameSync(log, `${log}.1`);
  process.kill(server.pid, "SIGUSR1");
  await until("a new file", () => existsSync(log));
  assert.equal(await server.stop(), 0);
  assert.match(read(log), /server\.stopped/);
});

test("a log that is a link is refused at the start", asRoot, async (t) => {
  const folder = openFolder(t), log = path.join(folder, "stoa.log"), secret = path.join(newFolder(t), "root.txt");
  writeFileSync(secret, "root's", { mode: 0o600 });
  symlinkSync(secret, log);
  const server = serve(t, folder, [], { user: "nobody", log_file: log });
  await until("the refusal", () => /log_file: \S+stoa\.log: Permission denied/.test(server.stderr));
  assert.doesNotMatch(server.stderr, /server\.ready/);
  assert.equal(read(secret), "root's");
});

test("no process keeps the capability that a port needed", asRoot, async (t) => {
  const folder = openFolder(t), log = path.join(folder, "stoa.log");
  const may = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"];
  const capabilities = (pid) => readFileSync(`/proc/${pid}/status`, "utf8").match(/^Cap(Inh|Prm|Eff|Amb):\s*\S+$/gm).map((line) => parseInt(line.split(/\s+/)[1], 16));
  const server = serve(t, folder, may, { listen: "127.0.0.1:0", log_file: log });
  await until("the ready line", () => /server\.ready/.test(read(log)));
  const worker = read(log).match(/worker\.started .*?pid=(\d+)/)[1];
  for (const pid of [server.pid, worker]) assert.deepEqual(capabilities(pid), [0, 0, 0, 0]);
  assert.doesNotMatch(read(log) + server.stderr, /warning server\./);
});

test("a server that stays root warns, one that changes its user does not", asRoot, async (t) => {
  for (const [set, warns] of [[{}, true], [{ user: "nobody" }, false]]) {
    const server = serve(t, openFolder(t), [], set);
    await until("the ready line", () => /server\.ready/.test(server.stderr));
    assert.equal(/warning server\.is_root advice="set user"/.test(server.stderr), warns, server.stderr);
  }
});

test("only the server's user can read its files, whatever the umask", async (t) => {
  const mask = process.umask(0);
  t.after(() => process.umask(mask));
  const folder = newFolder(t);
  const server = await startServer(t, { folder });
  const alice = await person(t, server, "alice");
  assert.equal((await alice.ask("channel:join", { channelId: "lobby" })).ok, true);
  const logged = newFolder(t);
  writeFileSync(path.join(logged, "stoa.lua"), "return {}");
  serve(t, logged, [], { log_file: path.join(logged, "stoa.log") });
  await until("the ready line", () => /server\.ready/.test(read(path.join(logged, "stoa.log"))));
  for (const at of [folder, logged]) {
    const written = readdirSync(at).filter((name) => name !== "stoa.lua");
    assert.ok(written.includes("stoa.db") && written.includes("stoa.db-wal") && written.includes("stoa.sock"), `${written}`);
    for (const name of written) assert.equal((statSync(path.join(at, name)).mode & 0o777).toString(8), "600", name);
  }
  assert.ok(existsSync(path.join(logged, "stoa.log")));
});
