// SPDX-License-Identifier: Apache-2.0
// An operator's work on a SQLite store: back up, restore, verify, begin an epoch.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, openSync, closeSync, readFileSync, readdirSync, statSync, symlinkSync, unlinkSync,
  writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BINARY, file, newFolder, root, runStoa, startServer, until, within } from "./harness.mjs";
import { person, sdkClient } from "./people.mjs";

const unlimited = { "limits.user_messages": false, "limits.channel_messages": false, "limits.connects": false };
const databaseOf = (server) => path.join(server.options.folder, "stoa.db");

async function verified(database) {
  const { code, stdout, stderr } = await runStoa("verify", "--json", "--database", database);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return { code, stderr, found: lines.slice(0, -1), ...lines.at(-1) };
}

/** Sends `perSecond` messages per second until stop(): {acknowledged: content → seq, epoch}. */
function speak(who, channel, perSecond) {
  const acknowledged = new Map(), speech = { acknowledged };
  let said = 0, ended = false;
  const began = Date.now();
  const loop = (async () => {
    const pending = new Set();
    while (!ended) {
      if (pending.size >= 50 || said >= ((Date.now() - began) * perSecond) / 1000) {
        await new Promise((resolve) => setTimeout(resolve, 5)); // the pace of the load
        continue;
      }
      const content = `${who.user} ${++said}`;
      const sending = who.send(channel, content).then(({ ok, seq, epoch }) => ok && acknowledged.set(content, seq) && (speech.epoch = epoch));
      pending.add(sending);
      sending.finally(() => pending.delete(sending));
    }
    await Promise.all(pending);
  })();
  return Object.assign(speech, { stop: () => ((ended = true), loop) });
}

async function history(who, channel) {
  const all = [];
  for (let after = 0, more = true; more; ) {
    const answer = await who.ask("history:get", { channelId: channel, after, limit: 100 });
    all.push(...answer.messages);
    more = answer.messages.length > 0;
    if (more) after = answer.messages.at(-1).messageSeq;
  }
  return all.map(({ messageSeq, content }) => [messageSeq, content]);
}

test("a backup made under load restores all that was acknowledged before it", async (t) => {
  const server = await startServer(t, { set: unlimited });
  const database = databaseOf(server), backup = path.join(server.options.folder, "copy.db");
  const alice = await person(t, server, "alice");
  const bob = sdkClient(t, server, "bob");
  const resets = [];
  bob.on("reset", (reset) => resets.push(reset));
  await alice.join("lobby");
  await bob.join("lobby");
  const speaking = speak(alice, "lobby", 500);
  await until("some acknowledged", () => speaking.acknowledged.size >= 300);
  const before = new Map(speaking.acknowledged);
  const { code, stdout, stderr } = await runStoa("backup", backup, "--database", database);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /copy\.db: \d+ messages in \d+ channels/);
  const during = speaking.acknowledged.size;
  assert.ok(during > before.size, "writers went on");
  await until("more afterwards", () => speaking.acknowledged.size > during + 200);
  await speaking.stop();
  const last = Math.max(...speaking.acknowledged.values());
  await until("bob has all", () => bob.messages.at(-1)?.seq === last);
  assert.equal(statSync(backup).mode & 0o777, 0o600);
  assert.deepEqual((await verified(backup)).found, []);

  await server.stop();
  const restored = await runStoa("restore", backup, "--database", database);
  assert.equal(restored.code, 0, restored.stderr);
  const kept = restored.stdout.match(/is kept as (\S+)/)[1];
  assert.equal((await verified(kept)).events, last, "the old store is whole under its new name");
  assert.equal((await verified(database)).code, 0);

  const next = await server.restart(t);
  const carol = await person(t, next, "carol");
  await carol.join("lobby");
  const there = await history(carol, "lobby");
  const contents = new Map(there.map(([seq, content]) => [content, seq]));
  for (const [content, seq] of before) assert.equal(contents.get(content), seq, content);
  assert.deepEqual(there.map(([seq]) => seq), there.map((_, i) => i + 1));
  assert.ok(there.length < last, "the backup was made before the end");
  await until("bob is told", () => resets.length > 0);
  assert.equal(resets[0].forkSeq, there.length);
  // From here on, all clients see the same.
  const { ok, seq, epoch } = await carol.send("lobby", "a new beginning");
  assert.deepEqual([ok, seq], [true, there.length + 1]);
  await until("bob hears it", () => bob.messages.at(-1)?.content === "a new beginning");
  assert.equal(bob.messages.at(-1).seq, seq);
  assert.ok(epoch.startsWith("2-"), epoch);
  await alice.connected();
  const { reset, events } = await alice.join("lobby", { seq: last, epoch: speaking.epoch });
  assert.equal(reset.forkSeq, there.length);
  assert.deepEqual(events.map(([, event]) => event.content), ["a new beginning"]);
  assert.deepEqual(await history(alice, "lobby"), await history(carol, "lobby"));
});

