// SPDX-License-Identifier: Apache-2.0
// Restored backups: the log goes on from an earlier point, and clients that had seen more are told.

import assert from "node:assert/strict";
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { until } from "../server.mjs";
import { allMeet, nemesis } from "../stage.mjs";

const PARTS = ["", "-wal", "-shm", ".incarnation"];

/** Waits until the file times of a copy made now differ from those of later files. */
const old = (since) => until("the copy is old", () => performance.now() - since > 1500);

/** Copies these files of the database, as a backup. */
function keep({ database }, parts) {
  for (const part of parts) if (existsSync(database + part)) copyFileSync(database + part, `${database}${part}.kept`);
}

/** Replaces the current files with the copies. */
function bringBack({ database }, parts) {
  for (const part of PARTS) {
    const kept = `${database}${part}.kept`;
    if (!parts.includes(part)) continue;
    rmSync(database + part, { force: true });
    if (existsSync(kept)) copyFileSync(kept, database + part);
    rmSync(kept, { force: true });
  }
}

// end: how the server ends before the copy; kept: the copied files; back: the restored files (one that was not kept is removed).
const SQLITE = [
  { name: "of a server that was stopped", end: "stop", kept: [""], back: ["", "-wal"] },
  { name: "of a killed server, with its -wal", end: "kill", kept: ["", "-wal"], back: ["", "-wal"] },
  { name: "of a killed server, without its -wal", end: "kill", kept: [""], back: ["", "-wal"] },
  { name: "of the folder as a whole", end: "stop", kept: PARTS, back: PARTS },
  { name: "of a killed server's folder as a whole", end: "kill", kept: PARTS, back: PARTS },
  { name: "in a folder of its own, without the file of the incarnation", end: "stop", kept: [""], back: PARTS },
];

const sqlite = SQLITE.map(({ name, end, kept, back }) => ({
  name: `N36 restoring a SQLite backup ${name} begins an epoch and tells clients ahead of it`,
  stage: { alone: true, load: { rate: 100, followsEpochs: true } },
  lossy: true,
  act: async ({ server }, load) => {
    await load.progress(40);
    await nemesis(load, 5000, async () => {
      await server[end]();
      keep(server, kept);
      await server.start();
    });
    await old(performance.now());
    await load.progress(60);
    await nemesis(load, 5000, async () => {
      await server[end]();
      bringBack(server, back);
      await server.start();
    });
    await load.progress(60);
  },
}));

const commands = {
  name: "N36 restoring a backup made under load begins an epoch and tells clients ahead of it",
  stage: { alone: true, load: { rate: 100, followsEpochs: true } },
  lossy: true,
  act: async ({ server }, load) => {
    const file = `${server.folder}/backup.db`, good = async (...words) => assert.equal((await server.command(...words)).code, 0);
    await load.progress(60);
    await good("backup", file);
    await load.progress(60);
    await nemesis(load, 5000, async () => {
      await server.stop();
      await good("restore", file);
      await server.start();
    });
    await load.progress(60);
  },
};

/** One action of tests/servers/postgres.py makes the backup, another one restores it. */
const postgres = [["copy", "copy-back", "the data directory"], ["dump", "load", "a pg_dump"]].map(([keeping, back, what]) => ({
  name: `N36 restoring ${what} of a PostgreSQL shard begins an epoch and tells clients ahead of it`,
  stage: { load: { rate: 100, ackMs: 7000, silentMs: 9000, followsEpochs: true } },
  lossy: true,
  act: async ({ postgres: servers, nodes }, load) => {
    await load.progress(40);
    await nemesis(load, 6000, () => servers.act(keeping, "shard0"));
    await load.progress(60);
    await nemesis(load, 6000, async () => {
      await servers.act(back, "shard0");
      await allMeet(nodes, 2).catch(() => {}); // the checker decides whether this is a violation
    });
    await load.progress(60);
  },
}));

export default [...sqlite, commands, ...postgres];
