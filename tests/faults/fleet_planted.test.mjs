// SPDX-License-Identifier: Apache-2.0
// With a fault planted in the server, the checker must report the named invariant when a fleet is in trouble; without the
// fault, the same troubles are green (troubles/). Only in builds with STOA_FAULTS.

import assert from "node:assert/strict";
import test from "node:test";
import { sleep } from "./server.mjs";
import { losePrimary, returnOldPrimary, scene, settle, verdict } from "./stage.mjs";
import backups from "./troubles/backups.mjs";
import damage from "./troubles/damage.mjs";
import people from "./troubles/people.mjs";
import primaries from "./troubles/primaries.mjs";
import stalls from "./troubles/stalls.mjs";

const TIME = { timeout: 180_000 };

/** The invariants that the checker reports after the trouble with the planted fault. */
async function named(fault, options, trouble, checking) {
  let found;
  await scene({ ...options, env: { STOA_FAULT: fault } }, async (fleet, load) => {
    await trouble(fleet, load);
    const { violations } = await verdict(fleet, load, checking);
    found = [...new Set(violations.map((line) => line.split(" ")[0]))];
  });
  return found;
}

/** The checker reports one of the invariants. It gets several runs, because a fault may miss its moment or stop the trouble. */
async function turnsRed(invariants, fault, options, trouble, checking, tries = 5) {
  let found;
  for (let i = 0; i < tries; i += 1) {
    found = await named(fault, options, trouble, checking).catch((error) => [error.message.split("\n")[0]]);
    if (found.some((name) => invariants.includes(name))) return;
  }
  assert.fail(`the checker found ${found.join(", ") || "nothing"}, not ${invariants.join(" or ")}`);
}

/** Ends the subscribers' connections again and again: most events between the workers are lost, also the last ones. */
async function loseEvents({ redis }, load) {
  await load.progress(20);
  await redis.cli(redis.ports[0], "-r", "80", "-i", "0.1", "client", "kill", "type", "pubsub");
  await load.progress(10);
}

test("not reading missed events turns I5 red", TIME, () => turnsRed(["I5"], "no_gap_fill", {}, loseEvents));
const SPARSE = { load: { channels: 8, rate: 4, reconnects: 0 } }; // rarely a next event that shows the gap
test("not comparing heads turns I10 red", TIME, () => turnsRed(["I10"], "no_head_check", SPARSE, loseEvents));
test("losing events between workers alone breaks no promise", TIME, () =>
  scene(SPARSE, async (fleet, load) => {
    await loseEvents(fleet, load);
    await load.progress(20);
    await settle(fleet, load);
  }));
test("no deduplication turns I3 red", TIME, () => turnsRed(["I3"], "dedupe_off", {}, (_fleet, load) => load.progress(150)));
test("no grace for reconnects turns I11 red", TIME, () => turnsRed(["I11"], "no_grace", { load: { reconnects: 0.1 } }, (_fleet, load) => load.progress(300)));
test("cursors without their epoch turn I1 red when a promotion loses events", TIME, () =>
  turnsRed(["I1"], "cursor_without_epoch", { replicas: 2, load: { rate: 150, reconnects: 0.05, followsEpochs: true } }, losePrimary, { lossy: true }));
test("acknowledging what no standby has turns I1 red when one is promoted", TIME, () =>
  turnsRed(["I1"], "sync_off", { replicas: 2, quorum: true, commit: "local", load: { rate: 150 } }, losePrimary));
test("believing an old primary that comes back turns I1 red", TIME, () =>
  turnsRed(["I1"], "no_epoch_floor", { replicas: 2, proxied: ["postgres"], load: { followsEpochs: true } },
    (fleet, load) => returnOldPrimary(fleet, load, () => sleep(4000)), { lossy: true })); // for this time the nodes believe it

/** Runs the trouble (troubles/) whose name includes `name`; without the fault it is green. */
function troubleTurnsRed(invariants, fault, troubles, name, load) {
  const { stage, lossy, act } = troubles.find((trouble) => trouble.name.includes(name));
  return turnsRed(invariants, fault, { ...stage, load: { ...stage.load, ...load } }, act, { lossy });
}

// Three at a time, because they wait for servers more than for the processor.
const RED = [
  ["believing a restored SQLite backup turns I1 red", ["I1"], "no_lineage", backups, "of the folder as a whole"],
  ["believing a shard's restored backup turns I1 red", ["I1"], "no_epoch_floor", backups, "the data directory"],
  ["believing a quiet old primary turns I1 red", ["I1"], "no_epoch_floor", primaries, "comes back while nobody writes"],
  ["believing an old primary of the global database turns I1 red", ["I1"], "no_epoch_floor", primaries, "of the global database"],
  ["not checking the quorum turns I1 red when it is disabled", ["I1"], "sync_off", primaries, "synchronous_standby_names"],
  ["counting refused sends turns I2 red when a message is damaged", ["I2"], "refused_is_counted", damage, "a bit of a stored message", { reconnects: 0 }],
  ["letting locked heads hold up the others turns I12 red", ["I12"], "hot_holds_all", stalls, "two locked heads"],
  ["staying online when the connection ends in a join turns I11 red", ["I11"], "follow_outlives", people, "one machine"],
  ["waiting for the store at shutdown turns I13 red", ["I13"], "end_waits", stalls, "while its store stands still"],
];
test("troubles that are green without the fault", { concurrency: 3 }, (t) =>
  Promise.all(RED.map(([name, ...how]) => t.test(name, TIME, () => troubleTurnsRed(...how)))));