/** A store with `messages` of 1 KB each, which no server uses. */
async function storeOf(t, messages) {
  const server = await startServer(t, { set: unlimited });
  const alice = await person(t, server, "alice");
  await alice.join("lobby");
  const { ok } = await alice.send("lobby", "the first");
  assert.equal(ok, true);
  await server.stop();
  const fill = `WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ${messages})
    INSERT INTO messages (channel_id, message_seq, epoch, message_id, user_id, created_ms, content)
    SELECT 'lobby', i, 1, 'id' || i, 'alice', 0, '"' || hex(zeroblob(500)) || '"' FROM n`;
  sql(databaseOf(server), fill);
  return server;
}

function sql(database, text) {
  const script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.executescript(sys.argv[2])\nc.commit()";
  const { status, stderr } = spawnSync("python3", ["-c", script, database, text], { encoding: "utf8", timeout: 20_000 });
  assert.equal(status, 0, stderr);
}

test("a killed backup leaves no file, and the next one works", async (t) => {
  const server = await storeOf(t, 20_000);
  const folder = newFolder(t), backup = path.join(folder, "copy.db");
  const begin = () => {
    const child = spawn(BINARY, ["backup", backup, "--database", databaseOf(server)], { stdio: "ignore" });
    return { child, ended: new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal }))) };
  };
  const sizeNow = () => (existsSync(`${backup}.partial`) ? statSync(`${backup}.partial`).size : -1);
  const whole = statSync(databaseOf(server)).size;
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    for (const part of [0, 0.2, 0.6, 0.99]) {
      for (const left of readdirSync(folder)) unlinkSync(path.join(folder, left));
      const { child, ended } = begin();
      await until("it is so far", () => sizeNow() >= part * whole || child.exitCode !== null);
      child.kill(signal);
      const end = await within("its end", ended);
      if (end.code === 0) continue; // the command ended before the kill
      assert.equal(existsSync(backup), false, `${signal} at ${part}: ${JSON.stringify(end)}`);
      if (signal === "SIGTERM") assert.deepEqual(readdirSync(folder), [], "nothing is left when it may tidy up");
      if (signal === "SIGTERM") assert.equal(end.code, 130);
    }
  }
  const { code, stderr } = await runStoa("backup", backup, "--database", databaseOf(server));
  assert.equal(code, 0, stderr);
  assert.deepEqual(readdirSync(folder), ["copy.db"]);
});

test("a backup replaces nothing without --force, and a failure leaves what was there", async (t) => {
  const server = await storeOf(t, 100);
  const folder = newFolder(t), backup = path.join(folder, "copy.db"), database = databaseOf(server);
  assert.equal((await runStoa("backup", backup, "--database", database)).code, 0);
  const first = readFileSync(backup);
  sql(database, "UPDATE channels SET name = 'renamed'");
  const again = await runStoa("backup", backup, "--database", database);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /is there already \(--force/);
  assert.ok(readFileSync(backup).equals(first));
  // No space: the file may not grow beyond a few blocks.
  const full = spawnSync("sh", ["-c", `trap '' XFSZ; ulimit -f 40; exec "$0" "$@"`, BINARY, "backup", "--force", backup, "--database", database],
    { encoding: "utf8", timeout: 20_000 });
  assert.equal(full.status, 1, full.stderr);
  assert.ok(readFileSync(backup).equals(first));
  assert.deepEqual(readdirSync(folder), ["copy.db"]);
  const itself = await runStoa("backup", "--force", database, "--database", database);
  assert.equal(itself.code, 1);
  assert.match(itself.stderr, /is the store itself/);
  const nowhere = await runStoa("backup", path.join(folder, "none/copy.db"), "--database", database);
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.stderr, /none\/copy\.db\.partial: No such file or directory/);
  assert.equal((await runStoa("backup", "--force", backup, "--database", database)).code, 0);
  assert.ok(!readFileSync(backup).equals(first));
});

