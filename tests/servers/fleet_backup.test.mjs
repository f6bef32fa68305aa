// SPDX-License-Identifier: Apache-2.0
// Runs the commands of docs/postgres.md, "Backup and restore of a fleet", on real servers; only names and paths differ.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { newFolder, root, startServer, until, within } from "../scenes/harness.mjs";
import { person } from "../scenes/people.mjs";

const PAGE = readFileSync(path.join(root, "docs/postgres.md"), "utf8");
const SECTION = PAGE.split("\n## Backup and restore of a fleet\n")[1].split("\n## ")[0];
/** Its sh blocks, each a list of lines. */
const [DUMP, LOAD, COPY, RECOVER, EPOCHS, AGREE] = [...SECTION.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block.trim().split("\n"));

const FOLDER = process.env.STOA_PG_FOLDER, PG = process.env.STOA_PG_BIN;
const ports = { g: process.env.STOA_PG_GLOBAL, ...process.env.STOA_PG_SHARDS.split(" ") };
const nameOf = (place) => (place === "g" ? "global" : `shard${place}`);
const conninfo = (place, database = nameOf(place)) => `host=127.0.0.1 port=${ports[place]} dbname=${database} user=postgres`;
const sql = (place, text) => execFileSync("psql", [conninfo(place), "-Atq", "-v", "ON_ERROR_STOP=1", "-c", text], { encoding: "utf8", timeout: 30_000 }).trim();

/** The test answers for systemctl: through a file for stoa, with tests/servers/postgres.py for PostgreSQL. */
const SYSTEMCTL = `#!/bin/sh
case "$2" in
stoa)
  echo "$1 $2" > "$ASKED.new" && mv "$ASKED.new" "$ASKED"
  while [ -e "$ASKED" ]; do sleep 0.02; done ;;
*)
  name=\${2#postgresql@}
  chown -R postgres: "${FOLDER}/$name"
  if [ "$1" = stop ]; then cd / && runuser -u postgres -- ${PG}/pg_ctl -D "${FOLDER}/$name" -m fast -w stop
  else python3 "${root}/tests/servers/postgres.py" do "${FOLDER}" start "$name"; fi ;;
esac
`;

const channels = ["lobby", "c0", "c1", "c2", "c3"];

async function stage(t) {
  const folder = newFolder(t), bin = path.join(folder, "bin"), asked = path.join(folder, "asked"), backups = path.join(folder, "backups");
  const config = path.join(folder, "fleet.lua");
  for (const made of [bin, backups, ...["0", "1", "g"].map((place) => path.join(backups, `wal-${place}`))]) mkdirSync(made);
  for (let part = backups; part.length > 4; part = path.dirname(part)) chmodSync(part, 0o777);
  for (const place of ["0", "1", "g"]) chmodSync(path.join(backups, `wal-${place}`), 0o777);
  symlinkSync(process.env.STOA_BINARY, path.join(bin, "stoa"));
  writeFileSync(path.join(bin, "systemctl"), SYSTEMCTL, { mode: 0o755 });
  writeFileSync(config, `return { auth = { mode = "development" }, scripts = { "${root}/scripts/auth.lua", "${root}/scripts/chat.lua" }, store = { driver = "postgres" },
    limits = { user_messages = false, channel_messages = false, connects = false },
    postgres = { global = "${conninfo("g")}", shards = { { write = "${conninfo(0)}" }, { write = "${conninfo(1)}" } } } }`, { mode: 0o600 });
  const here = { folder, backups, config, server: null, time: "" };
  const real = (line) => line.replaceAll("/etc/stoa/stoa.lua", config).replaceAll("/var/backups/stoa", backups)
    .replace(/\/var\/lib\/postgresql\/pg-(\w)/g, (_, place) => `${FOLDER}/${nameOf(place)}`).replace(/postgresql@pg-(\w)/g, (_, place) => `postgresql@${nameOf(place)}`)
    .replace(/host=pg-(\w)/g, (_, place) => `host=127.0.0.1 port=${ports[place]}`).replaceAll("user=stoa", "user=postgres")
    .replaceAll("OWNER stoa", "OWNER postgres").replaceAll("stoa_global", "global").replace(/\bstoa_(\d)\b/g, "shard$1").replaceAll("2026-01-31 12:00:00+00", here.time);
  here.run = async (line) => {
    const child = spawn("sh", ["-ec", real(line)], { env: { ...process.env, PATH: `${bin}:${PG}:${process.env.PATH}`, ASKED: asked }, cwd: folder });
    let told = "", over = false;
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (told += text));
    const end = new Promise((resolve) => child.on("close", (code) => ((over = true), resolve(code))));
    while (!over) {
      await until("systemctl asks, or the command ends", () => existsSync(asked) || over);
      if (!existsSync(asked)) continue;
      if (readFileSync(asked, "utf8").trim() === "stop stoa") await here.server.stop();
      else here.server = await here.server.restart(t);
      unlinkSync(asked);
    }
    assert.equal(await within(line, end), 0, `${real(line)}\n${told}`);
    return told;
  };
  here.all = async (lines) => {
    for (const line of lines) {
      const told = await here.run(line);
      if (line.startsWith("stoa verify")) assert.match(told, /^sound: /m);
      if (line.startsWith("stoa epoch begin")) assert.match(told, /: epoch \S+ begins/);
    }
  };
  return here;
}

