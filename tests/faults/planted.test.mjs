// Faults planted in the server must turn the checker red, each under its name; without them the same run is green. A
// checker that finds nothing wrong with a server that is wrong proves nothing. (Builds with STOA_FAULTS only.)

import assert from "node:assert/strict";
import test from "node:test";
import { check } from "./checker.mjs";
import { Load } from "./load.mjs";
import { Server } from "./server.mjs";

const POWERCUT = { STOA_POWERCUT: "1" };

/** Load with kills of all processes between; what the checker finds. */
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

/** The fault shows in one of a few runs (it needs its moment); the invariant that it breaks is named. */
async function turnsRed(invariants, options, tries = 4) {
  const found = new Set();
  for (let i = 0; i < tries; i += 1) {
    for (const line of await run({ ...options, load: { ...options.load, seed: 7 + i } })) found.add(line.split(" ")[0]);
    if (invariants.some((name) => found.has(name))) return;
  }
  assert.fail(`the checker found ${[...found].join(", ") || "nothing"}, not ${invariants.join(" or ")}`);
}

const TIME = { timeout: 240_000 };

test("without a fault the checker is green, kills and all", TIME, async () => {
  assert.deepEqual((await run({ kills: 2 })).slice(0, 3), []);
});
test("without a fault the checker is green over power cuts", TIME, async () => {
  assert.deepEqual((await run({ kills: 2, env: POWERCUT })).slice(0, 3), []);
});
test("acknowledging before the commit turns I1 red", TIME, () => turnsRed(["I1"], { env: { STOA_FAULT: "ack_before_commit" }, kills: 3, steps: 60 }));
test("synchronous=OFF turns I1 red under a power cut", TIME, () => turnsRed(["I1"], { env: { ...POWERCUT, STOA_FAULT: "sync_off" }, kills: 2 }));
test("no deduplication turns I3 red", TIME, () => turnsRed(["I3"], { env: { STOA_FAULT: "dedupe_off" } }));
test("not reading the missed tail turns I5 or I7 red", TIME, () => turnsRed(["I5", "I7"], { env: { STOA_FAULT: "no_gap_fill" } }));
test("live events before the replayed tail turn I5 red", TIME, () => turnsRed(["I5"], { env: { STOA_FAULT: "live_before_tail" }, load: { reconnects: 0.3 } }));
test("swapping two sends of one sender turns I9 red", TIME, () => turnsRed(["I9"], { env: { STOA_FAULT: "swap_sends" } }));