test("a backup of a damaged store replaces no good one", async (t) => {
  const server = await storeOf(t, 100);
  const folder = newFolder(t), backup = path.join(folder, "copy.db"), database = databaseOf(server);
  assert.equal((await runStoa("backup", backup, "--database", database)).code, 0);
  const good = readFileSync(backup);
  sql(database, "DELETE FROM messages WHERE message_seq IN (50, 60)");
  const refused = await runStoa("backup", "--force", backup, "--database", database);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /channel lobby: 50 is missing \[gap\]\nchannel lobby: 60 is missing \[gap\]\n/);
  assert.ok(readFileSync(backup).equals(good));
  assert.equal((await runStoa("backup", "--force", "--unsound", backup, "--database", database)).code, 0);
  assert.equal((await verified(backup)).findings, 2);
});

test("a killed restore leaves the old store or the new one", async (t) => {
  const server = await storeOf(t, 3000);
  const { folder } = server.options, database = databaseOf(server), backup = path.join(newFolder(t), "copy.db");
  assert.equal((await runStoa("backup", backup, "--database", database)).code, 0);
  // The old store as a killed server leaves it: with 100 more messages, only in its -wal.
  const next = await server.restart(t);
  const alice = await person(t, next, "alice");
  await alice.join("lobby");
  for (let i = 0; i < 100; i++) assert.equal((await alice.send("lobby", `more ${i}`)).ok, true);
  alice.socket.disconnect();
  await next.kill();
  const left = new Map(readdirSync(folder).filter((name) => name.startsWith("stoa.db")).map((name) => [name, readFileSync(path.join(folder, name))]));
  assert.ok(left.get("stoa.db-wal").length > 0);
  const attempt = async (kill) => {
    for (const name of readdirSync(folder)) unlinkSync(path.join(folder, name));
    for (const [name, bytes] of left) writeFileSync(path.join(folder, name), bytes);
    const began = performance.now();
    const child = spawn(BINARY, ["restore", backup, "--database", database], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.on("close", (code) => resolve(code)));
    const timer = kill === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), kill);
    const code = await within("the restore's end", ended);
    clearTimeout(timer);
    return { code, took: performance.now() - began };
  };
  const { code, took } = await attempt();
  assert.equal(code, 0);
  const seen = new Set();
  for (const part of [0, 0.3, 0.6, 0.8, 0.85, 0.9, 0.95, 1]) {
    const end = await attempt(part * took);
    const { code: verdict, events, stderr } = await verified(database);
    assert.equal(verdict, 0, `killed at ${part}: ${stderr}`);
    assert.ok(events === 3100 || (events === 3000 && readdirSync(folder).some((name) => name.includes(".before-"))), `killed at ${part}: ${events}`);
    if (end.code === 0) assert.equal(events, 3000);
    seen.add(events);
  }
  assert.ok(seen.has(3100));
  assert.equal((await attempt()).code, 0, "the next one goes through");
});

test("a restore is refused while the store is served", async (t) => {
  const server = await startServer(t, { set: unlimited });
  const backup = path.join(newFolder(t), "copy.db"), database = databaseOf(server);
  const alice = await person(t, server, "alice");
  await alice.join("lobby");
  assert.equal((await runStoa("backup", backup, "--database", database)).code, 0);
  await alice.send("lobby", "after the backup");
  for (const command of [["restore", backup], ["epoch", "begin"]]) {
    const { code, stderr } = await runStoa(...command, "--database", database);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /another server has it open: process \d+/);
  }
  assert.equal((await alice.send("lobby", "still here")).seq, 2);
});

test("a damaged backup is refused, and the old store stays", async (t) => {
  const server = await storeOf(t, 2000);
  const folder = newFolder(t), backup = path.join(folder, "copy.db"), database = databaseOf(server);
  assert.equal((await runStoa("backup", backup, "--database", database)).code, 0);
  const beside = () => readdirSync(server.options.folder).sort();
  const files = beside(), before = await verified(database);
  const damages = {
    "a page": () => {
      const fd = openSync(backup, "r+");
      writeSync(fd, Buffer.alloc(4096, 0x7f), 0, 4096, Math.floor(statSync(backup).size / 8192) * 4096);
      closeSync(fd);
    },
    "a number": () => sql(backup, "DELETE FROM messages WHERE message_seq = 1000"),
    "another file": () => writeFileSync(backup, "a letter to my sister"),
    "another database": () => sql((unlinkSync(backup), backup), "CREATE TABLE recipes (name TEXT)"),
    "no file": () => unlinkSync(backup),
  };
  const good = readFileSync(backup);
  for (const [what, damage] of Object.entries(damages)) {
    writeFileSync(backup, good);
    damage();
    const { code, stderr } = await runStoa("restore", backup, "--database", database);
    assert.equal(code, 1, `${what}: ${stderr}`);
    assert.match(stderr, /copy\.db/, what);
    assert.deepEqual(beside(), files, what);
    assert.deepEqual(await verified(database), before, what);
  }
  const next = await server.restart(t);
  const alice = await person(t, next, "alice");
  assert.ok((await alice.join("lobby")).epoch.startsWith("1-"));
});

