// SPDX-License-Identifier: Apache-2.0
// With a fault planted in the server, the checker must report the named invariant; without the fault, the same run is
// green. This proves that the checker can find violations. Only in builds with STOA_FAULTS.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { check } from "./checker.mjs";
import { Load } from "./load.mjs";
import { Server } from "./server.mjs";

const POWERCUT = { STOA_POWERCUT: "1" };

/** Runs a load with kills of all processes: what the checker finds. */
async function run({ env = {}, kills = 0, steps = 120, load: settings = {} }) {
  const server = await new Server({ env }).start();
  const load = await new Load(server, { clients: 8, rate: 250, reconnects: 0.05, ...settings }).start();
  try {
    for (let round = 0; round <= kills; round += 1) {
      await load.progress(steps);
      if (round === kills) break;
      await server.kill();
      await server.start();
    }
    const history = await load.finish();
    load.close();
    await server.stop();
    return check(history, server.truth());
  } finally {
    load.close();
    await server.clean();
  }
}

/** In one of a few runs (a fault may miss its moment), the checker reports one of the invariants. */
async function turnsRed(invariants, options, tries = 4) {
  const found = new Set();
  for (let i = 0; i < tries; i += 1) {
    for (const line of await run({ ...options, load: { ...options.load, seed: 7 + i } })) found.add(line.split(" ")[0]);
    if (invariants.some((name) => found.has(name))) return;
  }
  assert.fail(`the checker found ${[...found].join(", ") || "nothing"}, not ${invariants.join(" or ")}`);
}

const TIME = { timeout: 240_000 };

test("without a fault the checker is green despite kills", TIME, async () => {
  assert.deepEqual((await run({ kills: 2 })).slice(0, 3), []);
});
test("without a fault the checker is green despite power cuts", TIME, async () => {
  assert.deepEqual((await run({ kills: 2, env: POWERCUT })).slice(0, 3), []);
});
test("acknowledging before the commit turns I1 red", TIME, () => turnsRed(["I1"], { env: { STOA_FAULT: "ack_before_commit" }, kills: 3, steps: 60 }));
test("synchronous=OFF turns I1 red under a power cut", TIME, () => turnsRed(["I1"], { env: { ...POWERCUT, STOA_FAULT: "sync_off" }, kills: 2 }));
test("no deduplication turns I3 red", TIME, () => turnsRed(["I3"], { env: { STOA_FAULT: "dedupe_off" } }));
test("not reading missed events turns I5 or I7 red", TIME, () => turnsRed(["I5", "I7"], { env: { STOA_FAULT: "no_gap_fill" } }));
test("live events before replayed ones turn I5 red", TIME, () => turnsRed(["I5"], { env: { STOA_FAULT: "live_before_tail" }, load: { reconnects: 0.3 } }));
test("swapping two sends of one sender turns I9 red", TIME, () => turnsRed(["I9"], { env: { STOA_FAULT: "swap_sends" } }));

// ---- a start that takes longer than start_timeout_s

const SCHEMA = join(dirname(fileURLToPath(import.meta.url)), "../../config/sql/sqlite");
const OLD_MESSAGES = 20_000;

/** A store with the third schema, as an old server left it. */
function makeOldStore(server) {
  const schema = readdirSync(SCHEMA).filter((name) => /^00[123]/.test(name)).sort().map((name) => readFileSync(join(SCHEMA, name), "utf8"));
  execFileSync("sqlite3", [server.database], { timeout: 60_000, input: `${schema.join("\n")}
    PRAGMA user_version = 3;
    INSERT INTO epochs VALUES (1, 'b165704e', 1);
    INSERT INTO channels VALUES ('hall', 'hall', 'public', 0, ${OLD_MESSAGES}, 1);
    INSERT INTO events WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${OLD_MESSAGES})
      SELECT 'hall', i, 1, 0, 'bob', 'c' || i, 0, i, 1, '{}', NULL FROM n;
    INSERT INTO messages SELECT 'hall', seq, 'm' || seq, 'bob', '"said"', NULL, NULL, 1, NULL, NULL, NULL FROM events;` });
}

async function startOldStore(fault, body) {
  const server = new Server({ env: { STOA_FAULT: fault }, set: ["start_timeout_s=1"] });
  try {
    makeOldStore(server);
    const began = Date.now();
    const failure = await server.start().then(() => null, (error) => error);
    await body(server, failure, Date.now() - began);
  } finally {
    await server.clean();
  }
}

test("a start may exceed its deadline while it makes progress", TIME, () => startOldStore("slow_migration", async (server, failure, took) => {
  assert.equal(failure, null);
  assert.ok(took > 2000, `it took ${took} ms`);
  assert.ok(server.line(/store\.migrates .*from=3/));
  await server.stop();
  assert.equal(server.rows("SELECT last_seq FROM heads")[0].last_seq, OLD_MESSAGES);
}));

test("a start without progress is ended", TIME, () => startOldStore("stuck_migration", (server, failure) => {
  assert.ok(failure);
  assert.ok(server.line(/worker\.stuck/), server.lines.join("\n"));
}));