/** Each person sends `count` messages to each channel: the last acknowledgement of each. */
async function say(alice, words, len) {
  const last = {};
  for (const channel of channels)
    for (let i = 0; i < len; i++) {
      last[channel] = await alice.send(channel, words);
      assert.equal(last[channel].ok, true, JSON.stringify(last[channel]));
    }
  return last;
}

async function comeBack(t, here, user) {
  const someone = await person(t, here.server, user);
  return someone;
}

/** Clients that have seen more are told; a new message has an old number in another epoch; lists and members agree. */
async function isWhole(t, here, { kept, lost, members }) {
  const alice = await comeBack(t, here, "alice");
  for (const channel of channels) {
    const { reset } = await alice.join(channel, { seq: lost[channel].seq, epoch: lost[channel].epoch });
    assert.equal(reset?.forkSeq, kept[channel].seq, channel);
    const next = await alice.send(channel, "after");
    assert.deepEqual([next.ok, next.seq], [true, kept[channel].seq + 1]);
    assert.notEqual(next.epoch, lost[channel].epoch);
  }
  for (const [user, expected] of Object.entries(members)) {
    const someone = await comeBack(t, here, user);
    const { channels: list, partial } = await someone.ask("channel:list");
    assert.equal(partial, undefined);
    assert.deepEqual(list.map(({ channelId }) => channelId).sort(), [...expected].sort(), user);
    for (const { channelId, seq, readSeq } of list) {
      assert.ok(readSeq <= seq, `${user} has read ${readSeq} of ${channelId}, which is at ${seq}`);
      assert.equal((await someone.join(channelId)).seq, seq);
    }
  }
  for (const place of [0, 1])
    assert.equal(sql(place, "SELECT count(*) FROM channel_heads h WHERE last_seq <> (SELECT count(*) FROM events e WHERE e.channel_id = h.channel_id)"), "0");
}

test("the documented commands restore a fleet from dumps and from files", async (t) => {
  const here = await stage(t);
  for (const place of ["0", "1", "g"]) {
    sql(place, "ALTER SYSTEM SET archive_mode = on");
    sql(place, `ALTER SYSTEM SET archive_command = 'cp %p ${here.backups}/wal-${place}/%f'`);
    await here.run(`systemctl stop postgresql@pg-${place}`);
    await here.run(`systemctl start postgresql@pg-${place}`);
  }
  await here.run("stoa migrate --config /etc/stoa/stoa.lua");
  here.server = await startServer(t, { config: here.config, folder: here.folder });
  let alice = await comeBack(t, here, "alice"), bob = await comeBack(t, here, "bob");
  for (const channel of channels) assert.equal((await alice.join(channel)).ok, true);
  assert.equal((await bob.join("lobby")).ok, true);
  let kept = await say(alice, "kept", 3);
  await here.all(DUMP.slice(0, -1));
  let lost = await say(alice, "between the shards and the global database", 1);
  assert.equal((await bob.ask("read:mark", { channelId: "lobby", seq: lost.lobby.seq })).ok, true);
  assert.equal((await bob.join("attic")).ok, true);
  assert.equal((await bob.send("attic", "is this kept?")).ok, true);
  await here.all(DUMP.slice(-1));
  lost = await say(alice, "after the backup", 1);
  assert.equal((await bob.join("c0")).ok, true);
  await here.all([...LOAD, ...AGREE]);
  await isWhole(t, here, { kept, lost, members: { alice: channels, bob: ["attic", "lobby"] } });

  await here.all(COPY);
  alice = await comeBack(t, here, "alice");
  bob = await comeBack(t, here, "bob");
  for (const channel of channels) await alice.join(channel);
  assert.equal((await bob.join("c1")).ok, true);
  kept = await say(alice, "kept until then", 2);
  here.time = sql("g", "SELECT clock_timestamp()");
  lost = await say(alice, "and this is not", 2);
  assert.equal((await bob.join("c2")).ok, true);
  for (const place of ["0", "1", "g"]) {
    const segment = sql(place, "SELECT pg_walfile_name(pg_switch_wal())");
    await until(`${segment} is archived`, () => existsSync(path.join(here.backups, `wal-${place}`, segment)));
  }
  for (const place of ["0", "1", "g"]) await here.all(RECOVER.map((line) => line.replaceAll("pg-0", `pg-${place}`).replaceAll("base-0", `base-${place}`).replaceAll("wal-0", `wal-${place}`)));
  await here.all([...EPOCHS, ...AGREE]);
  await isWhole(t, here, { kept, lost, members: { alice: channels, bob: ["attic", "lobby", "c1"] } });
});