test("an epoch begun by hand resets only clients ahead of it", async (t) => {
  const server = await startServer(t, { set: unlimited });
  const alice = await person(t, server, "alice");
  await alice.join("lobby");
  const { epoch } = await alice.send("lobby", "one");
  await server.stop();
  const { code, stdout } = await runStoa("epoch", "begin", "--database", databaseOf(server));
  assert.equal(code, 0);
  assert.match(stdout, /epoch 2-\w+ begins/);
  const next = await server.restart(t);
  const bob = await person(t, next, "bob");
  assert.equal((await bob.join("lobby", { seq: 1, epoch })).reset, undefined);
  const { reset } = await bob.join("lobby", { seq: 3, epoch });
  assert.equal(reset.forkSeq, 1);
});

// ---- the page

const PAGE = readFileSync(path.join(root, "docs/operations.md"), "utf8");

/** The lines of the sh blocks of a section. */
function commandsOf(title) {
  const section = PAGE.split(`\n## ${title}\n`)[1].split("\n## ")[0];
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) => block.trim().split("\n"));
}

/** The test's own `systemctl start|stop stoa`: it asks the test through a file, and waits until the file is gone. */
const SYSTEMCTL = `#!/bin/sh
echo "$1 $2" > "$ASKED.new" && mv "$ASKED.new" "$ASKED"
while [ -e "$ASKED" ]; do sleep 0.02; done
`;

test("each documented command of backup and restore works", async (t) => {
  const folder = newFolder(t), bin = path.join(folder, "bin"), asked = path.join(folder, "asked");
  mkdirSync(bin);
  symlinkSync(BINARY, path.join(bin, "stoa"));
  writeFileSync(path.join(bin, "systemctl"), SYSTEMCTL);
  chmodSync(path.join(bin, "systemctl"), 0o755);
  const backups = path.join(folder, "backups"), config = path.join(folder, "stoa.lua");
  mkdirSync(backups);
  writeFileSync(config, `return { auth = { mode = "development" }, store = { path = "stoa.db" }, scripts = { "${root}/scripts/auth.lua", "${root}/scripts/chat.lua" } }`);
  let server = await startServer(t, { config, folder, set: unlimited });
  const asks = async ({ ended }) => {
    for (let done = false; !done; ) {
      done = await until("systemctl asks, or the command ends", () => existsSync(asked) || ended.over);
      done = Boolean(ended.over);
      if (!existsSync(asked)) continue;
      const what = readFileSync(asked, "utf8").trim();
      if (what === "stop stoa") await server.stop();
      else if (what === "start stoa") server = await server.restart(t);
      else assert.fail(what);
      unlinkSync(asked);
    }
  };
  const speak = async (content) => {
    const alice = await person(t, server, "alice");
    const joined = await alice.join("lobby");
    return { ...joined, ...(await alice.send("lobby", content)) };
  };
  const run = async (line) => {
    const real = line.replaceAll("/etc/stoa/stoa.lua", config).replaceAll("/var/backups", backups);
    const child = spawn("sh", ["-c", real], { env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, ASKED: asked }, cwd: folder });
    let told = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (told += text));
    const ended = { over: false };
    const end = new Promise((resolve) => child.on("close", (code) => ((ended.over = true), resolve(code))));
    await asks({ ended });
    assert.equal(await within(line, end), 0, `${line}\n${told}`);
    return told;
  };
  await speak("in the backup");
  const lines = commandsOf("Backup and restore");
  assert.ok(lines.length >= 9, lines.join("\n"));
  const expected = {
    "stoa backup": /: 1 messages in \d+ channels/,
    "stoa verify": /^sound: /,
    "stoa restore": /epoch 2-\w+ begins.*\nwhat was there is kept as .*stoa\.db\.before-/,
    "stoa epoch begin": /epoch 3-\w+ begins/,
    systemctl: /^$/,
  };
  const seen = new Set();
  for (const line of lines) {
    const [name, pattern] = Object.entries(expected).find(([start]) => line.startsWith(start)) ?? assert.fail(`not known: ${line}`);
    assert.match(await run(line), pattern, line);
    if (name === "stoa backup") assert.equal((await speak("after the backup")).seq, 2);
    seen.add(name);
  }
  assert.deepEqual([...seen].sort(), Object.keys(expected).sort());
  const { seq, epoch } = await speak("again");
  assert.equal(seq, 2, "what came after the backup is gone");
  assert.ok(epoch.startsWith("3-"), epoch);
});
